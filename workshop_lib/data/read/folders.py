"""Image folders and zip archives: one folder of images per class.

A folder is a class, the image files directly in it are its images. A zip archive is
listed as if it were unpacked, so that it and the folder it was made from give the same
names; see `index` for what is an image.
"""

__all__ = ["find_images", "index_folder", "index_zip"]

import io
import os
import zipfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from workshop_lib.data.read.index import (
    ENDINGS,
    UNKNOWN,
    Files,
    ImageEntry,
    ImageIndex,
    file_state,
    index_classes,
    is_image,
    is_unlabeled,
    is_visible,
    sorted_by_name,
)
from workshop_lib.errors import WorkshopError, listed

_MOST_BYTES = 2**30  # of one image in a zip; more is no image but an attack


def index_folder(folder: Path | str, endings: Sequence[str] = ENDINGS) -> ImageIndex:
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
    classes = {
        name: _files_in(entry.path) for name, entry in _scan(root, folders=True).items()
    }
    index = index_classes(str(root.resolve()), classes, endings)
    if len(index.class_names) < 2 or not set(index.labels) - {UNKNOWN}:
        raise _no_classes(root, index, endings)
    return index


def index_zip(
    path: Path | str, inside: str | None = None, endings: Sequence[str] = ENDINGS
) -> ImageIndex:
    """List a zip archive as if it were unpacked, without unpacking it.

    The class folders may be wrapped in others (`UCMerced_LandUse/Images/...`): names
    start at the class. The state of an image is the checksum that the archive has of
    it.

    Args:
        inside: the folder in the archive that holds the class folders; found if there
            is only one.

    Raises:
        WorkshopError: no zip archive, no class folders in it, or several sets of them.
    """
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise WorkshopError(f"{path} does not exist: give a zip archive.") from error
    except (OSError, zipfile.BadZipFile, NotImplementedError) as error:
        raise WorkshopError(
            f"{path} cannot be read as a zip archive ({error}): is it cut off? Compare"
            " its size with that at the source, and download it again."
        ) from error
    folders: dict[PurePosixPath, list[ImageEntry]] = defaultdict(list)
    for info in archive.infolist():
        name = PurePosixPath(info.filename.replace("\\", "/"))
        if not all(is_visible(part) for part in name.parts):
            continue
        if info.is_dir():
            folders[name] += []
        else:
            state = (info.file_size, info.CRC)
            folders[name.parent].append(ImageEntry(name.name, info, state))
    root = _class_root(Path(path), folders, endings, inside)
    named = ((f.name, f) for f in folders if f.parent == root != f)
    classes = {
        name: sorted_by_name(name, ((f.name, f) for f in folders[folder]))
        for name, folder in sorted_by_name(str(path), named).items()
    }

    def read(info: zipfile.ZipInfo) -> BinaryIO:
        if info.file_size > _MOST_BYTES:
            raise ValueError(f"says to hold {info.file_size / 2**30:.0f} GiB")
        return io.BytesIO(archive.read(info))  # safe from several threads

    return index_classes(str(Path(path).resolve()), classes, endings, read)


def find_images(folder: Path | str) -> list[Path]:
    """List every image file in a folder and in the folders below it, sorted by name.

    Raises:
        WorkshopError: no such folder, or no image in it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise WorkshopError(f"{root} is not a folder: give a folder of images.")
    found, ahead = [], [str(root)]
    while ahead:
        one = ahead.pop()
        files = _files_in(one).items()
        found += [Path(file.place) for name, file in files if is_image(name, ENDINGS)]
        ahead += [f.path for f in reversed(_scan(one, folders=True).values())]
    if not found:
        raise WorkshopError(f"{root}: no images in it ({', '.join(ENDINGS)}).")
    return found


def _scan(folder: Path | str, folders: bool) -> dict[str, "os.DirEntry[str]"]:
    """List the visible folders, or the visible files, directly in a folder."""
    # Not Path.iterdir: an entry knows its kind already, which saves a look at the disk
    # per file, and half a second for 27,000 files.
    try:
        with os.scandir(folder) as entries:
            visible = [one for one in entries if is_visible(one.name)]
    except OSError as error:
        raise WorkshopError(
            f"cannot look into {folder}: {error.strerror}. Check that you may read it."
        ) from error
    named = ((one.name, one) for one in visible if one.is_dir() == folders)
    return sorted_by_name(str(folder), named)


def _files_in(folder: Path | str) -> Files:
    found = _scan(folder, folders=False).items()
    return {name: ImageEntry(name, one.path, file_state(one)) for name, one in found}


def _has_images(folder: Path | str, endings: Sequence[str]) -> bool:
    return any(is_image(name, endings) for name in _scan(folder, folders=False))


def _no_classes(root: Path, index: ImageIndex, endings: Sequence[str]) -> WorkshopError:
    names = index.class_names
    if not names:
        loose = sum(is_image(name, endings) for name in _scan(root, folders=False))
        found = f"{loose} images but no folders" if loose else "no folders with images"
    elif set(index.labels) - {UNKNOWN}:
        found = f"only one class folder ({names[0]!r})"
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
    for entry in _scan(root, folders=True).values():
        inner = _scan(entry.path, folders=True).values()
        if any(_has_images(folder.path, endings) for folder in inner):
            return Path(entry.path)
        if levels > 1:
            found = _find_deeper(Path(entry.path), endings, levels - 1)
            if found:
                return found
    return None


def _class_root(
    path: Path,
    folders: Mapping[PurePosixPath, list[ImageEntry]],
    endings: Sequence[str],
    inside: str | None,
) -> PurePosixPath:
    """Find the folder of an archive that holds the class folders."""
    images = {
        folder: sum(is_image(file.name, endings) for file in files)
        for folder, files in folders.items()
    }
    parents = Counter(
        folder.parent
        for folder, count in images.items()
        if count and folder.name and not is_unlabeled(folder.name)
    )
    roots = sorted(root for root, count in parents.items() if count > 1)
    places = listed([repr(str(root)) for root in roots])
    if inside is not None:
        if PurePosixPath(inside.strip("/")) in roots:
            return PurePosixPath(inside.strip("/"))
        raise WorkshopError(
            f"{path}: no class folders in {inside!r}; they are in"
            f" {places or 'no folder of it'}."
        )
    if len(roots) == 1:
        return roots[0]
    if roots:
        raise WorkshopError(
            f"{path}: class folders in several places ({places}): unpack it and give"
            " one of them, or Scenes.from_zip(..., inside=...)."
        )
    raise WorkshopError(
        f"{path}: {sum(images.values())} images but not at least two folders with"
        " images, one per class. Expected .../CLASS/IMAGE with the endings"
        f" {', '.join(endings)}."
    )
