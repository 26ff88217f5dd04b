"""Which modalities are worth combining: many small trainings, one table."""

__all__ = ["SETS", "deviations", "measure", "recipes_of_sets"]

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from workshop_lib.data.load import load_dataset, make_split
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.evaluate import evaluate
from workshop_lib.evaluation.metrics import Scores
from workshop_lib.evaluation.segmentation import evaluate_segmentation
from workshop_lib.files import read_json, write_text
from workshop_lib.recipe import Recipe
from workshop_lib.session import in_notebook
from workshop_lib.training.log import someone_watches
from workshop_lib.training.loop import train
from workshop_lib.training.run import Run

# From one sensor to everything; what each is worth, docs/mini_eo.md says beforehand.
SETS: dict[str, tuple[str, ...]] = {
    "S2": ("s2",),
    "S1": ("s1",),
    "elevation": ("dem",),
    "climate": ("climate",),
    "season": ("season",),
    "weather": ("weather",),
    "S2 + S1": ("s2", "s1"),
    "S2 + climate": ("s2", "climate"),
    "S2 + season": ("s2", "season"),
    "S2 + S1 + climate": ("s2", "s1", "climate"),
    "everything": ("s2", "s1", "dem", "climate", "season", "weather", "place"),
}


def recipes_of_sets(
    base: Recipe, sets: Mapping[str, Sequence[str]] = SETS
) -> dict[str, Recipe]:
    """Return a recipe for each set of modalities, alike in everything else."""
    return {name: base.with_(modalities=tuple(one)) for name, one in sets.items()}


def measure(
    recipes: Mapping[str, Recipe],
    seeds: int | Sequence[int] = 3,
    folder: Path | str = Path("runs/fusion"),
    *,
    verbose: bool = True,
) -> pd.DataFrame:
    """Train every recipe on every seed and score it on the test images.

    A seed draws the split, the initial weights and the order of images alike. Seed by
    seed: stopped halfway, all recipes have been trained on fewer seeds. What is
    finished in `folder` is loaded, what was interrupted goes on.

    Args:
        recipes: by name; the names become folders.
        seeds: how many, counted from 0; or which.
        folder: where the runs and `rows.csv` go.
        verbose: show a bar, where somebody watches.

    Returns:
        A row per training: name, seed, accuracy, f1, iou (means over the classes, 0 to
        1; of images, or of pixels with task="segment"), parameters, seconds.

    Raises:
        WorkshopError: nothing to train; a modality that the data lack; a folder that
            holds runs of other recipes.
    """
    chosen = range(seeds) if isinstance(seeds, int) else seeds
    if not recipes or not chosen:
        raise WorkshopError(f"{len(recipes)} recipes, seeds {seeds}: nothing to train.")
    folder = Path(folder)
    rows: list[dict[str, Any]] = []
    todo = [(seed, name) for seed in chosen for name in recipes]
    with tqdm(
        todo,
        unit="training",
        leave=False,
        file=sys.stdout if in_notebook() else sys.stderr,  # red in a notebook
        disable=not (verbose and someone_watches()),
    ) as bar:
        for seed, name in bar:
            bar.set_description(f"{name}, seed {seed}")
            recipe = recipes[name].with_(seed=seed, split_seed=seed)
            rows.append(_row(name, recipe, folder / _as_folder(name, seed)))
            write_text(folder / "rows.csv", pd.DataFrame(rows).to_csv(index=False))
    return pd.DataFrame(rows)


def deviations(rows: pd.DataFrame) -> pd.DataFrame:
    """Average the rows of `measure` over seeds: mean and deviation.

    Returns:
        A row per name, in the order of `rows`: accuracy, f1, iou in percent, each with
        its deviation over seeds (NaN for one seed), parameters and median seconds.
    """
    percent = rows.assign(**{k: 100 * rows[k] for k in ("accuracy", "f1", "iou")})
    groups = percent.groupby("name", sort=False)
    found = groups[["accuracy", "f1", "iou"]].agg(["mean", "std"])
    found.columns = [k if what == "mean" else f"{k}_std" for k, what in found.columns]
    found["parameters"] = groups["parameters"].first()
    found["seconds"] = groups["seconds"].median()
    found["seeds"] = groups["seed"].count()
    return found.reset_index()


def _row(name: str, recipe: Recipe, place: Path) -> dict[str, Any]:
    """Train and score, unless that is done; return the line of the table."""
    scored = place / "evaluation.json"
    if not scored.exists() or Run.load(place).recipe != recipe:
        scenes = load_dataset(recipe)
        split = make_split(recipe, scenes)
        run = train(recipe, scenes, split, folder=place, verbose=False)
        maps = recipe.task == "segment"
        (evaluate_segmentation if maps else evaluate)(run, scenes, split)
    run = Run.load(place)
    scores = Scores.from_dict(read_json(scored)["scores"])
    return {
        "name": name,
        "seed": recipe.seed,
        "accuracy": scores.accuracy,
        "f1": scores.macro_f1,
        "iou": scores.mean_iou,
        "parameters": run.facts["parameters"],
        "seconds": run.facts["seconds"],
    }


def _as_folder(name: str, seed: int) -> str:
    return f"{name.lower().replace(' + ', '-').replace(' ', '_')}-{seed}"
