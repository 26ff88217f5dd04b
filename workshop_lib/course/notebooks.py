"""Notebook generator: one source gives the learner's notebook and the solutions.

Authors edit `notebooks/src/NN_topic.py`, which holds the solutions; both notebooks are
built from it, so they never drift apart. Its format: docs/writing_notebooks.md. Equal
sources give equal bytes: no outputs, own cell ids, fixed metadata.
"""

__all__ = ["TAGS", "Cell", "build", "build_all", "is_edited", "read_cells"]

import hashlib
import html
import json
import re
from collections.abc import Sequence
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
# A tag that names the slide figure which the cell draws: slides/figures.py takes it
_FIGURE = re.compile(r"figure:\d\d_[a-z0-9_]+")
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
# Folded in JupyterLab, for few to read; Colab folds by a first line @title
_HIDDEN = {"jupyter": {"source_hidden": True}, "cellView": "form"}
_SYMPTOMS = ("I get ", "I do not know how to begin")  # first lines of a hint


@dataclass(frozen=True)
class Cell:
    """One cell of a source, with its file and the line on which it begins."""

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
    sources = sorted((folder / "src").glob("[0-9][0-9]_*.py"))
    if not sources:
        raise WorkshopError(
            f"no sources in {folder / 'src'}: run this in the repository's root, or"
            " name the folder that holds src/NN_topic.py with --folder."
        )
    built = {}
    for source in sources:
        name = source.with_suffix(".ipynb").name
        built[folder / name], built[folder / "solutions" / name] = build(source)
    return built


def build(source: Path) -> tuple[str, str]:
    """Build the learner's notebook and the one with solutions from one source.

    Raises:
        WorkshopError: a malformed source; names file and line.
    """
    cells = read_cells(source)
    title = cells[0]
    if title.kind != "markdown" or not title.source.startswith("# "):
        raise title.error("the first cell is Markdown and begins with '# ', the title.")
    return _notebook(cells, learner=True), _notebook(cells, learner=False)


def is_edited(notebook: bytes) -> bool:
    """Return whether someone has worked in a generated notebook.

    The generator writes a hash of the cells: typing changes them, running gives them
    outputs. What it did not write, or cannot be read, counts as edited.
    """
    try:
        found = json.loads(notebook)
        return found["metadata"]["workshop_lib"]["cells"] != _digest(found["cells"])
    except (ValueError, KeyError, TypeError):
        return True


def _digest(cells: Sequence[Any]) -> str:
    """Hash what cells hold: text, and outputs if they have any."""
    held = [
        ("".join(cell["source"]), cell.get("outputs") or [], cell["cell_type"])
        for cell in cells
    ]
    return hashlib.sha256(json.dumps(held).encode()).hexdigest()[:16]


def read_cells(path: Path) -> list[Cell]:
    """Read a source in jupytext's percent format, with the line of each cell.

    Raises:
        WorkshopError: a cell is not one that we know; names file and line.
    """
    import jupytext

    text = path.read_text(encoding="utf-8")
    lines = enumerate(text.splitlines(), 1)
    starts = [number for number, line in lines if line.startswith("# %%")]
    found = jupytext.reads(text, fmt="py:percent").cells
    if not starts or len(found) != len(starts):
        raise WorkshopError(
            f"{path}: {len(starts)} lines begin with '# %%', but jupytext sees"
            f" {len(found)} cells: a file begins with '# %% [markdown]', and no string"
            " in it has such a line."
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


def _notebook(cells: list[Cell], *, learner: bool) -> str:
    """Build one notebook, as JSON.

    The learner's has stubs; each solution follows folded up, after its hints. The other
    has solutions, answers and notes for instructors.
    """
    import nbformat

    made: list[Any] = []
    solution: list[Any] = []  # of the last exercise, while its hints are added
    for cell in cells:
        if learner and "instructor" in cell.tags:
            continue
        if "hint" not in cell.tags:
            made, solution = made + solution, []
        if cell.kind == "markdown":
            made.append(_cell("markdown", _id(cell), _markdown(cell), cell.tags))
            continue
        stubs, solved = _split(cell)
        tags = (*cell.tags, "exercise") if stubs != solved else cell.tags
        code = stubs if learner else answered(solved)
        if cell.seconds is not None:
            code = f"# Takes about {cell.seconds:g} s on two CPU cores\n{code}"
        made.append(_cell("code", _id(cell), code, tags))
        if "hide-input" in tags:
            made[-1].metadata |= _HIDDEN
        if learner and stubs != solved:
            fence = "`" * max(3, 1 + max(map(len, re.findall("`+", solved)), default=0))
            text = _folded("Solution", f"{fence}python\n{solved}\n{fence}")
            name = f"{_id(cell)}-solution"
            solution = [_cell("markdown", name, text, ("solution",))]
    folder = "notebooks" if learner else "notebooks/solutions"
    top = _top(made[0], f"{folder}/{cells[0].path.stem}.ipynb", learner)
    whole = [*top, *made[1:], *solution]
    content = nbformat.v4.new_notebook(cells=whole, metadata=_METADATA)
    content.metadata["workshop_lib"] = {"cells": _digest(content.cells)}
    nbformat.validate(content)
    return nbformat.writes(content).rstrip("\n") + "\n"


def _top(title: Any, path: str, learner: bool) -> list[Any]:
    """Add badges to the title; return it with the set-up that follows."""
    if not learner:
        title.source += f"\n\n{_SOLUTIONS}"
    if line := badges(path):
        heading, _, rest = title.source.partition("\n")
        title.source = f"{heading}\n\n{line}\n{rest}".rstrip()
    number = Path(path).name[:2]
    text = _cell("markdown", f"{number}-setup-text", setup_text(path), ("setup",))
    setup = _cell("code", f"{number}-setup", setup_code(), ("setup",))
    setup.metadata |= _HIDDEN
    return [title, text, setup]


def _markdown(cell: Cell) -> str:
    """Return a cell's text; a hint is folded up, a note is set apart."""
    text = cell.source
    if "hint" in cell.tags:
        symptom, _, body = text.partition("\n")
        if not symptom.startswith(_SYMPTOMS) or not body.strip():
            raise cell.error("a hint is a line 'I get ...', a blank line, and advice.")
        # Markdown is not read inside <summary>: code is marked up here.
        words = re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(symptom, False))
        text = _folded(f"Hint: {words}", body.strip())
    if "instructor" in cell.tags:
        lines = ["**For instructors**", "", *text.splitlines()]
        text = "\n".join(f"> {line}".rstrip() for line in lines)
    return text


def _folded(summary: str, body: str) -> str:
    """Fold Markdown up. Blank lines end the HTML around it, or it stays raw text."""
    return f"<details>\n<summary>{summary}</summary>\n\n{body}\n\n</details>"


def _id(cell: Cell) -> str:
    """Name a cell by notebook and position: the same in both notebooks."""
    return f"{cell.path.name[:2]}-{cell.number:03d}"


def _cell(kind: str, name: str, source: str, tags: Sequence[str]) -> Any:
    from nbformat.v4 import new_code_cell, new_markdown_cell

    make = new_code_cell if kind == "code" else new_markdown_cell
    return make(source, id=name, metadata={"tags": list(tags)} if tags else {})
