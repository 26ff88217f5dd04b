"""The index of a data set: which files are images, and of which class.

Names that begin with a dot, `__MACOSX`, and files that are no images by their ending
are left out. Classes and images are sorted by name (Unicode NFC); `Forest/a.png` is a
name. All this is the same on every operating system.

A folder called `unlabeled` or `unlabelled` beside the class folders is no class: its
images take part in training without a label (-1).
"""

__all__ = ["ImageEntry", "ImageIndex", "index_files", "index_names"]

import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

from workshop_lib.errors import WorkshopError

ENDINGS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".gif", ".webp")
UNKNOWN = -1  # the label of an image whose class is not known

T = TypeVar("T")


class ImageEntry(NamedTuple):
    """One file: its name in the data set, where it is, and its present state."""

    name: str  # "Forest/a.png"
    place: Any  # what the index's `open` takes: a path, or an entry of an archive
    state: tuple[int, ...]  # size, times or checksum: differs when the content does


def _open_path(place: str) -> BinaryIO:
    return open(place, "rb")


@dataclass(frozen=True)
class ImageIndex:
    """What there is to read, before any image has been opened.

    Args:
        where: the folder, archive or names file, for messages and for the cache.
        entries: the images, in the order of their names.
        labels: of each, 0 to K-1; -1 if not known.
        class_names: K names.
        others: files that do not look like images; looked into when decoding, in case
            only the name is wrong.
        problems: a line for each thing that is wrong already.
        open: opens the `place` of an entry.
    """

    where: str
    entries: list[ImageEntry]
    labels: list[int]
    class_names: tuple[str, ...]
    others: tuple[ImageEntry, ...] = ()
    problems: tuple[str, ...] = ()
    open: Callable[[Any], BinaryIO] = _open_path


Files = dict[str, ImageEntry]  # of one folder, in the order of their names


def index_classes(
    where: str,
    classes: Mapping[str, Files],
    endings: Sequence[str],
    open: Callable[[Any], BinaryIO] = _open_path,
) -> ImageIndex:
    """Number the classes, and set apart what is no image by its ending.

    Args:
        classes: class folder -> its files, both in the order of their names.
    """
    entries: list[ImageEntry] = []
    labels: list[int] = []
    others: list[ImageEntry] = []
    problems: list[str] = []
    class_names: list[str] = []
    for name, files in classes.items():
        label = UNKNOWN if is_unlabeled(name) else len(class_names)
        if label != UNKNOWN:
            class_names.append(name)
        before = len(entries)
        for file, entry in files.items():
            kind = entries if is_image(file, endings) else others
            kind.append(entry._replace(name=f"{name}/{file}"))
        labels += [label] * (len(entries) - before)
        if len(entries) == before:
            problems.append(f"{name}/: no images in it ({', '.join(endings)})")
    return ImageIndex(
        where, entries, labels, tuple(class_names), tuple(others), tuple(problems), open
    )


def is_image(name: str, endings: Sequence[str]) -> bool:
    return name.lower().endswith(tuple(endings))


def is_unlabeled(name: str) -> bool:
    return name.lower() in ("unlabeled", "unlabelled")


def sorted_by_name(folder: str, named: Iterable[tuple[str, T]]) -> dict[str, T]:
    """Sort what a folder holds by name; accents written in one way (NFC)."""
    pairs = [(unicodedata.normalize("NFC", name), item) for name, item in named]
    found = dict(sorted(pairs, key=lambda pair: pair[0]))
    if len(found) < len(pairs):
        raise WorkshopError(
            f"{folder}: {len(pairs) - len(found)} names differ from another only in"
            " how an accent is stored: rename one of each pair."
        )
    return found


def index_names(path: Path | str) -> ImageIndex:
    """List the images of a names file, `path label` on each line, by name.

    The label is the last word of a line; all before it is the path, which may hold
    spaces and is relative to the folder of the file. Labels are class names ("Forest"),
    or numbers ("3"), which are then the names of the classes; -1 is not known. The
    order of the lines does not matter.

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
    # "2" before "10", and numbers before words
    numbers = sorted((one for one in classes if one.isdecimal()), key=int)
    class_names = (*numbers, *sorted(classes - set(numbers)))
    found: dict[str, tuple[str, int]] = {}
    for place, label in sorted(rows):
        # One form of a name on every system, as when a folder is listed.
        name = unicodedata.normalize("NFC", place)
        if name in found:
            problems.append(f"{name}: on more than one line")
        number = class_names.index(label) if label in classes else UNKNOWN
        found[name] = (os.path.join(file.parent, place), number)
    entries = [
        ImageEntry(name, place, file_state(place)) for name, (place, _) in found.items()
    ]
    labels = [label for _, label in found.values()]
    where = str(file.resolve())
    return ImageIndex(where, entries, labels, class_names, problems=tuple(problems))


def index_files(paths: Iterable[Path | str]) -> ImageIndex:
    """List single files under their paths, without labels; for instance to predict."""
    entries = [
        ImageEntry(str(path), str(path), file_state(str(path))) for path in paths
    ]
    return ImageIndex("", entries, [UNKNOWN] * len(entries), ())


def _rows(file: Path) -> tuple[list[tuple[str, str]], list[str]]:
    """Read (path, label) from each line; and report the lines without a label."""
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


def is_visible(name: str) -> bool:
    """Return whether a name is one that people gave, not `.cache` or `__MACOSX`."""
    return not name.startswith(".") and name != "__MACOSX"


def file_state(entry: "os.DirEntry[str] | str") -> tuple[int, ...]:
    try:
        stat = os.stat(entry) if isinstance(entry, str) else entry.stat()
    except OSError:  # a dangling link: decoding will report it
        return (-1, -1, -1)
    # The third changes too where a copy keeps the time of the original.
    return (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
