"""The commands behind `workshop ...`: each calls the library and prints."""

__all__ = [
    "budget",
    "data",
    "doctor",
    "evaluate",
    "predict",
    "quickstart",
    "report",
    "split",
    "train",
]

from pathlib import Path

import pandas as pd
import tyro

from workshop_lib.data.open import open_scenes
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.splits import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.recipe import Recipe, preset
from workshop_lib.session import setup

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
        split_seed: which images are labelled, unlabelled, validation, test.
        data: "mini_eo", "mini_eo:SEED", or a folder with one folder per class.
        fresh: train anew, also what is finished.
    """
    from workshop_lib.quickstart import ladder_table
    from workshop_lib.quickstart import quickstart as run_quickstart

    setup()
    base = preset().with_(data=data, split_seed=split_seed)
    results = run_quickstart(base, folder, fresh=fresh)
    print("\n" + ladder_table(results))
    print(f"\nThe whole story with pictures: {folder / 'report.html'}")
    print(
        "Next, on your own images (a folder with one folder per class):\n"
        "  workshop train --data FOLDER --labels-per-class 4 --method fixmatch"
    )


def train(
    recipe: tyro.conf.OmitArgPrefixes[Recipe] = _PRESET,
    folder: Path | None = None,
    fresh: bool = False,
) -> None:
    """Train one model by a recipe, and score it once on the test images.

    Example: workshop train --data FOLDER --labels-per-class 4 --method fixmatch

    Args:
        recipe: the knobs.
        folder: where the run goes; default runs/METHOD-HASH.
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
    parts = _make_split(scenes, recipe)
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
    from workshop_lib.evaluation.predict import predict as predict_images
    from workshop_lib.files import write_text
    from workshop_lib.training.run import Run

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

    path = out or runs[0] / "report.html"
    report_runs(runs, path)
    print(f"written: {path}")


def budget(
    recipe: tyro.conf.OmitArgPrefixes[Recipe] = _PRESET,
    num_images: int = 4000,
    channels: int = 4,
    num_classes: int = 10,
) -> None:
    """Estimate memory and time of a recipe from a few steps on random images.

    Example: workshop budget --model wrn-28-2 --size 64 --steps 10000

    Args:
        recipe: the knobs.
        num_images: images in the data set, which stay in memory.
        channels: 3 for RGB, 4 for MiniEO's default bands.
        num_classes: number of classes.
    """
    from workshop_lib.training.budget import estimate

    print(
        estimate(
            recipe, num_images=num_images, channels=channels, num_classes=num_classes
        )
    )


def data(
    data: tyro.conf.Positional[str] = "mini_eo",
    size: int = 32,
    picture: Path | None = None,
) -> None:
    """Say what is in a data set; optionally draw examples of every class.

    Example: workshop data mini_eo --picture classes.png

    Args:
        data: "mini_eo", "mini_eo:SEED", or a folder with one folder per class.
        size: side of the images in pixels.
        picture: write a picture with examples of every class.
    """
    scenes = open_scenes(Recipe(data=data, size=size))
    counts = scenes.labels.bincount(minlength=scenes.num_classes).tolist()
    print(pd.Series(counts, index=scenes.class_names, name="images").to_string())
    n, c, h, w = scenes.images.shape
    print(f"\n{n} images, {c} bands ({', '.join(scenes.bands)}), {h} x {w} pixels")
    for name, modality in scenes.modalities.items():
        print(f"also {name}: {tuple(modality.shape[1:])} per image")
    if scenes.metadata:
        print(f"facts of each image: {', '.join(scenes.metadata)}")
    if picture:
        from workshop_lib.figures import class_samples

        class_samples(
            scenes.images, scenes.labels, scenes.class_names, scenes.bands
        ).savefig(picture)
        print(f"written: {picture}")


def split(
    data: tyro.conf.Positional[str] = "mini_eo",
    labels_per_class: int = 4,
    seed: int = 0,
    size: int = 32,
    save: Path | None = None,
) -> None:
    """Split a data set, audit the split, and optionally save it as lists of names.

    Example: workshop split FOLDER --labels-per-class 25 --seed 1 --save splits/seed1

    Args:
        data: "mini_eo", "mini_eo:SEED", or a folder with one folder per class.
        labels_per_class: labelled images of each class; 0 for all.
        seed: another seed draws another split, the same on every machine.
        size: side of the images in pixels.
        save: folder for labeled.txt, unlabeled.txt, val.txt, test.txt.
    """
    recipe = Recipe(
        data=data, size=size, labels_per_class=labels_per_class, split_seed=seed
    )
    scenes = open_scenes(recipe)
    parts = _make_split(scenes, recipe)
    print(", ".join(f"{k} {v}" for k, v in parts.counts().items()))
    print(parts.audit(scenes))
    if save:
        parts.save(save, scenes)
        print(f"written: {save}")


def doctor() -> int:
    """Check Python, disk, memory and device, and say what to do where one falls short.

    Example: workshop doctor
    """
    from workshop_lib.doctor import diagnose, exit_code, table

    checks = diagnose()
    print(table(checks))
    return exit_code(checks)


def _make_split(scenes: Scenes, recipe: Recipe) -> Split:
    return Split.make(
        scenes, labels_per_class=recipe.labels_per_class, seed=recipe.split_seed
    )


def _open_run(folder: Path):  # type: ignore[no-untyped-def]
    from workshop_lib.training.run import Run

    run = Run.load(folder)
    scenes = open_scenes(run.recipe)
    return run, scenes, Split.load(run.folder / "split", scenes)
