"""The index of a data set: which files are images, and of which class.

A folder is a class, the image files directly in it are its images. The class folders
may be wrapped in others, and a zip archive is listed as if it were unpacked: names
start at the class, `Forest/a.png`. A folder called `unlabeled` or `unlabelled` beside
the class folders is no class: its images take part in training without a label (-1).

Names that begin with a dot and `__MACOSX` are left out, and so are, each kind said in
one line, images that lie anywhere else and files that are no images by their ending.
Links are followed, except to a folder that holds them. Classes and images are sorted by
name (Unicode NFC). All this is the same on every operating system.
"""

__all__ = ["ImageEntry", "ImageIndex", "find_images", "index_files", "index_images"]

import io
import os
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple

from workshop_lib.data.cache import SIDES, WORLD, file_state, sides_of
from workshop_lib.data.read.tables import LABELS_FILE, METADATA_FILE, read_label_table
from workshop_lib.errors import WorkshopError, listed, readable
from workshop_lib.files import reading

ENDINGS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".png", ".tif", ".tiff"),
    *(".bmp", ".gif", ".webp"),
)
UNKNOWN = -1  # the label of an image whose class is not known
_KNOWN = (*SIDES, *WORLD, METADATA_FILE)  # what lies beside images and needs no word
_UNLABELED = ("unlabeled", "unlabelled")  # folders of such images

_MOST_BYTES = 2**30  # of one image in a zip; more is no image but an attack


class ImageEntry(NamedTuple):
    """One file: its name in the data set, where it is, and its present state."""

    name: str  # "Forest/a.png"
    place: Any  # what the index's `open` takes: a path, or an entry of an archive
    state: tuple[int, ...]  # size, times or checksum: differs when the content does
    sides: tuple[Any, ...] = ()  # of a raster: ending and state of each side file


# Every visible folder inside a root, and the visible files directly in it
Tree = dict[PurePosixPath, list[ImageEntry]]


def _open_path(place: str) -> BinaryIO:
    return open(place, "rb")


@dataclass(frozen=True)
class ImageIndex:
    """What there is to read, before any image has been opened.

    Args:
        where: the folder, archive or names file, for messages and for the cache.
        entries: the images, in the order of their names.
        labels: of each, 0 to K-1; -1 if not known; or a row of K, 1 for each class
            that is in the image.
        class_names: K names.
        problems: a line for each thing that is wrong already.
        open: opens the `place` of an entry.
        note: what was left out, in one line; empty if nothing was.
    """

    where: str
    entries: list[ImageEntry]
    labels: list[Any]
    class_names: tuple[str, ...]
    problems: tuple[str, ...] = ()
    open: Callable[[Any], BinaryIO] = _open_path
    note: str = ""


def index_images(path: Path | str, endings: tuple[str, ...] = ENDINGS) -> ImageIndex:
    """List a folder of class folders, a .zip of such, a .txt of names, a labels.csv.

    Files of other endings are left out, with a note, except those a .txt names.

    Raises:
        WorkshopError: nothing of the kind, or fewer than two classes in it.
    """
    path = Path(path)
    if (path / LABELS_FILE).is_file():
        path /= LABELS_FILE
    ending = path.suffix.lower() if path.is_file() else ""
    if ending == ".txt":
        return _index_names(path)
    if ending == ".csv":
        return _index_rows(path, *read_label_table(path))
    tree, read = _unzipped(path) if ending == ".zip" else (_walk(path), _open_path)
    return _index_tree(str(path.resolve()), tree, read, endings)


def _unzipped(path: Path) -> tuple[Tree, Callable[[Any], BinaryIO]]:
    """List a zip archive as if it were unpacked; and return what reads a file of it.

    The state of an image is the checksum that the archive has of it.
    """
    with reading(path, "is it cut off? Compare its size, and download it again."):
        archive = zipfile.ZipFile(path)
    tree: Tree = defaultdict(list)
    for info in archive.infolist():
        name = PurePosixPath(info.filename.replace("\\", "/"))
        if not all(is_visible(part) for part in name.parts):
            continue
        if info.is_dir():
            tree[name] += []
        else:
            state = (info.file_size, info.CRC)
            tree[name.parent].append(ImageEntry(name.name, info, state))

    def read(info: zipfile.ZipInfo) -> BinaryIO:
        if info.file_size > _MOST_BYTES:
            raise ValueError(f"says to hold {info.file_size / 2**30:.0f} GiB")
        return io.BytesIO(archive.read(info))  # safe from several threads

    return tree, read


def _index_tree(
    where: str, tree: Tree, open: Callable[[Any], BinaryIO], endings: tuple[str, ...]
) -> ImageIndex:
    """Number the classes, and list the images of each."""
    root = _class_root(where, tree)
    entries: list[ImageEntry] = []
    labels: list[int] = []
    class_names: list[str] = []
    classes = [at for at in tree if at.parent == root != at]
    classes.sort(key=lambda at: readable(at.name))
    problems = []
    for at in classes:
        name = readable(at.name)
        label = UNKNOWN if name.lower() in _UNLABELED else len(class_names)
        if label != UNKNOWN:
            class_names.append(name)
        there = {file.name: file.state for file in tree[at]}
        files = [
            ImageEntry(f"{name}/{readable(n)}", place, state, sides_of(n, there.get))
            for n, place, state, _ in tree[at]
        ]
        files.sort(key=lambda file: file.name)
        images = [file for file in files if _is_image(file, endings)]
        entries += images
        labels += [label] * len(images)
        if not images:
            problems.append(f"{name}/: no images in it ({', '.join(endings)})")
    elsewhere = {at: files for at, files in tree.items() if at not in classes}
    notes = [_left_out(tree, endings, False), _left_out(elsewhere, endings, True)]
    times = Counter(map(str.casefold, class_names))
    if alike := [name for name in class_names if times[name.casefold()] > 1]:
        notes.append(f"classes that differ by case only: {listed(alike)}")
    about = tuple(class_names), tuple(problems), open, "\n".join(filter(None, notes))
    return ImageIndex(where, entries, labels, *about)


def _left_out(tree: Tree, endings: tuple[str, ...], images: bool) -> str:
    """Say in one line how many files are no images, or images in no class folder."""
    names = [
        readable(str(at / file.name))
        for at, files in tree.items()
        for file in files
        if _is_image(file, endings) == images and not file.name.endswith(_KNOWN)
    ]
    why = "not directly in a class folder" if images else "no images by their ending"
    return f"{len(names)} left out, {why}: {listed(sorted(names), 3)}" if names else ""


def _class_root(where: str, tree: Tree) -> PurePosixPath:
    """Find the folder that holds at least two class folders with images."""
    parents = Counter(
        folder.parent
        for folder, files in tree.items()
        if any(map(_is_image, files)) and folder.name.lower() not in ("", *_UNLABELED)
    )
    roots = sorted(root for root, count in parents.items() if count > 1)
    if PurePosixPath() in roots or len(roots) == 1:
        return roots[0]  # "." is the first
    if roots:
        places = listed([repr(str(root)) for root in roots])
        raise WorkshopError(
            f"{where}: class folders in several places ({places}): give one of them,"
            " unpacked if this is an archive."
        )
    count = sum(_is_image(file) for some in tree.values() for file in some)
    raise WorkshopError(
        f"{where}: {count} images but not at least two folders with images, one per"
        f" class. Expected .../CLASS/IMAGE with the endings {', '.join(ENDINGS)}."
    )


def find_images(folder: Path | str) -> list[Path]:
    """List every image file in a folder and in the folders below it, sorted by name.

    Raises:
        WorkshopError: no such folder, or no image in it.
    """
    tree = _walk(Path(folder))
    files = [file for inside in sorted(tree) for file in sorted(tree[inside])]
    found = [Path(file.place) for file in files if _is_image(file)]
    if not found:
        raise WorkshopError(f"{folder}: no images in it ({', '.join(ENDINGS)}).")
    if note := _left_out(tree, ENDINGS, False):
        print(f"{folder}: {note}")
    return found


def _walk(root: Path) -> Tree:
    """List the visible files of a folder, and those of the folders below it."""

    def refuse(error: OSError) -> None:
        raise WorkshopError(
            f"cannot look into {error.filename}: {error.strerror}. May you read it?"
        ) from error

    if not root.is_dir():
        raise WorkshopError(f"{root} is not a folder: give the folder of the images.")
    tree = {}
    for path, folders, files in os.walk(root, onerror=refuse, followlinks=True):
        inside = PurePosixPath(Path(path).relative_to(root).as_posix())
        here = Path(path).resolve()
        above = {here, *here.parents}  # a link to one of these would never end
        folders[:] = [
            n for n in folders if is_visible(n) and (here / n).resolve() not in above
        ]
        places = ((n, os.path.join(path, n)) for n in files if is_visible(n))
        tree[inside] = [ImageEntry(n, place, file_state(place)) for n, place in places]
    return tree


def _index_names(file: Path) -> ImageIndex:
    """List the images of a names file, `path label` on each line, by name.

    The label is the last word of a line; all before it is the path, which may hold
    spaces and is relative to the folder of the file. Labels are names ("Forest") or
    numbers ("3"); -1 is not known. The order of the lines does not matter.
    """
    with reading(file, "give a text in UTF-8 with 'path label' on each line."):
        # -sig: some editors begin a text with a mark that is no part of it.
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    rows, problems = [], []
    for number, line in enumerate(lines, start=1):
        words = line.strip().rsplit(maxsplit=1)
        if len(words) == 2:
            rows.append((words[0].replace("\\", "/"), words[1]))
        elif words:
            problems.append(f"line {number}: {words[0]!r} has no label after it")
    classes = {label for _, label in rows if label != str(UNKNOWN)}
    if len(classes) < 2:
        raise WorkshopError(
            f"{file}: {len(rows)} lines of the form 'path label' with"
            f" {len(classes)} labels. Expected at least two labels, as in"
            " 'images/a b.jpg Forest'." + "".join(f"\n  {p}" for p in problems[:5])
        )
    numbers = sorted(filter(str.isdecimal, classes), key=int)  # "2" before "10"
    class_names = (*numbers, *sorted(classes - set(numbers)))
    numbered = {name: k for k, name in enumerate(class_names)} | {str(UNKNOWN): UNKNOWN}
    labelled = [(place, numbered[label]) for place, label in rows]
    return _index_rows(file, labelled, class_names, problems)


def _index_rows(
    file: Path,
    rows: Iterable[tuple[str, Any]],
    class_names: tuple[str, ...],
    problems: Iterable[str] = (),
) -> ImageIndex:
    """List the images of a text or table, a path and a label each, by name."""
    places, labels = zip(*sorted(rows), strict=True)
    entries = index_files(os.path.join(file.parent, p) for p in places).entries
    named = zip(entries, map(readable, places), strict=True)
    entries, where = [e._replace(name=n) for e, n in named], str(file.resolve())
    return ImageIndex(where, entries, list(labels), class_names, tuple(problems))


def index_files(paths: Iterable[Path | str]) -> ImageIndex:
    """List single files under their paths, without labels; for instance to predict."""
    files = [(str(path), file_state(path)) for path in paths]
    entries = [
        ImageEntry(readable(p), p, at, sides_of(p, file_state)) for p, at in files
    ]
    return ImageIndex("", entries, [UNKNOWN] * len(entries), ())


def _is_image(file: ImageEntry, endings: tuple[str, ...] = ENDINGS) -> bool:
    return file.name.lower().endswith(endings)


def is_visible(name: str) -> bool:
    """Return whether a name is one that people gave, not `.cache` or `__MACOSX`."""
    return not name.startswith(".") and name != "__MACOSX"
