"""Command that builds the notebooks from their sources."""

__all__ = ["notebooks"]

import json
from pathlib import Path

from workshop_lib.errors import WorkshopError


def notebooks(
    folder: Path = Path("notebooks"),
    check: bool = False,
    overwrite: bool = False,
) -> int:
    """Build the learner's notebooks and those with solutions from FOLDER/src.

    Example: workshop notebooks --check

    Needs the extra `test`: pip install -e '.[test]'

    Args:
        folder: holds src/NN_topic.py; gets NN_topic.ipynb and solutions/NN_topic.ipynb.
        check: write nothing; list what differs from its source (exit code 1).
        overwrite: also replace notebooks that have been run, answers included.
    """
    from workshop_lib.files import write_text

    built = _build(folder)
    stale = [path for path, text in built.items() if _text(path) != text]
    if check:
        orphans = {p for p in folder.glob("**/[0-9][0-9]_*.ipynb")} - set(built)
        orphans = {p for p in orphans if ".ipynb_checkpoints" not in p.parts}
        lines = [f"{path}: not what its source says: make notebooks" for path in stale]
        lines += [f"{path}: has no source: delete it" for path in sorted(orphans)]
        print("\n".join(lines) or f"{len(built)} notebooks, all as their sources say.")
        return int(bool(lines))
    worked_in = [str(path) for path in stale if _was_run(path)]
    if worked_in and not overwrite:
        raise WorkshopError(
            f"{', '.join(worked_in)} has been run or edited: answers would be lost."
            " Copy or delete what you do not need, or give --overwrite."
        )
    for path in stale:
        write_text(path, built[path])
        print(f"written: {path}")
    print(f"{len(built)} notebooks, {len(built) - len(stale)} of them as before.")
    return 0


def _build(folder: Path) -> dict[Path, str]:
    try:
        from workshop_lib.course.notebooks import build_all

        return build_all(folder)
    except ModuleNotFoundError as error:
        if error.name not in ("jupytext", "nbformat"):
            raise
        raise WorkshopError(
            f"{error.name} is not installed: pip install -e '.[test]'"
        ) from None


def _text(path: Path) -> str | None:
    """Read a notebook byte for byte; line ends count. None where there is none."""
    return path.read_bytes().decode("utf-8", "replace") if path.exists() else None


def _was_run(path: Path) -> bool:
    """Return whether a notebook holds results, which the generator never writes.

    One that cannot be read, as after a conflict in git, may hold answers too.
    """
    text = _text(path)
    if text is None:
        return False
    try:
        cells = json.loads(text)["cells"]
        return any(c.get("execution_count") or c.get("outputs") for c in cells)
    except (ValueError, KeyError, TypeError, AttributeError):
        return True
