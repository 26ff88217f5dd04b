"""Many finished runs as one table: what was reached, from which labels, by what recipe.

Every figure is read from the folders of runs, so a table can hold only what was really
run; and runs are averaged only where nothing but their seeds differs.
"""

__all__ = ["as_markdown", "as_text", "collect", "differences", "run_row", "summarize"]

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from workshop_lib.errors import WorkshopError
from workshop_lib.files import read_json
from workshop_lib.recipe import Recipe
from workshop_lib.training.run import Run

# Columns of their own in the table; the rest of a recipe is told by what differs.
_TOLD = ("data", "labels_per_class", "method", "seed", "split_seed")
_COLUMNS = (
    "data",
    "labels_per_class",
    "labels",
    "method",
    "accuracy",
    "deviation",
    "lowest",
    "highest",
    "seconds",
    "seeds",
    "recipe",
    "machine",
)
_SAME = ["data", "labels_per_class", "method", "recipe"]  # what a row of the table is


def differences(recipe: Recipe) -> str:
    """Name the knobs that differ from the defaults, but for data, labels and seeds.

    >>> differences(Recipe(steps=500, method="uda", seed=3))
    'steps=500'
    """
    usual = vars(Recipe())
    mine = {k: v for k, v in vars(recipe).items() if k not in _TOLD and v != usual[k]}
    return ", ".join(f"{name}={value}" for name, value in mine.items())


def run_row(folder: Path | str) -> dict[str, Any]:
    """Read what a table says about one run that is finished and scored.

    Raises:
        WorkshopError: it is not finished, has no test scores, or is damaged.
    """
    run = Run.load(folder)
    path = run.folder / "evaluation.json"
    if not path.exists():
        raise WorkshopError(
            f"{run.folder} has no test scores: `workshop evaluate {run.folder}` first."
        )
    recipe, facts = run.recipe, run.facts
    try:
        return {
            "data": recipe.data,
            "labels_per_class": recipe.labels_per_class,
            "labels": int(facts["labels"]),
            "method": recipe.method,
            "seed": recipe.seed,
            "split_seed": recipe.split_seed,
            "accuracy": float(read_json(path)["scores"]["accuracy"]),
            "split": read_json(run.folder / "identity.json")["split"][:12],
            "seconds": float(facts["seconds"]),
            "steps": int(facts["steps"]),
            "recipe": differences(recipe),
            "machine": _machine(facts),
            "folder": run.folder.as_posix(),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise WorkshopError(
            f"{run.folder} is damaged: its run.json or evaluation.json lacks {error}."
            " Evaluate or train again."
        ) from error


def _machine(facts: dict[str, Any]) -> str:
    text = f"{facts['device']}, threads: {facts['threads']}"
    processes = facts.get("processes", 1)
    return f"{text}, processes: {processes}" if processes > 1 else text


def collect(folders: Sequence[Path]) -> tuple[pd.DataFrame, list[Path]]:
    """Find all runs in some folders, at any depth: a row for each that is scored.

    Returns:
        The rows of `run_row`, and the folders of runs left out: begun but not finished,
        or without test scores.

    Raises:
        WorkshopError: a folder that does not exist, or no finished run in any.
    """
    for folder in folders:
        if not folder.is_dir():
            raise WorkshopError(f"there is no folder {folder}: give folders of runs.")
    begun = sorted(
        {path.parent for folder in folders for path in folder.rglob("recipe.json")}
    )
    needed = ("run.json", "evaluation.json")
    whole = [one for one in begun if all((one / name).exists() for name in needed)]
    if not whole:
        raise WorkshopError(
            f"no finished run with test scores in {', '.join(map(str, folders))}:"
            " `workshop train` and `workshop compare` make them."
        )
    left_out = [folder for folder in begun if folder not in whole]
    return pd.DataFrame([run_row(folder) for folder in whole]), left_out


def summarize(rows: pd.DataFrame) -> pd.DataFrame:
    """Average over seeds: a row for each data set, number of labels, method and recipe.

    Args:
        rows: as `run_row` makes them.

    Returns:
        Columns data, labels_per_class (0: all), labels (in all), method, accuracy (the
        mean), deviation (of a sample, n - 1; NaN for a single seed), lowest, highest,
        seconds (the median), seeds (their list), recipe (`differences`), machine.
    """
    seeds = rows["seed"].astype(str)
    other = rows["split_seed"].astype(str)
    seeds = seeds.where(seeds == other, seeds + " on split " + other)
    # An empty text comes back from a CSV as NaN, which would fall out of the groups
    named = rows.assign(seeds=seeds, recipe=rows["recipe"].fillna(""))
    # A run that was copied to a second folder is one run
    once = named.drop_duplicates([*_SAME, "seed", "split_seed", "split"])
    groups = once.sort_values("seed", kind="stable").groupby(_SAME, sort=False)
    table = groups.agg(
        labels=("labels", "median"),
        accuracy=("accuracy", "mean"),
        deviation=("accuracy", "std"),
        lowest=("accuracy", "min"),
        highest=("accuracy", "max"),
        seconds=("seconds", "median"),
        seeds=("seeds", ", ".join),
        machine=("machine", lambda names: "; ".join(dict.fromkeys(names))),
    )
    table["labels"] = table["labels"].astype(int)
    return table.reset_index()[list(_COLUMNS)]


def as_text(table: pd.DataFrame) -> str:
    """Lay out what `summarize` made for a terminal, without the machine."""
    words, shared = _words(table.drop(columns="machine"))
    return "\n".join([words.to_string(index=False), *shared])


def as_markdown(table: pd.DataFrame) -> str:
    """Lay out what `summarize` made as a table for a page, machine included."""
    words, shared = _words(table)
    words = words.replace({r"\|": r"\\|"}, regex=True)
    lines = [words.columns, ["---"] * words.shape[1], *words.to_numpy().tolist()]
    rows = [f"| {' | '.join(map(str, line))} |" for line in lines]
    return "\n".join([*rows, "", *shared]) + "\n"


def _words(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Write every cell as a reader wants it, and apart from it what all rows share."""
    rows = [_row_in_words(row) for row in table.to_dict("records")]
    recipes = [recipe.split(", ") for recipe in table["recipe"]]
    common = [knob for knob in recipes[0] if all(knob in one for one in recipes)]
    for row, recipe in zip(rows, recipes, strict=True):
        row["recipe"] = ", ".join(knob for knob in recipe if knob not in common)
    words, shared = pd.DataFrame(rows), []
    if any(common):
        shared.append(f"Recipe of all: {', '.join(common)}; the rest is the default.")
    if not words["recipe"].any():
        words = words.drop(columns="recipe")
    if "machine" in words and words["machine"].nunique() == 1:
        shared.append(f"Machine: {words['machine'][0]}.")
        words = words.drop(columns="machine")
    return words, shared


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def _row_in_words(row: dict[Any, Any]) -> dict[str, Any]:
    accuracy = f"{100 * row['accuracy']:.1f}"
    if pd.notna(row["deviation"]):
        accuracy += f" ± {100 * row['deviation']:.1f}"
        accuracy += f" ({100 * row['lowest']:.1f} to {100 * row['highest']:.1f})"
    words = {
        "data": Path(row["data"]).name,
        "labels": row["labels"] if row["labels_per_class"] else f"all {row['labels']}",
        "method": row["method"],
        "accuracy, %": accuracy,
        "time": _time(row["seconds"]),
        "seeds": row["seeds"],
        "recipe": row["recipe"],
    }
    return words | ({"machine": row["machine"]} if "machine" in row else {})
