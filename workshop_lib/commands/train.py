"""Commands about one training: train it, predict its cost, score it."""

__all__ = ["budget", "evaluate", "train"]

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from workshop_lib.config import Config
from workshop_lib.errors import WorkshopError

if TYPE_CHECKING:
    from workshop_lib.evaluation.evaluate import Evaluation
    from workshop_lib.training.run import Run


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
    network: `workshop train --task features --data FOLDER`. Both change the defaults
    below; so does `--preset`: ci, class, home.

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
    from workshop_lib.evaluation.evaluate import evaluate as evaluate_run
    from workshop_lib.experiments.sweep import check_config
    from workshop_lib.ranks import rank
    from workshop_lib.session import setup
    from workshop_lib.training.distributed import process_group, rank_zero_first
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
    print(_headline(evaluate_run(run, dataset, split)))
    facts = run.facts
    print(f"{facts['labels']} labels, {facts['seconds']:.0f} s\nrun: {run.folder}")
    print(f"next: workshop report {run.folder}")


def evaluate(run: tyro.conf.Positional[Path], against: Path | None = None) -> None:
    """Print the test scores of a finished run, and whether another is really worse.

    Example: workshop evaluate runs/fixmatch --against runs/supervised

    Args:
        run: the folder that `workshop train` printed.
        against: folder of another run, tested on the same images, to compare with.
    """
    from workshop_lib.evaluation.predictions import Predictions
    from workshop_lib.evaluation.statistics import mcnemar
    from workshop_lib.evaluation.summary import summary

    opened, result = _evaluated(run)
    if against is not None and result.kind != "categorical":
        raise WorkshopError(
            f"--against {against}: only runs that predict a class per image are"
            f" compared image by image. Compare {result.metric} over several seeds:"
            " `workshop compare`."
        )
    print(summary(result))
    if against is None:
        return
    if not (against / "predictions.npz").exists():
        _evaluated(against)
    ours = Predictions.load(opened.folder / "predictions.npz")
    theirs = Predictions.load(against / "predictions.npz").in_order_of(ours)
    test = mcnemar(ours.right.numpy(), theirs.right.numpy())
    print("\n" + test.summary(str(run), str(against)))


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
    from workshop_lib.training.budget import budget as budget_of
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
    asked = budget_of(
        config,
        facts,
        num_images=count if num_images is None else num_images,
        room=None if memory is None else memory * 1e9,
    )
    print(asked)


def _evaluated(folder: Path) -> "tuple[Run, Evaluation]":
    """Score a finished run on its own data and split."""
    from workshop_lib.data.load import open_data
    from workshop_lib.evaluation.evaluate import evaluate as evaluate_run
    from workshop_lib.training.run import Run

    run = Run.load(folder)
    dataset, split = open_data(run.config, run.folder / "split")
    return run, evaluate_run(run, dataset, split)


def _headline(result: "Evaluation") -> str:
    """Format the figure to report in one line."""
    text = f"test {result.metric} {result.value:.3f}"
    if result.metric in result.intervals:
        low, high = result.intervals[result.metric]
        text += f" (95 % interval over images {low:.3f} to {high:.3f})"
    return ", ".join([text, *(f"{k} {v:.3f}" for k, v in result.others.items())])
