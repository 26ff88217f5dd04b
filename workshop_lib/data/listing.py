"""Which files in a folder are images, and of which class; the same on every system.

A folder is a class, the image files directly in it are its images. Names that begin
with a dot, `__MACOSX`, and files that are no images by their ending are left out.
"""

__all__ = ["ENDINGS", "find_images", "list_classes"]

import unicodedata
from collections.abc import Callable
from pathlib import Path

from workshop_lib.errors import WorkshopError

ENDINGS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".gif", ".webp")


def find_images(folder: Path | str) -> list[Path]:
    """List every image file in a folder and in the folders below it, sorted by name.

    Raises:
        WorkshopError: no such folder, or no image in it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise WorkshopError(f"{root} is not a folder: give a folder of images.")
    found = _below(root)
    if not found:
        raise WorkshopError(f"{root}: no images in it ({', '.join(ENDINGS)}).")
    return found


def _below(folder: Path) -> list[Path]:
    found = list(_by_name(folder, _is_image).values())
    for inner in _by_name(folder, _is_class).values():
        found += _below(inner)
    return found


def list_classes(root: Path) -> tuple[dict[str, dict[str, Path]], list[str]]:
    """List class -> image name -> file, sorted, and what is wrong with folders."""
    if not root.is_dir():
        raise WorkshopError(
            f"{root} is not a folder: give the folder that holds one folder of images"
            " per class."
        )
    folders = _by_name(root, _is_class)
    classes = {name: _by_name(folder, _is_image) for name, folder in folders.items()}
    if len(folders) >= 2 and any(classes.values()):
        empty = [name for name, images in classes.items() if not images]
        return classes, [f"{n}/: no images in it ({', '.join(ENDINGS)})" for n in empty]
    if not folders:
        loose = len(_by_name(root, _is_image))
        found = f"{loose} images but no folders" if loose else "no folders with images"
    else:
        found = f"only one class folder ({next(iter(folders))!r})"
        if not any(classes.values()):
            found = "no images in its folders"
    deeper = _find_deeper(root)
    hint = f" Did you mean {deeper}?" if deeper else ""
    raise WorkshopError(
        f"{root}: {found}. Expected at least two folders, one per class, each with"
        f" images ({', '.join(ENDINGS)}).{hint}"
    )


def _find_deeper(root: Path, levels: int = 3) -> Path | None:
    """Find the folder of class folders that archives like to wrap in others."""
    for folder in _by_name(root, _is_class).values():
        inner = _by_name(folder, _is_class).values()
        if any(_by_name(path, _is_image) for path in inner):
            return folder
        if levels > 1 and (found := _find_deeper(folder, levels - 1)):
            return found
    return None


def _is_class(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".") and path.name != "__MACOSX"


def _is_image(path: Path) -> bool:
    name = path.name
    return (
        not name.startswith(".")
        and name.lower().endswith(ENDINGS)
        and not path.is_dir()
    )


def _by_name(folder: Path, accept: Callable[[Path], bool]) -> dict[str, Path]:
    """List what is in a folder by name, sorted; accents written in one way (NFC)."""
    try:
        found = [path for path in folder.iterdir() if accept(path)]
    except OSError as error:
        raise WorkshopError(
            f"cannot look into {folder}: {error.strerror}. Check that you may read it."
        ) from error
    by_name = {unicodedata.normalize("NFC", path.name): path for path in found}
    if len(by_name) < len(found):
        raise WorkshopError(
            f"{folder}: {len(found) - len(by_name)} names differ from another only in"
            " how an accent is stored: rename one of each pair."
        )
    return {name: by_name[name] for name in sorted(by_name)}
