"""Commands about trainings: each reads its flags, calls the library, prints."""

__all__ = ["budget", "evaluate", "quickstart", "report", "train"]

from pathlib import Path
from typing import Literal

import tyro

from workshop_lib.data.load import (
    describe_bands,
    describe_data,
    load_dataset,
    make_split,
)
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.ranks import rank
from workshop_lib.recipe import Recipe, preset
from workshop_lib.session import setup
from workshop_lib.training.run import Run

_PRESET = preset()


def quickstart(
    folder: Path = Path("runs/quickstart"),
    split_seed: int = 0,
    data: str = "mini_eo",
    fresh: bool = False,
) -> None:
    """Train supervised baselines, FixMatch and the ceiling on one split; compare them.

    About 4 minutes on two CPU cores. Finished parts are loaded the next time.

    Example: workshop quickstart --split-seed 1 --folder runs/seed1

    Args:
        folder: where results.json, report.html and one run per method go.
        split_seed: which images are labelled, unlabelled, validation, test; and the
            seed of the trainings.
        data: "mini_eo", "mini_eo:SEED", or a folder with one folder per class.
        fresh: train anew, also what is finished.
    """
    from workshop_lib.quickstart import ladder_table
    from workshop_lib.quickstart import quickstart as run_quickstart

    setup()
    base = preset().with_(data=data, split_seed=split_seed, seed=split_seed)
    command = f"workshop quickstart --split-seed {split_seed} --data {data}"
    results = run_quickstart(base, folder, fresh=fresh, command=command)
    print("\n" + ladder_table(results))
    print(f"\nThe whole story with pictures: {folder / 'report.html'}")
    print(
        "Next, on your own images (a folder with one folder per class):\n"
        "  workshop train --data FOLDER --labels-per-class 4 --method fixmatch"
    )


def train(
    recipe: tyro.conf.OmitArgPrefixes[Recipe] = _PRESET,
    folder: Path | None = None,
    split: Path | None = None,
    fresh: bool = False,
    checkpoint: Literal["last", "previous"] = "last",
) -> None:
    """Train one model by a recipe, and score it once on the test images.

    Example: workshop train --data FOLDER --labels-per-class 4 --method fixmatch

    Maps instead of classes, from one labelled tile of each class of scene:
    `workshop train --preset segment`, or `--task segment --model unet-16`.

    `--preset features` is meant for real photographs: it changes the defaults below, to
    learn on the features of a pretrained network. Other presets: ci, class, home.

    On several GPUs or processes, with the same result as on one:
    `torchrun --nproc-per-node 2 -m workshop_lib.cli train ...`

    Args:
        recipe: the knobs.
        folder: where the run goes; default runs/METHOD-HASH.
        split: folder that `workshop split --save` wrote; default: drawn by split_seed.
        fresh: start anew instead of going on with what the folder holds.
        checkpoint: which one to go on from; previous is for when the last is damaged.
    """
    from workshop_lib.evaluation.evaluate import evaluate as evaluate_run
    from workshop_lib.methods import build_method
    from workshop_lib.models import build_model
    from workshop_lib.training.distributed import process_group, rank_zero_first
    from workshop_lib.training.loop import train as run_train

    # Looked up before anything is read: a misspelt name should not cost a minute.
    build_method(recipe, num_classes=2)
    build_model(recipe.model, in_channels=3, num_classes=2)
    with process_group():
        setup()
        with rank_zero_first():  # images are decoded once, then found in the cache
            scenes = load_dataset(recipe)
        parts = Split.load(split, scenes) if split else make_split(recipe, scenes)
        audit = parts.audit(scenes)
        if not audit.ok:
            print(f"warning: {audit}")
        run = run_train(
            recipe,
            scenes,
            parts,
            folder=folder,
            resume=not fresh,
            checkpoint=checkpoint,
        )
        if rank() != 0:
            return
    if recipe.task == "segment":
        _print_maps(run, scenes, parts)
        return
    scores = evaluate_run(run, scenes, parts).scores
    low, high = scores.interval()
    print(
        f"test accuracy {scores.accuracy:.3f} (95 % interval over images {low:.3f} to"
        f" {high:.3f}), kappa {scores.kappa:.3f}; {run.facts['labels']} labels,"
        f" {run.facts['seconds']:.0f} s\nrun: {run.folder}"
    )
    print(f"next: workshop report {run.folder}")


def evaluate(run: tyro.conf.Positional[Path], against: Path | None = None) -> None:
    """Print the test scores of a finished run, and whether another is really worse.

    Example: workshop evaluate runs/fixmatch --against runs/supervised

    Args:
        run: the folder that `workshop train` printed.
        against: folder of another run, tested on the same images, to compare with.
    """
    from workshop_lib.evaluation.evaluate import evaluate as evaluate_run
    from workshop_lib.evaluation.evaluate import summary
    from workshop_lib.evaluation.predictions import Predictions
    from workshop_lib.evaluation.statistics import mcnemar

    opened = _open_run(run)
    if opened[0].recipe.task == "segment":
        if against is not None:
            raise WorkshopError(
                f"--against {against} with maps: two maps are compared by their mIoU"
                " over several seeds; evaluate each by itself."
            )
        _print_maps(*opened)
        return
    print(summary(evaluate_run(*opened)))
    if against is None:
        return
    if not (against / "predictions.npz").exists():
        evaluate_run(*_open_run(against))
    ours = Predictions.load(run / "predictions.npz")
    theirs = Predictions.load(against / "predictions.npz").in_order_of(ours)
    test = mcnemar(ours.right.numpy(), theirs.right.numpy())
    print("\n" + test.summary(str(run), str(against)))


def report(runs: tyro.conf.Positional[list[Path]], out: Path | None = None) -> None:
    """Write one page about a run, or comparing several runs on the same split.

    Example: workshop report runs/quickstart/supervised runs/quickstart/fixmatch

    Args:
        runs: folders of finished runs.
        out: the HTML file; default report.html in the first run's folder.
    """
    from workshop_lib.report.page import report_runs

    if not runs:
        raise WorkshopError("give the folder of at least one finished run.")
    path = out or runs[0] / "report.html"
    report_runs(runs, path)
    print(f"written: {path}")


def budget(
    recipe: tyro.conf.OmitArgPrefixes[Recipe] = _PRESET,
    num_images: int | None = None,
    channels: int | None = None,
    num_classes: int | None = None,
    memory: float | None = None,
) -> None:
    """Say whether a recipe fits into memory, how long it takes, what would make it fit.

    Nothing is trained: memory is counted without being taken, time measured on a few
    steps on random images.

    Example: workshop budget --model wrn-28-2 --size 224 --batch-size 8 --memory 15

    Args:
        recipe: the knobs.
        num_images: images, which stay in memory; default: as in the data.
        channels: bands; default: as in the data (3 in a folder, 4 of MiniEO).
        num_classes: number of classes; default: as in the data.
        memory: in GB, of another machine (15 for a T4); default: what is free here.
            Times are those of this machine all the same.
    """
    from workshop_lib.training.budget import budget as budget_of

    images, bands, classes = describe_data(recipe)
    asked = budget_of(
        recipe,
        num_images=images if num_images is None else num_images,
        channels=bands if channels is None else channels,
        num_classes=classes if num_classes is None else num_classes,
        band_names=describe_bands(recipe),
        room=None if memory is None else memory * 1e9,
    )
    print(asked)


def _print_maps(run: Run, scenes: Scenes, split: Split) -> None:
    from workshop_lib.evaluation.segmentation import (
        evaluate_segmentation,
        segmentation_summary,
    )

    print(segmentation_summary(evaluate_segmentation(run, scenes, split)))
    tiles, seconds = run.facts["labels"], run.facts["seconds"]
    print(f"{tiles} labelled tiles, {seconds:.0f} s\nrun: {run.folder}")


def _open_run(folder: Path) -> tuple[Run, Scenes, Split]:
    run = Run.load(folder)
    scenes = load_dataset(run.recipe)
    return run, scenes, Split.load(run.folder / "split", scenes)
