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
_LEVELS = 4  # of folders that are looked into for class folders

# Every visible folder inside a root, and the visible files directly in it
Tree = Mapping[PurePosixPath, list[ImageEntry]]


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
    tree = _walk(root, _LEVELS)
    classes = _class_folders(str(root), tree, PurePosixPath())
    index = index_classes(str(root.resolve()), classes, endings)
    names = index.class_names
    if len(names) > 1 and set(index.labels) - {UNKNOWN}:
        return index
    found = "no images in its folders"
    if not names:
        loose = sum(is_image(file.name, endings) for file in tree[PurePosixPath()])
        found = f"{loose} images but no folders" if loose else "no folders with images"
    elif set(index.labels) - {UNKNOWN}:
        found = f"only one class folder ({names[0]!r})"
    deeper = _class_roots(tree, endings)
    hint = f" Did you mean {root / deeper[0]}?" if deeper else ""
    raise WorkshopError(
        f"{root}: {found}. Expected at least two folders, one per class, each with"
        f" images ({', '.join(endings)}).{hint}"
    )


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
    tree: dict[PurePosixPath, list[ImageEntry]] = defaultdict(list)
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

    root = _choose_root(str(path), tree, endings, inside)
    classes = _class_folders(str(path), tree, root)
    return index_classes(str(Path(path).resolve()), classes, endings, read)


def find_images(folder: Path | str) -> list[Path]:
    """List every image file in a folder and in the folders below it, sorted by name.

    Raises:
        WorkshopError: no such folder, or no image in it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise WorkshopError(f"{root} is not a folder: give a folder of images.")
    tree = _walk(root, levels=100)
    files = (sorted(tree[inside]) for inside in sorted(tree))
    found = [Path(f.place) for some in files for f in some if is_image(f.name, ENDINGS)]
    if not found:
        raise WorkshopError(f"{root}: no images in it ({', '.join(ENDINGS)}).")
    return found


def _walk(root: Path, levels: int) -> Tree:
    """List the visible files of a folder, and those of the folders below it."""

    def refuse(error: OSError) -> None:
        raise WorkshopError(
            f"cannot look into {error.filename}: {error.strerror}. Check that you may"
            " read it."
        ) from error

    tree = {}
    for path, folders, files in os.walk(root, onerror=refuse, followlinks=True):
        inside = PurePosixPath(Path(path).relative_to(root).as_posix())
        deep = len(inside.parts) >= levels
        folders[:] = [] if deep else [name for name in folders if is_visible(name)]
        places = [os.path.join(path, name) for name in files if is_visible(name)]
        tree[inside] = [
            ImageEntry(os.path.basename(place), place, file_state(place))
            for place in places
        ]
    return tree


def _class_folders(where: str, tree: Tree, root: PurePosixPath) -> dict[str, Files]:
    named = (
        (folder.name, folder) for folder in tree if folder.parent == root != folder
    )
    return {
        name: sorted_by_name(name, ((file.name, file) for file in tree[folder]))
        for name, folder in sorted_by_name(where, named).items()
    }


def _class_roots(tree: Tree, endings: Sequence[str]) -> list[PurePosixPath]:
    """Find the folders that hold at least two class folders with images."""
    parents = Counter(
        folder.parent
        for folder, files in tree.items()
        if any(is_image(file.name, endings) for file in files)
        and folder.name
        and not is_unlabeled(folder.name)
    )
    return sorted(root for root, count in parents.items() if count > 1)


def _choose_root(
    path: str, tree: Tree, endings: Sequence[str], inside: str | None
) -> PurePosixPath:
    """Find the folder of an archive that holds the class folders."""
    roots = _class_roots(tree, endings)
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
    count = sum(is_image(file.name, endings) for some in tree.values() for file in some)
    raise WorkshopError(
        f"{path}: {count} images but not at least two folders with images, one per"
        f" class. Expected .../CLASS/IMAGE with the endings {', '.join(endings)}."
    )
