"""Many finished runs as one table: accuracy, labels, time and settings.

Every figure is read from the folders of runs, and runs are averaged only where nothing
but their seeds differs.
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

# Settings with columns of their own; of the others the table names the differences
_OWN = ("data", "labels_per_class", "method", "seed", "split_seed")
_SAME = ["data", "labels_per_class", "method", "recipe"]  # of all runs in a row


def differences(recipe: Recipe) -> str:
    """List the settings that differ from the defaults, except data, labels and seeds.

    >>> differences(Recipe(steps=500, method="uda", seed=3))
    'steps=500'
    """
    usual = vars(Recipe())
    mine = {k: v for k, v in vars(recipe).items() if k not in _OWN and v != usual[k]}
    return ", ".join(f"{name}={value}" for name, value in mine.items())


def run_row(folder: Path | str) -> dict[str, Any]:
    """Read the table's values of one finished and evaluated run.

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
        machine = f"{facts['device']}, threads: {facts['threads']}"
        if facts.get("processes", 1) > 1:
            machine += f", processes: {facts['processes']}"
        return {
            **{name: getattr(recipe, name) for name in _OWN},
            "labels": int(facts["labels"]),
            "accuracy": float(read_json(path)["scores"]["accuracy"]),
            "split": read_json(run.folder / "identity.json")["split"][:12],
            "seconds": float(facts["seconds"]),
            "steps": int(facts["steps"]),
            "recipe": differences(recipe),
            "machine": machine,
            "folder": run.folder.as_posix(),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise WorkshopError(
            f"{run.folder} is damaged: its run.json or evaluation.json lacks {error}."
            " Evaluate or train again."
        ) from error


def collect(folders: Sequence[Path]) -> tuple[pd.DataFrame, list[Path]]:
    """Find all finished and evaluated runs in some folders, at any depth.

    Returns:
        The rows of `run_row`, and the folders of runs left out: unfinished, or without
        test scores.

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
    done = [one for one in begun if all((one / name).exists() for name in needed)]
    if not done:
        raise WorkshopError(
            f"no finished run with test scores in {', '.join(map(str, folders))}:"
            " `workshop train` and `workshop compare` make them."
        )
    left_out = [folder for folder in begun if folder not in done]
    return pd.DataFrame([run_row(folder) for folder in done]), left_out


def summarize(rows: pd.DataFrame) -> pd.DataFrame:
    """Average over seeds: a row per data set, number of labels, method and settings.

    Args:
        rows: as `run_row` makes them.

    Returns:
        Columns data, labels_per_class (0: all), labels (in total), method, accuracy
        (the mean), deviation (of the sample, n - 1; NaN for a single seed), lowest,
        highest, seconds (the median), seeds (their list), recipe (`differences`) and
        machine.
    """
    seeds, split_seeds = rows["seed"].astype(str), rows["split_seed"].astype(str)
    seeds = seeds.where(seeds == split_seeds, seeds + " on split " + split_seeds)
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
    measured = [name for name in table if name not in ("labels", "machine")]
    columns = ["data", "labels_per_class", "labels", "method", *measured]
    return table.reset_index()[[*columns, "recipe", "machine"]]


def as_text(table: pd.DataFrame) -> str:
    """Format the result of `summarize` for a terminal, without the machine."""
    cells, shared = _cells(table.drop(columns="machine"))
    return "\n".join([cells.to_string(index=False), *shared])


def as_markdown(table: pd.DataFrame) -> str:
    """Format the result of `summarize` as a Markdown table, with the machine."""
    cells, shared = _cells(table)
    cells = cells.replace({r"\|": r"\\|"}, regex=True)
    lines = [cells.columns, ["---"] * cells.shape[1], *cells.to_numpy().tolist()]
    rows = [f"| {' | '.join(map(str, line))} |" for line in lines]
    return "\n".join([*rows, "", *shared]) + "\n"


def _cells(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Format each cell; settings and machine shared by all rows come as sentences."""
    recipes = [recipe.split(", ") for recipe in table["recipe"]]
    common = [one for one in recipes[0] if all(one in other for other in recipes)]
    own = [", ".join(s for s in recipe if s not in common) for recipe in recipes]
    counts = zip(table["labels"], table["labels_per_class"], strict=True)
    cells = pd.DataFrame(
        {
            "data": [Path(name).name for name in table["data"]],
            "labels": [n if per_class else f"all {n}" for n, per_class in counts],
            "method": table["method"],
            "accuracy, %": [_accuracy(row) for _, row in table.iterrows()],
            "time": [
                f"{s:.0f} s" if s < 90 else f"{s / 60:.1f} min"
                for s in table["seconds"]
            ],
            "seeds": table["seeds"],
            "recipe": own,
        }
    )
    shared = []
    if any(common):
        shared.append(f"Recipe of all: {', '.join(common)}; the rest is the default.")
    if not any(own):
        cells = cells.drop(columns="recipe")
    if "machine" in table and table["machine"].nunique() == 1:
        shared.append(f"Machine: {table['machine'].iloc[0]}.")
    elif "machine" in table:
        cells["machine"] = table["machine"]
    return cells, shared


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def _accuracy(row: "pd.Series[Any]") -> str:
    text = f"{100 * row['accuracy']:.1f}"
    if pd.notna(row["deviation"]):
        text += f" ± {100 * row['deviation']:.1f}"
        text += f" ({100 * row['lowest']:.1f} to {100 * row['highest']:.1f})"
    return text
