"""Commands about trainings: each reads its flags, calls the library, prints."""

__all__ = ["budget", "evaluate", "predict", "quickstart", "report", "train"]

from pathlib import Path

import pandas as pd
import tyro

from workshop_lib.data.open import describe_data, open_scenes, open_split
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.splits import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.recipe import Recipe, preset
from workshop_lib.session import pick_device, setup
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
) -> None:
    """Train one model by a recipe, and score it once on the test images.

    Example: workshop train --data FOLDER --labels-per-class 4 --method fixmatch

    Args:
        recipe: the knobs.
        folder: where the run goes; default runs/METHOD-HASH.
        split: folder that `workshop split --save` wrote; default: drawn by split_seed.
        fresh: start anew instead of going on with what the folder holds.
    """
    from workshop_lib.evaluation.evaluate import evaluate as evaluate_run
    from workshop_lib.methods import build_method
    from workshop_lib.models import build_model
    from workshop_lib.training.loop import train as run_train

    # Looked up before anything is read: a misspelt name should not cost a minute.
    build_method(recipe, num_classes=2)
    build_model(recipe.model, in_channels=3, num_classes=2)
    setup()
    scenes = open_scenes(recipe)
    parts = Split.load(split, scenes) if split else open_split(recipe, scenes)
    audit = parts.audit(scenes)
    if not audit.ok:
        print(f"warning: {audit}")
    run = run_train(recipe, scenes, parts, folder=folder, resume=not fresh)
    scores = evaluate_run(run, scenes, parts).scores
    low, high = scores.interval()
    print(
        f"test accuracy {scores.accuracy:.3f} (95 % interval over images {low:.3f} to"
        f" {high:.3f}), kappa {scores.kappa:.3f}; {run.facts['labels']} labels,"
        f" {run.facts['seconds']:.0f} s\nrun: {run.folder}"
    )
    print(f"next: workshop report {run.folder}")


def evaluate(run: tyro.conf.Positional[Path]) -> None:
    """Print the test scores of a finished run, class by class.

    Example: workshop evaluate runs/quickstart/fixmatch

    Args:
        run: the folder that `workshop train` printed.
    """
    opened, scenes, parts = _open_run(run)
    from workshop_lib.evaluation.evaluate import evaluate as evaluate_run

    result = evaluate_run(opened, scenes, parts)
    scores = result.scores
    table = pd.DataFrame(
        {
            "images": scores.support,
            "recall": scores.recall,
            "precision": scores.precision,
            "F1": scores.f1,
        },
        index=pd.Index(scores.class_names, name="class"),
    )
    print(table.round(3).to_string(na_rep="-"))
    print(
        f"\naccuracy {scores.accuracy:.3f}, top-{scores.k} {scores.top_k:.3f}, kappa"
        f" {scores.kappa:.3f} (best by validation); last step"
        f" {result.last_accuracy:.3f}"
    )


def predict(
    run: tyro.conf.Positional[Path],
    images: tyro.conf.Positional[Path],
    out: Path = Path("predictions.csv"),
) -> None:
    """Let a trained model name the class of every image in a folder; writes a CSV.

    Example: workshop predict runs/fixmatch-1a2b3c FOLDER --out predictions.csv

    Args:
        run: the folder that `workshop train` printed.
        images: a folder of RGB images (folders within it are searched too).
        out: table with the columns image, class, confidence.
    """
    from workshop_lib.data.folder import decode_images
    from workshop_lib.data.listing import find_images
    from workshop_lib.files import write_text
    from workshop_lib.models.predict import predict as predict_images

    opened = Run.load(run)
    if not opened.facts["is_rgb"]:
        raise WorkshopError(
            f"{run} was trained on the bands {', '.join(opened.facts['bands'])}: image"
            " files have red, green and blue only. Train on a folder of images first."
        )
    paths = find_images(images)
    tensor = decode_images(paths, size=opened.recipe.size)
    names = [path.relative_to(images).as_posix() for path in paths]
    model, normalize = opened.load_model()
    model = model.to(pick_device())
    confidence, index = predict_images(model, normalize, tensor).max(dim=1)
    classes = [opened.facts["class_names"][k] for k in index.tolist()]
    table = pd.DataFrame(
        {"image": names, "class": classes, "confidence": confidence.numpy().round(4)}
    )
    write_text(out, table.to_csv(index=False))
    print(table["class"].value_counts().to_string())
    print(f"\n{len(table)} predictions in {out}")


def report(runs: tyro.conf.Positional[list[Path]], out: Path | None = None) -> None:
    """Write one page about a run, or comparing several runs on the same split.

    Example: workshop report runs/quickstart/supervised runs/quickstart/fixmatch

    Args:
        runs: folders of finished runs.
        out: the HTML file; default report.html in the first run's folder.
    """
    from workshop_lib.quickstart import report_runs

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
) -> None:
    """Estimate memory and time of a recipe from a few steps on random images.

    Example: workshop budget --model wrn-28-2 --size 64 --steps 10000

    Args:
        recipe: the knobs.
        num_images: images, which stay in memory; default: as in the data.
        channels: bands; default: as in the data (3 in a folder, 4 of MiniEO).
        num_classes: number of classes; default: as in the data.
    """
    from workshop_lib.training.budget import estimate

    images, bands, classes = describe_data(recipe)
    asked = estimate(
        recipe,
        num_images=images if num_images is None else num_images,
        channels=bands if channels is None else channels,
        num_classes=classes if num_classes is None else num_classes,
    )
    print(asked)


def _open_run(folder: Path) -> tuple[Run, Scenes, Split]:
    run = Run.load(folder)
    scenes = open_scenes(run.recipe)
    return run, scenes, Split.load(run.folder / "split", scenes)
