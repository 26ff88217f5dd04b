"""List the images of a zip archive as if it were unpacked, without unpacking it.

Archives like to wrap the class folders in others (`UCMerced_LandUse/Images/...`): the
folder that holds the class folders is found, and names start at the class, so that an
archive and the folder it was made from give the same names. Hidden files and folders
are left out, as in folders.
"""

__all__ = ["list_zip"]

import io
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from workshop_lib.data.checks import listed
from workshop_lib.data.images.listing import (
    ENDINGS,
    UNKNOWN,
    ImageFile,
    Listing,
    is_unlabeled,
    is_visible,
    sorted_by_name,
)
from workshop_lib.errors import WorkshopError

_MOST_BYTES = 2**30  # of one image; more is no image but an attack, or a mistake

Folders = dict[str, list[zipfile.ZipInfo]]  # path of a folder -> the files in it


def list_zip(
    path: Path | str, inside: str | None = None, endings: Sequence[str] = ENDINGS
) -> Listing:
    """List a zip archive that holds one folder of images per class.

    The state of an image is the checksum that the archive has of it.

    Args:
        inside: the folder in the archive that holds the class folders; found if there
            is only one.

    Raises:
        WorkshopError: no zip archive, no class folders in it, or several sets of them.
    """
    archive = _open_archive(Path(path))
    folders = _visible_folders(archive)
    root = _find_root(Path(path), folders, endings, inside)
    classes = {
        name.removeprefix(root): inner
        for name, inner in folders.items()
        if name.startswith(root) and "/" not in name[len(root) :] and name != root
    }
    files: list[ImageFile] = []
    labels: list[int] = []
    others: list[ImageFile] = []
    problems: list[str] = []
    class_names: list[str] = []
    for name, infos in sorted_by_name(str(path), classes.items()).items():
        label = UNKNOWN if is_unlabeled(name) else len(class_names)
        if label != UNKNOWN:
            class_names.append(name)
        images, rest = _files(infos, name, endings)
        files += images
        labels += [label] * len(images)
        others += rest
        if not images:
            problems.append(f"{name}/: no images in it ({', '.join(endings)})")

    def read(info: zipfile.ZipInfo) -> BinaryIO:
        if info.file_size > _MOST_BYTES:
            raise ValueError(f"says to hold {info.file_size / 2**30:.0f} GiB")
        return io.BytesIO(archive.read(info))  # safe from several threads

    where = str(Path(path).resolve())
    names = tuple(class_names)
    return Listing(where, files, labels, names, tuple(others), tuple(problems), read)


def _open_archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise WorkshopError(f"{path} does not exist: give a zip archive.") from error
    except (OSError, zipfile.BadZipFile, NotImplementedError) as error:
        raise WorkshopError(
            f"{path} cannot be read as a zip archive ({error}): is it cut off? Compare"
            " its size with that at the source, and download it again."
        ) from error


def _visible_folders(archive: zipfile.ZipFile) -> Folders:
    """Group all visible files by folder; folders may also be listed by themselves."""
    folders: Folders = defaultdict(list)
    hidden: dict[str, bool] = {}  # asked once per folder, not per file
    for info in archive.infolist():
        folder, _, name = info.filename.replace("\\", "/").rpartition("/")
        if folder not in hidden:
            parts = folder.split("/") if folder else []
            hidden[folder] = not all(is_visible(part) for part in parts)
        if hidden[folder] or (name and not is_visible(name)):
            continue
        inside = folders[folder]
        if name:  # else the entry is the folder itself
            inside.append(info)
    return dict(folders)


def _find_root(
    path: Path, folders: Folders, endings: Sequence[str], inside: str | None
) -> str:
    """Find the folder of class folders: "" or a path that ends with "/"."""
    classes = defaultdict(set)
    for folder, infos in folders.items():
        parent, slash, name = folder.rpartition("/")
        has_images = any(_ends(info.filename, endings) for info in infos)
        if folder and has_images and not is_unlabeled(name):
            classes[parent + slash].add(name)
    roots = sorted(root for root, names in classes.items() if len(names) > 1)
    if inside is not None:
        wanted = f"{inside.strip('/')}/" if inside.strip("/") else ""
        if wanted in roots:
            return wanted
        raise WorkshopError(
            f"{path}: no class folders in {inside!r}; they are in"
            f" {listed([repr(root) for root in roots]) or 'no folder of it'}."
        )
    if len(roots) == 1:
        return roots[0]
    if roots:
        raise WorkshopError(
            f"{path}: class folders in several places"
            f" ({listed([repr(root) for root in roots])}): unpack it and give one of"
            " them, or Scenes.from_zip(..., inside=...)."
        )
    images = sum(
        _ends(i.filename, endings) for infos in folders.values() for i in infos
    )
    raise WorkshopError(
        f"{path}: {images} images but not at least two folders with images, one per"
        f" class. Expected .../CLASS/IMAGE with the endings {', '.join(endings)}."
    )


def _files(
    infos: list[zipfile.ZipInfo], folder: str, endings: Sequence[str]
) -> tuple[list[ImageFile], list[ImageFile]]:
    """Turn the files of one class into images by their ending, and the others."""
    named = ((i.filename.replace("\\", "/").rpartition("/")[2], i) for i in infos)
    images: list[ImageFile] = []
    others: list[ImageFile] = []
    for name, info in sorted_by_name(folder, named).items():
        file = ImageFile(f"{folder}/{name}", info, (info.file_size, info.CRC))
        (images if _ends(name, endings) else others).append(file)
    return images, others


def _ends(name: str, endings: Sequence[str]) -> bool:
    return name.lower().endswith(tuple(endings))
