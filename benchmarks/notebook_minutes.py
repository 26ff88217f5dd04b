"""How long each notebook runs on this machine: the table in the README.

    python -m benchmarks.notebook_minutes                     presets ci and class
    python -m benchmarks.notebook_minutes --presets ci --units 02 04
    python -m benchmarks.notebook_minutes --write-docs        and writes README.md

Runs the notebooks with solutions one after the other in one empty folder, as a quick
learner would: a training that an earlier notebook has finished is loaded. The first
start of all makes the embedded data set. Needs the extra `test`; with preset `class`
a quarter of an hour on two cores that do nothing else. Measured rows are kept in
runs/bench/notebooks.json; measuring again replaces them.
"""

__all__ = ["main", "measure", "stated_minutes", "table"]

import json
import math
import os
import re
import tempfile
import time
from itertools import chain
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
from nbclient import NotebookClient

from benchmarks.page import markdown, run_command, write_marked
from workshop_lib.errors import WorkshopError
from workshop_lib.files import write_text

SOLUTIONS = Path("notebooks/solutions")
README = Path("README.md")
RESULTS = Path("runs/bench/notebooks.json")


def stated_minutes(path: Path) -> int:
    """Return the minutes that a notebook tells its readers to plan.

    Raises:
        WorkshopError: its first cell names no "**Time**: N minutes".
    """
    text = nbformat.read(path, as_version=4).cells[0].source
    found = re.search(r"\*\*Time\*\*: (\d+) minutes", text)
    if found is None:
        raise WorkshopError(f"{path}: its first cell names no '**Time**: N minutes'.")
    return int(found.group(1))


def measure(path: Path, preset: str, folder: Path, keep: Path | None = None) -> float:
    """Run one notebook in a folder, in a kernel of its own; return the seconds.

    With `keep`, a folder, the executed notebook is written there.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    os.environ["WORKSHOP_PRESET"] = preset  # the kernel inherits it
    client = NotebookClient(
        notebook, timeout=None, resources={"metadata": {"path": str(folder)}}
    )
    start = time.perf_counter()
    client.execute()
    seconds = time.perf_counter() - start
    if keep is not None:
        write_text(keep / path.name, nbformat.writes(notebook))
    return seconds


def table(rows: list[dict[str, Any]]) -> str:
    """Lay out a notebook per line, the seconds of each preset, and their sums."""
    frame = pd.DataFrame(rows)
    took = frame.pivot(index="notebook", columns="preset", values="seconds")
    took.loc["all"] = took.sum(min_count=len(took))
    planned = frame.groupby("notebook")["planned"].first()
    planned["all"] = planned.sum()
    lines = [
        [name, f"{planned[name]} min", *map(_words, seconds)]
        for name, seconds in zip(took.index, took.to_numpy(), strict=True)
    ]
    heads = [f"runs, preset `{preset}`" for preset in took.columns]
    return markdown(["notebook", "planned", *heads], lines)


def _words(seconds: float) -> str:
    if math.isnan(seconds):
        return "not measured"
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def main(
    presets: tuple[str, ...] = ("ci", "class"),
    units: tuple[str, ...] = (),
    keep: Path | None = None,
    write_docs: bool = False,
) -> None:
    """Run notebooks, keep and print their times.

    Args:
        presets: to run them with.
        units: such as 02; default all.
        keep: folder for the executed notebooks, from which `slides.figures` takes the
            decks' figures (with WORKSHOP_FIGURES=svg).
        write_docs: write the table into README.md.
    """
    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    found = [SOLUTIONS.glob(f"{one}_*.ipynb") for one in units or ("[0-9][0-9]",)]
    paths = sorted(chain.from_iterable(found))
    for preset in presets:
        with tempfile.TemporaryDirectory() as folder:
            for path in paths:
                seconds = measure(path, preset, Path(folder), keep)
                key = {"notebook": path.stem.replace("_", " "), "preset": preset}
                rows = [one for one in rows if not key.items() <= one.items()]
                planned = stated_minutes(path)
                rows.append(key | {"seconds": seconds, "planned": planned})
                write_text(RESULTS, json.dumps(rows, indent=1))
                print(f"{path.stem}, preset {preset}: {_words(seconds)}", flush=True)
    print(f"\n{table(rows)}")
    if write_docs:
        write_marked(README, notebook_minutes=table(rows))


if __name__ == "__main__":
    run_command(main, __doc__)
