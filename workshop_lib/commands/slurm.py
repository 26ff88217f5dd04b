"""A job script for clusters that run SLURM: start, stop in time, resume."""

__all__ = ["job_script", "minutes_to_ask_for", "slurm"]

import math
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from workshop_lib.config import Config
from workshop_lib.errors import WorkshopError
from workshop_lib.presets import train_flags

_LONGEST = 24 * 60  # minutes; a longer training resumes in the same job, queued again
_PROGRAM = (sys.executable, "-m", "workshop_lib.cli", "train")


def slurm(
    config: Config,
    nodes: int = 1,
    gpus: int = 1,
    cpus: int = 4,
    hours: float | None = None,
    options: tuple[str, ...] = (),
    folder: Path | None = None,
    split_folder: Path | None = None,
    out: Path = Path("job.sh"),
) -> None:
    """Write a job script that trains on a cluster with SLURM.

    The job stops in time, with a checkpoint, is queued again and resumes, until the
    training is finished; the same after a preemption.

    Example: workshop slurm --method comatch --gpus 4 --options partition=gpu

    Args:
        config: the settings.
        nodes: machines.
        gpus: of each machine, with one process for each; 0 trains on CPUs.
        cpus: cores of each process.
        hours: time limit; default: measured in a few steps on this machine, and half
            as much again.
        options: more of sbatch's, without the dashes: partition=gpu account=me.
        folder: where the run goes; default runs/METHOD-HASH.
        split_folder: folder that `workshop split --save` wrote, in place of --split.
        out: the script.
    """
    from workshop_lib.files import write_text

    minutes = 60 * hours if hours else minutes_to_ask_for(_measured(config))
    script = job_script(
        config,
        nodes=nodes,
        gpus=gpus,
        cpus=cpus,
        minutes=round(minutes),
        options=options,
        folder=folder,
        split_folder=split_folder,
    )
    write_text(out, script)
    print(f"written: {out}\nnext: sbatch {out}")


def job_script(
    config: Config,
    *,
    nodes: int = 1,
    gpus: int = 1,
    cpus: int = 4,
    minutes: int = 60,
    options: Sequence[str] = (),
    folder: Path | None = None,
    split_folder: Path | None = None,
) -> str:
    """Write the script of a job that trains by a config, with a process for each GPU.

    Args:
        config: what to train. Its batch_size is that of all processes together.
        nodes: machines.
        gpus: of each machine; 0 trains on CPUs, one process on each machine.
        cpus: cores of each process.
        minutes: after which the job is stopped and queued again, to resume.
        options: more of sbatch's long ones, e.g. "partition=gpu", "account=me".
        folder, split_folder: as `workshop train` takes them.

    Raises:
        WorkshopError: numbers out of range, a batch that does not divide among the
            processes, or something that is not an option.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

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
    batch = config.optim.batch_size
    if batch % (nodes * per_node):
        raise WorkshopError(
            f"batch_size={batch} for {nodes * per_node} processes: each takes an equal"
            f" part of it. Choose a multiple of {nodes * per_node}, or fewer GPUs."
        )
    name = re.sub(
        r"[^\w.-]+", "-", f"{config.method_name}-{Path(config.data.name).name}"
    )
    directives = [
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
    command = [*_PROGRAM, *train_flags(config)]
    for flag, path in (("--folder", folder), ("--split-folder", split_folder)):
        command += [flag, str(path)] if path else []
    environment = Environment(
        loader=PackageLoader("workshop_lib", "commands"),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("job.sh").render(
        directives=directives, cpus=cpus, per_node=per_node, command=_lines(command)
    )


def minutes_to_ask_for(seconds: float) -> int:
    """Turn the estimated time of a training into the time limit of its job.

    Half as much again, and ten minutes to start, load and evaluate; at most a day: a
    training that takes longer is stopped, queued again and resumed.
    """
    return min(_LONGEST, 10 + math.ceil(1.5 * seconds / 60))


def _lines(command: Sequence[str]) -> str:
    """Quote a command for the shell, a flag on each line."""
    text = ""
    for word in command:
        text += (" \\\n    " if word.startswith("--") else " ") + shlex.quote(word)
    return text.strip()


def _measured(config: Config) -> float:
    """Time a few steps here; name the machine, as the cluster is another one."""
    from workshop_lib.data.load import describe
    from workshop_lib.session import versions
    from workshop_lib.training.budget import budget
    from workshop_lib.training.inputs import read_inputs

    few, count = describe(config.data)
    facts = read_inputs(config, few).facts()
    found = budget(config, facts, num_images=count, alternatives=False)
    print(
        f"{found.seconds / 3600:.2f} h for {config.optim.steps} steps of one process on"
        f" {versions()['device']}; on another machine give --hours."
    )
    return found.seconds
