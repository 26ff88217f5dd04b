"""How long each notebook runs on this machine: the table in the README.

    python -m benchmarks.notebook_minutes                     presets ci and class
    python -m benchmarks.notebook_minutes --presets ci --units 02 04
    python -m benchmarks.notebook_minutes --write-docs        and writes README.md

Runs the notebooks with solutions one after the other in one empty folder, as a quick
learner would: a training that an earlier notebook has finished is loaded. The first
start of all makes the embedded data set. Needs the extra `test`; with preset `class`
twenty minutes on two cores that do nothing else. Measured rows are kept in
runs/bench/notebooks.json; measuring again replaces them.
"""

__all__ = ["main", "markdown", "measure", "stated_minutes", "write_table"]

import argparse
import json
import os
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from workshop_lib.errors import WorkshopError
from workshop_lib.files import write_text

SOLUTIONS = Path("notebooks/solutions")
README = Path("README.md")
RESULTS = Path("runs/bench/notebooks.json")
PRESETS = ("ci", "class")
BEGIN, END = "<!-- notebook minutes: begin -->", "<!-- notebook minutes: end -->"


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


def measure(path: Path, preset: str, folder: Path) -> float:
    """Run one notebook in a folder, in a kernel of its own; return the seconds.

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
    return time.perf_counter() - start


def markdown(rows: list[dict[str, Any]]) -> str:
    """Return the table: a notebook a line, seconds of each preset, and their sums."""
    presets = sorted({row["preset"] for row in rows})
    names = sorted({row["notebook"] for row in rows})
    took = {(row["notebook"], row["preset"]): row["seconds"] for row in rows}
    planned = {row["notebook"]: row["planned"] for row in rows}
    heads = " | ".join(f"runs, preset `{preset}`" for preset in presets)
    lines = [f"| notebook | planned | {heads} |", "|---" * (len(presets) + 2) + "|"]
    for name in names:
        cells = [_words(took.get((name, preset))) for preset in presets]
        lines.append(f"| {name} | {planned[name]} min | {' | '.join(cells)} |")
    sums = []
    for preset in presets:
        known = [took.get((name, preset)) for name in names]
        whole = None if None in known else sum(s for s in known if s is not None)
        sums.append(_words(whole))
    lines.append(f"| all | {sum(planned.values())} min | {' | '.join(sums)} |")
    return "\n".join(lines)


def _words(seconds: float | None) -> str:
    if seconds is None:
        return "not measured"
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def write_table(path: Path, table: str) -> None:
    """Replace what stands between the two marks of a page.

    Raises:
        WorkshopError: the page lacks one of the marks.
    """
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise WorkshopError(
            f"{path} has no place for the table: put the lines '{BEGIN}' and '{END}'"
            " where it is to stand."
        )
    write_text(path, f"{before}{begin}\n{table}\n{end}{after}")


def main() -> None:
    """Read the flags, run, keep, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--presets", nargs="+", default=list(PRESETS))
    parser.add_argument("--units", nargs="+", default=None, help="e.g. 02; default all")
    parser.add_argument("--write-docs", action="store_true", help=f"into {README}")
    flags = parser.parse_args()
    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    paths = sorted(SOLUTIONS.glob("[0-9][0-9]_*.ipynb"))
    for preset in flags.presets:
        with tempfile.TemporaryDirectory() as folder:
            for path in paths:
                if flags.units is not None and path.name[:2] not in flags.units:
                    continue
                seconds = measure(path, preset, Path(folder))
                row = {
                    "notebook": path.stem.replace("_", " "),
                    "preset": preset,
                    "seconds": seconds,
                    "planned": stated_minutes(path),
                }
                same = (row["notebook"], preset)
                rows = [r for r in rows if (r["notebook"], r["preset"]) != same]
                rows.append(row)
                write_text(RESULTS, json.dumps(rows, indent=1))
                print(f"{path.stem}, preset {preset}: {_words(seconds)}", flush=True)
    print(f"\n{markdown(rows)}")
    if flags.write_docs:
        write_table(README, markdown(rows))


if __name__ == "__main__":
    main()
