"""Finished runs as one table: metric, labels, and what their configs change.

Every figure is read from the folders of runs, so a table can hold only what was really
run; and runs are averaged only where nothing but their seeds differs.
"""

__all__ = [
    "as_markdown",
    "as_text",
    "collect",
    "differences",
    "markdown",
    "run_row",
    "summarize",
]

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from workshop_lib.config import Config
from workshop_lib.errors import WorkshopError
from workshop_lib.files import read_json, reading
from workshop_lib.training.run import Run

# Columns of their own in the table; of the rest of a config the differences are shown.
_OWN = ("name", "labels_per_class", "seed", "split_seed")
_SAME = ["data", "labels_per_class", "name", "metric", "config"]  # of a table's row
_FRACTIONS = ("accuracy", "miou", "f1_micro")  # shown in percent


def differences(config: Config) -> str:
    """Name the settings that differ from the defaults, but for data, labels and seeds.

    A method's hyperparameters are compared with its own defaults, those of its paper.

    >>> from workshop_lib.methods import UDA
    >>> differences(Config(method=UDA()).replace(steps=500, seed=3))
    'steps=500'
    """
    changes = {
        name: value
        for section, values in config.changes().items()
        for name, value in values.items()
        if section == "method" or name not in _OWN
    }
    return ", ".join(f"{name}={_plain(value)}" for name, value in changes.items())


def run_row(run: Run | Path | str, name: str | None = None) -> dict[str, Any]:
    """Read what a table says about one run that is finished and scored.

    Args:
        run: or its folder.
        name: what the table calls it; default the name of its method.

    Returns:
        data, labels_per_class (0: all), labels (in all), name, method, seed,
        split_seed, metric (the main one) and value, split (its hash), seconds, steps,
        parameters, config (`differences`), machine, folder; and every score that
        evaluation.json holds for all classes together, such as macro_f1.

    Raises:
        WorkshopError: it is not finished, has no test scores, or is damaged.
    """
    run = run if isinstance(run, Run) else Run.load(run)
    path = run.folder / "evaluation.json"
    if not path.exists():
        raise WorkshopError(
            f"{run.folder} has no test scores: `workshop evaluate {run.folder}` first."
        )
    config, facts, found = run.config, run.facts, read_json(path)
    with reading(path, "evaluate again, or train again."):
        value = found["value"]
        row = {
            **{k: v for k, v in found["scores"].items() if isinstance(v, float)},
            "data": config.data.name,
            "labels_per_class": config.data.main_labels,
            "labels": run.labels,
            "name": name or config.method_name,
            "method": config.method_name,
            "seed": config.run.seed,
            "split_seed": config.data.split_seed,
            "metric": str(found["metric"]),
            "value": float("nan") if value is None else float(value),
            "split": read_json(run.folder / "identity.json")["split"][:12],
            "seconds": float(facts["seconds"]),
            "steps": int(facts["steps"]),
            "parameters": int(facts["parameters"]),
            "config": differences(config),
            "machine": _machine(facts),
            "folder": run.folder.as_posix(),
        }
    return row


def collect(folders: Sequence[Path]) -> tuple[pd.DataFrame, list[Path]]:
    """Find all runs in some folders, at any depth: a row for each that is scored.

    Returns:
        The rows of `run_row`, and the folders of runs left out: begun but not finished,
        or without test scores.

    Raises:
        WorkshopError: a folder that is not there; no finished run in any of them.
    """
    for folder in folders:
        if not folder.is_dir():
            raise WorkshopError(f"there is no folder {folder}: give folders of runs.")
    found = [path for folder in folders for path in folder.rglob("config.json")]
    begun = sorted({path.parent for path in found})
    needed = ("config.json", "run.json", "evaluation.json")
    whole = [one for one in begun if all((one / name).exists() for name in needed)]
    if not whole:
        raise WorkshopError(
            f"no finished run with test scores in {', '.join(map(str, folders))}:"
            " `workshop train` and `workshop compare` make them."
        )
    left_out = [folder for folder in begun if folder not in whole]
    return pd.DataFrame([run_row(folder) for folder in whole]), left_out


def summarize(rows: pd.DataFrame) -> pd.DataFrame:
    """Average over seeds: a row for each data set, number of labels, name and config.

    Args:
        rows: as `run_row` makes them.

    Returns:
        Columns data, labels_per_class (0: all), name, metric, config (`differences`),
        labels (in all), value (the mean), deviation (of a sample, n - 1; NaN for a
        single seed), lowest, highest, seconds (the median), seeds (listed), machine.
    """
    seeds = rows["seed"].astype(str)
    other = rows["split_seed"].astype(str)
    seeds = seeds.where(seeds == other, seeds + " on split " + other)
    # An empty text comes back from a CSV as NaN, which would fall out of the groups
    named = rows.assign(seeds=seeds, config=rows["config"].fillna(""))
    # A run that was copied to a second folder is one run
    once = named.drop_duplicates([*_SAME, "seed", "split_seed", "split"])
    groups = once.sort_values("seed", kind="stable").groupby(_SAME, sort=False)
    table = groups.agg(
        labels=("labels", "median"),
        value=("value", "mean"),
        deviation=("value", "std"),
        lowest=("value", "min"),
        highest=("value", "max"),
        seconds=("seconds", "median"),
        seeds=("seeds", ", ".join),
        machine=("machine", lambda names: "; ".join(dict.fromkeys(names))),
    )
    table["labels"] = table["labels"].astype(int)
    return table.reset_index()


def as_text(table: pd.DataFrame) -> str:
    """Lay out what `summarize` made for a terminal, without the machine."""
    words, shared = _words(table.drop(columns="machine"))
    return "\n".join([words.to_string(index=False), *shared])


def as_markdown(table: pd.DataFrame) -> str:
    """Lay out what `summarize` made as a table for a page, machine included."""
    words, shared = _words(table)
    words = words.replace({r"\|": r"\\|"}, regex=True)
    return "\n".join([markdown(words.columns, words.to_numpy()), "", *shared, ""])


def markdown(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Lay out a Markdown table.

    >>> print(markdown(["a", "b"], [[1, 2]]))
    | a | b |
    |---|---|
    | 1 | 2 |
    """
    lines = [f"| {' | '.join(map(str, line))} |" for line in [heads, *rows]]
    return "\n".join([lines[0], "|---" * len(heads) + "|", *lines[1:]])


def _words(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Write every cell as a reader wants it, and separately what all rows share."""
    rows = [_row_in_words(row) for row in table.to_dict("records")]
    configs = [config.split(", ") for config in table["config"]]
    common = [one for one in configs[0] if all(one in config for config in configs)]
    for row, config in zip(rows, configs, strict=True):
        row["config"] = ", ".join(one for one in config if one not in common)
    words, shared = pd.DataFrame(rows), []
    if any(common):
        shared.append(f"Config of all: {', '.join(common)}; the rest is the default.")
    if not words["config"].any():
        words = words.drop(columns="config")
    if table["metric"].nunique() == 1:
        metric = table["metric"].iloc[0]
        title = f"{metric}, %" if metric in _FRACTIONS else metric
        words = words.drop(columns="metric").rename(columns={"value": title})
    if "machine" in words and words["machine"].nunique() == 1:
        shared.append(f"Machine: {words['machine'][0]}.")
        words = words.drop(columns="machine")
    return words, shared


def _row_in_words(row: dict[Any, Any]) -> dict[str, Any]:
    scale, digits = (100, 1) if row["metric"] in _FRACTIONS else (1, 3)
    value = f"{scale * row['value']:.{digits}f}"
    if pd.notna(row["deviation"]):
        low, high = scale * row["lowest"], scale * row["highest"]
        value += f" ± {scale * row['deviation']:.{digits}f}"
        value += f" ({low:.{digits}f} to {high:.{digits}f})"
    seconds = row["seconds"]
    return {
        "data": Path(row["data"]).name,
        "labels": row["labels"] if row["labels_per_class"] else f"all {row['labels']}",
        "name": row["name"],
        "metric": row["metric"],
        "value": value,
        "time": f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min",
        **{name: row[name] for name in ("seeds", "config", "machine") if name in row},
    }


def _machine(facts: dict[str, Any]) -> str:
    text = f"{facts['device']}, threads: {facts['threads']}"
    processes = facts.get("processes", 1)
    return f"{text}, processes: {processes}" if processes > 1 else text


def _plain(value: Any) -> Any:
    """Write a tuple as its members: `sensors=s2+s1`, as commas part the settings."""
    return "+".join(map(str, value)) if isinstance(value, list | tuple) else value
