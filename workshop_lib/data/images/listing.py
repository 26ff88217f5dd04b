"""Which files are images, and of which class; the same on every operating system.

A folder is a class, the image files directly in it are its images. Names that begin
with a dot, `__MACOSX`, and files that are no images by their ending are left out.
Classes and images are sorted by name (Unicode NFC); `Forest/a.png` is a name.

A folder called `unlabeled` or `unlabelled` beside the class folders is no class: its
images take part in training without a label (-1).
"""

__all__ = [
    "ENDINGS",
    "UNKNOWN",
    "ImageFile",
    "Listing",
    "file_state",
    "find_images",
    "is_unlabeled",
    "is_visible",
    "list_files",
    "list_folder",
    "sorted_by_name",
]

import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from workshop_lib.errors import WorkshopError

ENDINGS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".gif", ".webp")
UNKNOWN = -1  # the label of an image whose class nobody told


class ImageFile(NamedTuple):
    """One file: its name in the data set, where it lies, and its present state."""

    name: str  # "Forest/a.png"
    place: Any  # what the listing's `open` takes: a path, or an entry of an archive
    state: tuple[int, ...]  # size, times or checksum: differs when the content does


def _open_path(place: str) -> BinaryIO:
    return open(place, "rb")


@dataclass(frozen=True)
class Listing:
    """What there is to read, before any image has been opened.

    Args:
        where: the folder, archive or names file, for messages and for the cache.
        files: the images, in the order of their names.
        labels: of each, 0 to K-1; -1 if not known.
        class_names: K names.
        others: files that do not look like images; looked into when decoding, in case
            only the name is wrong.
        problems: a line for each thing that is wrong already.
        open: opens the `place` of a file.
    """

    where: str
    files: list[ImageFile]
    labels: list[int]
    class_names: tuple[str, ...]
    others: tuple[ImageFile, ...] = ()
    problems: tuple[str, ...] = ()
    open: Callable[[Any], BinaryIO] = _open_path


def list_folder(folder: Path | str, endings: Sequence[str] = ENDINGS) -> Listing:
    """List a folder that holds one folder of images per class.

    Raises:
        WorkshopError: no folder, or fewer than two classes in it; names the folder
            deeper inside that seems to be meant.
    """
    root = Path(folder)
    if not root.is_dir():
        raise WorkshopError(
            f"{root} is not a folder: give the folder that holds one folder of images"
            " per class."
        )
    files: list[ImageFile] = []
    labels: list[int] = []
    others: list[ImageFile] = []
    empty: list[str] = []
    class_names: list[str] = []
    for name, entry in _folders(root).items():
        label = UNKNOWN if is_unlabeled(name) else len(class_names)
        if label != UNKNOWN:
            class_names.append(name)
        images, rest = _files(entry.path, f"{name}/", endings)
        files += images
        labels += [label] * len(images)
        others += rest
        if not images:
            empty.append(f"{name}/: no images in it ({', '.join(endings)})")
    if len(class_names) < 2 or not any(label != UNKNOWN for label in labels):
        raise _no_classes(root, class_names, endings)
    where = str(root.resolve())
    return Listing(
        where, files, labels, tuple(class_names), tuple(others), tuple(empty)
    )


def list_files(paths: Iterable[Path | str]) -> Listing:
    """List single files under their paths, without labels; for instance to predict."""
    files = [ImageFile(str(path), str(path), file_state(str(path))) for path in paths]
    return Listing("", files, [UNKNOWN] * len(files), ())


def find_images(folder: Path | str) -> list[Path]:
    """List every image file in a folder and in the folders below it, sorted by name.

    Raises:
        WorkshopError: no such folder, or no image in it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise WorkshopError(f"{root} is not a folder: give a folder of images.")
    found = list(_below(str(root)))
    if not found:
        raise WorkshopError(f"{root}: no images in it ({', '.join(ENDINGS)}).")
    return found


def is_visible(name: str) -> bool:
    """Tell whether a name is one that people gave, not `.cache` or `__MACOSX`."""
    return not name.startswith(".") and name != "__MACOSX"


def is_unlabeled(name: str) -> bool:
    """Tell whether a folder of this name holds images without a class."""
    return name.lower() in ("unlabeled", "unlabelled")


def sorted_by_name(folder: str, named: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Sort what a folder holds by name; accents written in one way (NFC).

    Raises:
        WorkshopError: two names that are the same in that way.
    """
    pairs = [(unicodedata.normalize("NFC", name), item) for name, item in named]
    found = dict(sorted(pairs, key=lambda pair: pair[0]))
    if len(found) < len(pairs):
        raise WorkshopError(
            f"{folder}: {len(pairs) - len(found)} names differ from another only in"
            " how an accent is stored: rename one of each pair."
        )
    return found


def _below(folder: str) -> Iterator[Path]:
    images, _ = _files(folder, "", ENDINGS)
    yield from (Path(file.place) for file in images)
    for entry in _folders(folder).values():
        yield from _below(entry.path)


def _scan(folder: Path | str) -> list["os.DirEntry[str]"]:
    # Not Path.iterdir: an entry knows its kind already, which saves a look at the disk
    # per file, and half a second for 27,000 files.
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if is_visible(entry.name)]
    except OSError as error:
        raise WorkshopError(
            f"cannot look into {folder}: {error.strerror}. Check that you may read it."
        ) from error


def _folders(folder: Path | str) -> dict[str, "os.DirEntry[str]"]:
    found = ((entry.name, entry) for entry in _scan(folder) if entry.is_dir())
    return sorted_by_name(str(folder), found)


def _files(
    folder: str, prefix: str, endings: Sequence[str]
) -> tuple[list[ImageFile], list[ImageFile]]:
    """List the files directly in a folder: images by their ending, and the others."""
    found = ((entry.name, entry) for entry in _scan(folder) if not entry.is_dir())
    images: list[ImageFile] = []
    others: list[ImageFile] = []
    for name, entry in sorted_by_name(folder, found).items():
        file = ImageFile(prefix + name, entry.path, file_state(entry))
        is_image = name.lower().endswith(tuple(endings))
        (images if is_image else others).append(file)
    return images, others


def file_state(entry: "os.DirEntry[str] | str") -> tuple[int, ...]:
    try:
        stat = os.stat(entry) if isinstance(entry, str) else entry.stat()
    except OSError:  # a dangling link: decoding will report it
        return (-1, -1, -1)
    # The third changes too where a copy keeps the time of the original.
    return (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def _no_classes(
    root: Path, class_names: list[str], endings: Sequence[str]
) -> WorkshopError:
    if not class_names:
        loose = len(_files(str(root), "", endings)[0])
        found = f"{loose} images but no folders" if loose else "no folders with images"
    elif any(_files(str(root / name), "", endings)[0] for name in class_names):
        found = f"only one class folder ({class_names[0]!r})"
    else:
        found = "no images in its folders"
    deeper = _find_deeper(root, endings)
    hint = f" Did you mean {deeper}?" if deeper else ""
    return WorkshopError(
        f"{root}: {found}. Expected at least two folders, one per class, each with"
        f" images ({', '.join(endings)}).{hint}"
    )


def _find_deeper(root: Path, endings: Sequence[str], levels: int = 3) -> Path | None:
    """Find the folder of class folders that archives like to wrap in others."""
    for entry in _folders(root).values():
        inner = _folders(entry.path).values()
        if any(_files(folder.path, "", endings)[0] for folder in inner):
            return Path(entry.path)
        if levels > 1:
            found = _find_deeper(Path(entry.path), endings, levels - 1)
            if found:
                return found
    return None
