"""A job script for clusters that run SLURM: start, stop in time, go on."""

__all__ = ["job_script", "minutes_to_ask_for"]

import math
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from workshop_lib.errors import WorkshopError
from workshop_lib.recipe import Recipe
from workshop_lib.training.run import train_flags

_LONGEST = 24 * 60  # minutes; what takes longer goes on in the same job, queued again

_SCRIPT = """\
#!/bin/bash
{directives}
# Written by `workshop slurm`. Submit it with sbatch from the folder where `workshop
# train` would run: data, runs and caches must be where all nodes see them.
#
# Two minutes before its time is over SLURM sends SIGUSR1 to this script. It passes it
# on; the training writes a checkpoint and ends; the job is queued again and goes on. A
# preempted job does the same on SIGTERM, and SLURM itself queues it again.

export WORKSHOP_PRESET=class  # what the flags below are given against
export OMP_NUM_THREADS={cpus}
MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
MASTER_PORT=$((20000 + SLURM_JOB_ID % 20000))
export MASTER_ADDR MASTER_PORT

again=no
trap 'again=yes; kill -USR1 "$child"' USR1
trap 'kill -TERM "$child"' TERM

# Each task tells the training which of the processes it is, as torchrun would.
srun --kill-on-bad-exit=1 --cpus-per-task={cpus} bash -c '
    export RANK=$SLURM_PROCID LOCAL_RANK=$SLURM_LOCALID
    export WORLD_SIZE=$SLURM_NTASKS LOCAL_WORLD_SIZE={per_node}
    exec "$@"' task \\
    {command} &
child=$!

# A signal ends `wait` before the training has ended: wait again.
while true; do
    wait "$child"
    code=$?
    kill -0 "$child" 2>/dev/null || break
done

if [ "$again" = yes ] && [ "$code" -ne 0 ]; then
    echo "time is over: queued again"
    exec scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
"""


def job_script(
    recipe: Recipe,
    *,
    nodes: int = 1,
    gpus: int = 1,
    cpus: int = 4,
    minutes: int = 60,
    options: Sequence[str] = (),
    folder: Path | None = None,
    split: Path | None = None,
) -> str:
    """Write the script of a job that trains by a recipe, with a process for each GPU.

    Args:
        recipe: what to train. Its batch_size is that of all processes together.
        nodes: machines.
        gpus: of each machine; 0 trains on CPUs, one process on each machine.
        cpus: cores of each process.
        minutes: after which the job is stopped and queued again; it goes on then.
        options: more of sbatch's long ones, e.g. "partition=gpu", "account=me".
        folder, split: as `workshop train` takes them.

    Raises:
        WorkshopError: numbers out of range, a batch that does not divide among the
            processes, or an option that is none.
    """
    for name, value, least in (
        ("nodes", nodes, 1),
        ("gpus", gpus, 0),
        ("cpus", cpus, 1),
        ("minutes", minutes, 5),  # two of them are for the checkpoint
    ):
        if value < least:
            raise WorkshopError(f"{name}={value}: it must be at least {least}.")
    for option in options:
        if not re.fullmatch(r"[a-z][\w-]*(=\S+)?", option):
            raise WorkshopError(
                f"option {option!r}: write sbatch's long options without the dashes,"
                " like partition=gpu."
            )
    per_node = max(1, gpus)
    if recipe.batch_size % (nodes * per_node):
        raise WorkshopError(
            f"batch_size={recipe.batch_size} for {nodes * per_node} processes: each"
            " takes an equal part of it. Choose a multiple of"
            f" {nodes * per_node}, or fewer GPUs."
        )
    name = re.sub(r"[^\w.-]+", "-", f"{recipe.method}-{Path(recipe.data).name}")
    wanted = [
        f"--job-name={name}",
        f"--nodes={nodes}",
        f"--ntasks-per-node={per_node}",
        *([f"--gpus-per-node={gpus}"] if gpus else []),
        f"--cpus-per-task={cpus}",
        f"--time={minutes // 60:02d}:{minutes % 60:02d}:00",
        "--signal=B:USR1@120",
        "--requeue",
        "--open-mode=append",
        "--output=%x-%j.out",
        *(f"--{option}" for option in options),
    ]
    command = [sys.executable, "-m", "workshop_lib.cli", "train", *train_flags(recipe)]
    for flag, path in (("--folder", folder), ("--split", split)):
        command += [flag, str(path)] if path else []
    return _SCRIPT.format(
        directives="\n".join(f"#SBATCH {option}" for option in wanted),
        cpus=cpus,
        per_node=per_node,
        command=_lines(command),
    )


def minutes_to_ask_for(seconds: float) -> int:
    """Turn an estimate of a training into the time limit of its job.

    Half as much again, and ten minutes to start, load and evaluate; at most a day: a
    training that takes longer is stopped, queued again and goes on.
    """
    return min(_LONGEST, 10 + math.ceil(1.5 * seconds / 60))


def _lines(command: Sequence[str]) -> str:
    """Quote a command for the shell, a flag on each line."""
    text = ""
    for word in command:
        text += (" \\\n    " if word.startswith("--") else " ") + shlex.quote(word)
    return text.strip()
