"""Images listed in a text file: `path label` on each line, as many papers publish them.

The label is the last word of a line; all before it is the path, which may hold spaces.
Paths are relative to the folder of the file. The label -1 means: not known.
"""

__all__ = ["list_names"]

import os
import unicodedata
from pathlib import Path

from workshop_lib.data.images.listing import UNKNOWN, ImageFile, Listing, file_state
from workshop_lib.errors import WorkshopError


def list_names(path: Path | str) -> Listing:
    """List what a names file names, in the order of the names.

    Labels are class names ("Forest"), or numbers ("3"), which are then the names of
    the classes. The order of the lines does not matter.

    Raises:
        WorkshopError: the file cannot be read, or names fewer than two classes.
    """
    file = Path(path)
    rows, problems = _rows(file)
    classes = {label for _, label in rows if label != str(UNKNOWN)}
    if len(classes) < 2:
        raise WorkshopError(
            f"{file}: {len(rows)} lines of the form 'path label' with"
            f" {len(classes)} labels. Expected at least two labels, as in"
            " 'images/a b.jpg Forest'." + "".join(f"\n  {p}" for p in problems[:5])
        )
    class_names = tuple(sorted(classes, key=_by_number_then_name))
    number = {name: k for k, name in enumerate(class_names)}
    number[str(UNKNOWN)] = UNKNOWN
    found: dict[str, tuple[str, str]] = {}
    for place, label in sorted(rows):
        # One form of a name on every system, as when a folder is listed.
        name = unicodedata.normalize("NFC", place)
        if name in found:
            problems.append(f"{name}: on more than one line")
        found[name] = (os.path.join(file.parent, place), label)
    files = [
        ImageFile(name, place, file_state(place)) for name, (place, _) in found.items()
    ]
    labels = [number[label] for _, label in found.values()]
    where = str(file.resolve())
    return Listing(where, files, labels, class_names, problems=tuple(problems))


def _rows(file: Path) -> tuple[list[tuple[str, str]], list[str]]:
    """Read (path, label) from each line, and tell which lines are not like that."""
    try:
        # -sig: some editors begin a text with a mark that is no part of it.
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise WorkshopError(
            f"cannot read {file} as a text in UTF-8 ({error}): give a names file with"
            " 'path label' on each line."
        ) from error
    rows, problems = [], []
    for number, line in enumerate(lines, start=1):
        words = line.strip().rsplit(maxsplit=1)
        if len(words) == 2:
            rows.append((words[0].replace("\\", "/"), words[1]))
        elif words:
            problems.append(f"line {number}: {words[0]!r} has no label after it")
    return rows, problems


def _by_number_then_name(label: str) -> tuple[bool, int, str]:
    """Sort "2" before "10", and numbers before words."""
    is_number = label.isdecimal()
    return (not is_number, int(label) if is_number else 0, label)
