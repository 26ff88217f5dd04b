"""Notebook generator: one source gives the learner's notebook and the solutions.

Authors edit `notebooks/src/NN_topic.py`, which holds the solutions; both notebooks are
built from it, so they never drift apart. Its format: docs/writing_notebooks.md. Equal
sources give equal bytes: no outputs, own cell ids, fixed metadata.
"""

__all__ = ["TAGS", "Cell", "build", "build_all", "read_cells"]

import html
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from workshop_lib.course.quiz import answered
from workshop_lib.course.setup_cell import badges, setup_code, setup_text
from workshop_lib.errors import WorkshopError, unknown_name

# Tags of a source: ours, then some that Jupyter's own tools know.
TAGS = ("hint", "instructor", "slow", "quiz") + (
    *("parameters", "raises-exception", "skip-execution"),
    *("hide-input", "hide-output", "remove-input", "remove-output"),
)
_ONLY_ON = {"hint": "markdown", "instructor": "markdown", "slow": "code"}

# A tag that names the slide figure which the cell draws: slides/figures.py takes it
_FIGURE = re.compile(r"figure:\d\d_[a-z0-9_]+")
_NAME = re.compile(r"\d\d_[a-z0-9_]+\.py")
_BLOCK = re.compile(
    r"^(?P<indent> *)### BEGIN SOLUTION +(?P<task>\S.*)\n"
    r"(?P<body>(?:.*\n)*?)(?P=indent)### END SOLUTION$",
    re.MULTILINE,
)
_STUB = re.compile(r" *### STUB (.*\S)\n")
# A marker, or a likely misspelling of one
_MARKER = re.compile(r"\s*(###|#+\s*(begin|end)\s+solution\b)", re.IGNORECASE)

_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
_JUPYTEXT = ("cell_marker", "lines_to_next_cell")  # its notes on the source's layout
_SOLUTIONS = "*With solutions, and notes for instructors.*"


@dataclass(frozen=True)
class Cell:
    """One cell of a source; `place` is the file and the line on which it begins."""

    number: int
    kind: Literal["code", "markdown"]
    source: str
    tags: tuple[str, ...]
    seconds: float | None
    path: Path
    line: int

    def error(self, text: str, offset: int = 0) -> WorkshopError:
        """Build an error that names the file and the line."""
        return WorkshopError(f"{self.path}:{self.line + offset}: {text}")


def build_all(folder: Path) -> dict[Path, str]:
    """Build every notebook of a folder in memory; nothing is written.

    Args:
        folder: holds `src/NN_topic.py`; usually `notebooks`.

    Returns:
        Path and text of each notebook: `NN_topic.ipynb` and `solutions/NN_topic.ipynb`.

    Raises:
        WorkshopError: no source, or a malformed one; names file and line.
    """
    sources = sorted((folder / "src").glob("*.py"))
    if not sources:
        raise WorkshopError(
            f"no sources in {folder / 'src'}: run this in the repository's root, or"
            " name the folder that holds src/NN_topic.py with --folder."
        )
    built = {}
    for source in sources:
        learner, solutions = build(source)
        name = source.with_suffix(".ipynb").name
        built[folder / name] = learner
        built[folder / "solutions" / name] = solutions
    return built


def build(source: Path) -> tuple[str, str]:
    """Build the learner's notebook and the one with solutions from one source.

    Raises:
        WorkshopError: a malformed source; names file and line.
    """
    if not _NAME.fullmatch(source.name):
        raise WorkshopError(
            f"{source}: a source is called NN_topic.py, e.g. 01_intro.py: two digits,"
            " then small letters, digits and underscores."
        )
    cells = read_cells(source)
    title = cells[0]
    if title.kind != "markdown" or not title.source.startswith("# "):
        raise title.error("the first cell is Markdown and begins with '# ', the title.")
    return _learner(cells), _solutions(cells)


def read_cells(path: Path) -> list[Cell]:
    """Read a source in jupytext's percent format, with the line of each cell.

    Raises:
        WorkshopError: a cell is not one that we know; names file and line.
    """
    import jupytext

    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    starts = [n for n, line in enumerate(lines, 1) if line.startswith("# %%")]
    if not starts or any(line.strip() for line in lines[: starts[0] - 1]):
        raise WorkshopError(
            f"{path}:1: the file begins with a cell: '# %% [markdown]'."
        )
    for line in starts:  # anything but a list makes jupytext stumble
        if re.search(r"tags=(?!\[)", lines[line - 1]):
            raise WorkshopError(f'{path}:{line}: tags are a list: tags=["quiz"].')
    found = jupytext.reads(text, fmt="py:percent").cells
    if len(found) != len(starts):
        raise WorkshopError(
            f"{path}: {len(starts)} lines begin with '# %%', but jupytext sees"
            f" {len(found)} cells. Is one of them inside a string?"
        )
    return [
        _checked(cell, number, path, line)
        for number, (cell, line) in enumerate(zip(found, starts, strict=True), 1)
    ]


def _checked(cell: Any, number: int, path: Path, line: int) -> Cell:
    notes = {k: v for k, v in cell.metadata.items() if k not in _JUPYTEXT}
    tags = tuple(dict.fromkeys(map(str, notes.pop("tags", []))))
    seconds = notes.pop("seconds", None)
    kind = cell.cell_type
    # What the formatter is told in a source would only puzzle a learner
    source = re.sub(r" *# fmt: skip$", "", cell.source, flags=re.MULTILINE)
    made = Cell(number, kind, source, tags, seconds, path, line)
    if notes or kind not in ("code", "markdown"):
        raise made.error(
            f"cannot read {' '.join(map(str, notes.values())) or kind!r}: a"
            " cell begins with '# %%', '# %% [markdown]', or e.g. '# %% tags=[\"slow\"]"
            " seconds=60'."
        )
    for tag in tags:
        if tag not in TAGS and not _FIGURE.fullmatch(tag):
            raise made.error(str(unknown_name("tag", tag, TAGS)))
        only = "code" if _FIGURE.fullmatch(tag) else _ONLY_ON.get(tag, kind)
        if only != kind:
            raise made.error(f"the tag {tag!r} is for {only} cells only.")
    if ("slow" in tags) != isinstance(seconds, int | float):
        raise made.error('a slow cell states its time: tags=["slow"] seconds=60.')
    return made


def _split(cell: Cell) -> tuple[str, str]:
    """Return the code for the learner and the code with the solution filled in."""

    def solution(block: re.Match[str]) -> str:
        return _STUB.sub("", block["body"]).removesuffix("\n")

    def stub(block: re.Match[str]) -> str:
        task = f"todo({json.dumps(block['task'], ensure_ascii=False)})"
        lines = [*_STUB.findall(block["body"]), task]
        return "\n".join(block["indent"] + line for line in lines)

    for block in _BLOCK.finditer(cell.source):
        if not solution(block).strip():
            begin = cell.source.count("\n", 0, block.start()) + 1
            raise cell.error("this solution is empty.", begin)
    # What is left without the markers of whole solutions, line by line as it was
    rest = _BLOCK.sub(lambda block: "\n" + _STUB.sub("\n", block["body"]), cell.source)
    for offset, line in enumerate(rest.splitlines(), 1):
        if _MARKER.match(line):
            raise cell.error(
                f"{line.strip()!r} is no marker, or stands alone: known are '### BEGIN"
                " SOLUTION what is to be written', '### STUB code' and, indented as the"
                " first, '### END SOLUTION'.",
                offset,
            )
    return _BLOCK.sub(stub, cell.source), _BLOCK.sub(solution, cell.source)


def _learner(cells: list[Cell]) -> str:
    """Build the notebook with stubs; solutions follow folded up, after the hints."""
    made: list[dict[str, Any]] = []
    waiting: dict[str, Any] | None = None
    for cell in cells:
        if "instructor" in cell.tags:
            continue
        if waiting and "hint" not in cell.tags:
            made.append(waiting)
            waiting = None
        if cell.kind == "markdown":
            made.append(_markdown(cell))
            continue
        stubs, solved = _split(cell)
        made.append(_code(cell, stubs, exercise=stubs != solved))
        if stubs != solved:
            fence = "`" * max(3, 1 + max(map(len, re.findall("`+", solved)), default=0))
            text = _folded("Solution", f"{fence}python\n{solved}\n{fence}")
            waiting = _cell("markdown", f"{_id(cell)}-solution", text, ["solution"])
    return _notebook(cells[0], made + ([waiting] if waiting else []), "notebooks")


def _solutions(cells: list[Cell]) -> str:
    """Build the notebook with solutions, answers and notes for instructors."""
    made = []
    for cell in cells:
        if cell.kind == "markdown":
            made.append(_markdown(cell))
        else:
            stubs, solved = _split(cell)
            try:
                filled = answered(solved)
            except WorkshopError as error:
                raise cell.error(str(error)) from error
            made.append(_code(cell, filled, exercise=stubs != solved))
    made[0]["source"] += f"\n\n{_SOLUTIONS}"
    return _notebook(cells[0], made, "notebooks/solutions")


def _markdown(cell: Cell) -> dict[str, Any]:
    text = cell.source
    if "hint" in cell.tags:
        symptom, _, body = text.partition("\n")
        if not symptom.startswith("I get ") or not body.strip():
            raise cell.error("a hint is a line 'I get ...', a blank line, and advice.")
        # Markdown is not read inside <summary>: code is marked up here.
        words = re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(symptom, False))
        text = _folded(f"Hint: {words}", body.strip())
    if "instructor" in cell.tags:
        lines = ["**For instructors**", "", *text.splitlines()]
        text = "\n".join(f"> {line}".rstrip() for line in lines)
    return _cell("markdown", _id(cell), text, list(cell.tags))


def _code(cell: Cell, source: str, exercise: bool) -> dict[str, Any]:
    tags = [*cell.tags, "exercise"] if exercise else list(cell.tags)
    if cell.seconds is not None:
        source = f"# Takes about {cell.seconds:g} s on two CPU cores\n{source}"
    return _cell("code", _id(cell), source, tags)


def _folded(summary: str, body: str) -> str:
    """Fold Markdown up. Blank lines end the HTML around it, or it stays raw text."""
    return f"<details>\n<summary>{summary}</summary>\n\n{body}\n\n</details>"


def _id(cell: Cell) -> str:
    """Name a cell by notebook and position: the same in both notebooks."""
    return f"{cell.path.name[:2]}-{cell.number:03d}"


def _cell(kind: str, name: str, source: str, tags: list[str]) -> dict[str, Any]:
    metadata: dict[str, Any] = {"tags": tags} if tags else {}
    made = {"cell_type": kind, "id": name, "metadata": metadata, "source": source}
    return made | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def _notebook(title: Cell, cells: list[dict[str, Any]], folder: str) -> str:
    """Add badges and set-up, and write it all as JSON."""
    import nbformat

    path, number = f"{folder}/{title.path.stem}.ipynb", title.path.name[:2]
    if line := badges(path):
        heading, _, rest = cells[0]["source"].partition("\n")
        cells[0]["source"] = f"{heading}\n\n{line}\n{rest}".rstrip()
    setup = _cell("code", f"{number}-setup", setup_code(), ["setup"])
    # Folded in JupyterLab, as few read it; Colab folds by a first line @title
    setup["metadata"] |= {"jupyter": {"source_hidden": True}, "cellView": "form"}
    text = _cell("markdown", f"{number}-setup-text", setup_text(path), ["setup"])
    content = {"cells": [cells[0], text, setup, *cells[1:]], "metadata": _METADATA}
    made = nbformat.from_dict(content | {"nbformat": 4, "nbformat_minor": 5})
    nbformat.validate(made)
    return nbformat.writes(made).rstrip("\n") + "\n"
