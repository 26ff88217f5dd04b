"""Commands about one training: train it, predict its cost, queue it on a cluster."""

__all__ = ["budget", "pretrain", "slurm", "train"]

import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from workshop_lib.config import Config
from workshop_lib.errors import WorkshopError
from workshop_lib.presets import train_flags

if TYPE_CHECKING:
    from workshop_lib.evaluation.scoring import Evaluation


def train(
    config: Config,
    folder: Path | None = None,
    split_folder: Path | None = None,
    fresh: bool = False,
    checkpoint: Literal["last", "previous"] = "last",
) -> None:
    """Train one model, and score it once on the test images.

    Example: workshop train --data FOLDER --method fixmatch --threshold 0.8

    Maps instead of classes, from one labelled tile of each class of scene:
    `workshop train --task segment`. For photographs, on the features of a pretrained
    network: `workshop train --task features --data FOLDER`, or with `--task finetune`
    its last stage is trained too. Class, map and elevation of
    each image with one network, from many classes and few maps:
    `workshop train --task multitask`. All change the defaults below; so does
    `--preset`: ci, class, home.

    On several GPUs or processes, with the same result as on one:
    `torchrun --nproc-per-node 2 -m workshop_lib.cli train ...`

    Args:
        config: the settings.
        folder: where the run goes; default runs/METHOD-HASH.
        split_folder: folder that `workshop split --save` wrote, in place of --split.
        fresh: start anew instead of resuming what the folder holds.
        checkpoint: which one to resume from; previous is for when the last is damaged.
    """
    from workshop_lib.data.load import describe, open_data
    from workshop_lib.evaluation.scoring import evaluate
    from workshop_lib.experiments.sweeps import check_config
    from workshop_lib.ranks import process_group, rank, rank_zero_first
    from workshop_lib.session import setup
    from workshop_lib.training.loop import train as train_run

    # A misspelt name should not cost the minutes that reading all images may take
    check_config(config, describe(config.data)[0])
    with process_group():
        setup()
        with rank_zero_first():  # images are decoded once, then found in the cache
            dataset, split = open_data(config, split_folder)
        audit = split.audit(dataset)
        if not audit.ok:
            print(f"warning: {audit}")
        run = train_run(
            config,
            dataset,
            split,
            folder=folder,
            resume=not fresh,
            checkpoint=checkpoint,
        )
        if rank() != 0:
            return
    facts = run.facts
    if run.metric == "knn":
        knn = run.log["val_knn"].max()
        print(f"no label was used; validation by the nearest images {knn:.3f}")
        print(f"{facts['seconds']:.0f} s\nrun: {run.folder}")
        print(f"next: workshop train --init-from {run.folder}")
        return
    print(_headline(evaluate(run, dataset, split)))
    each = facts.get("labels_per_head", {})
    labels = ", ".join(f"{n} labels of {head}" for head, n in each.items())
    labels = labels if len(each) > 1 else f"{facts['labels']} labels"
    print(f"{labels}, {facts['seconds']:.0f} s\nrun: {run.folder}")
    print(f"next: workshop report {run.folder}")


def pretrain(
    config: Config,
    folder: Path | None = None,
    split_folder: Path | None = None,
    fresh: bool = False,
    checkpoint: Literal["last", "previous"] = "last",
) -> None:
    """Train an encoder without labels, to start other trainings from.

    Example: workshop pretrain --folder runs/encoder
             workshop train --init-from runs/encoder --labels-per-class 4

    Two augmented views of an image have to be recognised among those of others
    (SimCLR). Several sensors, `--sensors s1 s2`, are the views themselves, with a
    backbone for each; a training on one of them starts from its own.

    Args:
        config: the settings.
        folder: where the run goes; default runs/METHOD-HASH.
        split_folder: folder that `workshop split --save` wrote, in place of --split.
        fresh: start anew instead of resuming what the folder holds.
        checkpoint: which one to resume from; previous is for when the last is damaged.
    """
    if len(config.data.sensors) > 1:
        config = config.replace(pairs="sensors", fusion="late")
    train(config, folder, split_folder, fresh, checkpoint)


def budget(
    config: Config,
    num_images: int | None = None,
    channels: int | None = None,
    num_classes: int | None = None,
    memory: float | None = None,
) -> None:
    """Predict whether a training fits into memory, how long it takes, and what helps.

    Nothing is trained: memory is counted without being taken, time is measured on a few
    steps on random images.

    Example: workshop budget --encoder wrn-28-2 --size 224 --batch-size 8 --memory 15

    Args:
        config: the settings.
        num_images: images, which stay in memory; default: as in the data.
        channels: bands of the first sensor; default: as in the data.
        num_classes: of the first head; default: as in the data.
        memory: in GB, of another machine (15 for a T4); default: what is free here.
            Times are those of this machine all the same.
    """
    from workshop_lib.data.load import describe
    from workshop_lib.training.cost import budget as budget_of
    from workshop_lib.training.inputs import read_inputs

    for name, value in (("channels", channels), ("num-classes", num_classes)):
        if value is not None and value < 1:
            raise WorkshopError(f"--{name} {value}: it must be at least 1.")
    few, count = describe(config.data)
    facts = read_inputs(config, few).facts()
    if channels is not None:
        facts["sensors"][next(iter(facts["sensors"]))] = channels
    if num_classes is not None:
        facts["heads"][next(iter(facts["heads"]))]["num_classes"] = num_classes
    count = count if num_images is None else num_images
    room = None if memory is None else memory * 1e9
    print(budget_of(config, facts, num_images=count, room=room))


def slurm(
    config: Config,
    nodes: int = 1,
    gpus: int = 1,
    cpus: int = 4,
    hours: float = 24,
    options: tuple[str, ...] = (),
    folder: Path | None = None,
    split_folder: Path | None = None,
    out: Path = Path("job.sh"),
    overwrite: bool = False,
) -> None:
    """Write a job script that trains on a cluster with SLURM.

    The job stops in time, with a checkpoint, is queued again and resumes, until the
    training is finished; the same after a preemption.

    Example: workshop slurm --method comatch --gpus 4 --options partition=gpu

    Args:
        config: the settings; the batch size is that of all processes together.
        nodes: machines.
        gpus: of each machine, with one process for each; 0 trains on CPUs.
        cpus: cores of each process.
        hours: time limit of one job; what takes longer goes on in the next.
        options: more of sbatch's, without the dashes: partition=gpu account=me.
        folder: where the run goes; default runs/METHOD-HASH.
        split_folder: folder that `workshop split --save` wrote, in place of --split.
        out: the script.
        overwrite: replace what is there, even if this command did not write it.
    """
    from workshop_lib.files import check_output, fill_template, write_text

    check_output(out, overwrite=overwrite)
    _check_job(config, nodes, gpus, cpus, options)
    minutes = round(60 * hours)
    if minutes < 5:  # two of them are for the checkpoint
        raise WorkshopError(f"minutes={minutes}: it must be at least 5.")
    command = [sys.executable, "-m", "workshop_lib.cli", "train", *train_flags(config)]
    for flag, path in (("--folder", folder), ("--split-folder", split_folder)):
        command += [flag, str(path)] if path else []
    name = f"{config.method_name}-{Path(config.data.name).name}"
    content = {
        "name": re.sub(r"[^\w.-]+", "-", name),
        "nodes": nodes,
        "gpus": gpus,
        "cpus": cpus,
        "time": f"{minutes // 60:02d}:{minutes % 60:02d}:00",
        "options": options,
        "command": _lines(command),
    }
    script = fill_template(Path(__file__).with_name("job.sh"), content)
    write_text(out, script + "\n")
    print(f"written: {out}\nnext: sbatch {out}")


def _check_job(
    config: Config, nodes: int, gpus: int, cpus: int, options: Sequence[str]
) -> None:
    """Refuse here what the cluster or the training would refuse hours later.

    Raises:
        WorkshopError: numbers out of range, a batch that does not divide among the
            processes, or something that is not an option.
    """
    if min(nodes, 1 + gpus, cpus) < 1:
        given = f"nodes={nodes}, gpus={gpus}, cpus={cpus}"
        raise WorkshopError(f"{given}: give at least 1 of each, but for GPUs 0.")
    for option in options:
        if not re.fullmatch(r"[a-z][\w-]*(=\S+)?", option):
            raise WorkshopError(
                f"option {option!r}: write sbatch's long options without the dashes,"
                " like partition=gpu."
            )
    processes, batch = nodes * max(1, gpus), config.optim.batch_size
    if batch % processes:
        raise WorkshopError(
            f"batch_size={batch} for {processes} processes: each takes an equal part of"
            f" it. Choose a multiple of {processes}, or fewer GPUs."
        )


def _lines(command: Sequence[str]) -> str:
    """Quote a command for the shell, a flag on each line."""
    text = ""
    for word in command:
        text += (" \\\n    " if word.startswith("--") else " ") + shlex.quote(word)
    return text.strip()


def _headline(result: "Evaluation") -> str:
    """Format the figure to report in one line."""
    text = f"test {result.metric} {result.value:.3f}"
    if result.metric in result.intervals:
        low, high = result.intervals[result.metric]
        text += f" (95 % interval over images {low:.3f} to {high:.3f})"
    for head, scores in result.others.items():
        some = [f"{name} {value:.3f}" for name, value in list(scores.items())[:2]]
        text += f"; {head}: {', '.join(some)}"
    return f"{text}; {result.caution}" if result.caution else text
