"""The files of a submission as bytes: read into memory, never unpacked or executed."""

__all__ = ["DAMAGED", "FILES", "read_files"]

import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from workshop_lib.course.leaderboard.refusal import RefusedError
from workshop_lib.files import UNREADABLE

FILES = (
    "submission.json",
    "recipe.json",
    "log.csv",
    "predictions.npz",
    "predictions.csv",
)
_PACKED = 16 * 2**20  # bytes; an honest one with 27,000 test images has 1 MB
_UNPACKED = 64 * 2**20  # bytes of all files together: a small zip may hold petabytes
# What reading a made-up or cut-off archive raises
DAMAGED = (*UNREADABLE, zlib.error, NotImplementedError)


def read_files(path: Path) -> dict[str, bytes]:
    """Read what a submission holds, of the names in `FILES`; all else is left alone.

    Args:
        path: a zip archive (its files at the top or in one folder), or a folder.

    Raises:
        RefusedError: neither of the two, a link, a name that points out of the archive,
            too large, encrypted, or damaged.
    """
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            raise RefusedError("unsafe", "it is a link: hand in the file itself.")
        if stat.S_ISDIR(mode):
            return _from_folder(path)
        if not stat.S_ISREG(mode) or path.suffix.lower() != ".zip":
            raise RefusedError(
                "not_a_submission",
                "it is neither a .zip nor a folder: `workshop submit` makes the file"
                " to hand in.",
            )
        return _from_zip(path)
    except RefusedError:
        raise
    except DAMAGED as problem:
        raise RefusedError(
            "unreadable",
            f"it cannot be read ({type(problem).__name__}): it is damaged, or not yet"
            " copied to its end. Hand it in again.",
        ) from problem


def _from_folder(folder: Path) -> dict[str, bytes]:
    found = {}
    for name in FILES:
        path = folder / name
        if path.is_symlink():
            raise RefusedError("unsafe", f"{name} is a link: hand in the file itself.")
        if path.is_file():
            found[name] = path
    _check_size(sum(path.stat().st_size for path in found.values()), _UNPACKED)
    return {name: path.read_bytes() for name, path in found.items()}


def _from_zip(path: Path) -> dict[str, bytes]:
    _check_size(path.stat().st_size, _PACKED)
    with zipfile.ZipFile(path) as archive:
        members: dict[str, zipfile.ZipInfo] = {}
        for info in archive.infolist():
            place = PurePosixPath(info.filename)
            if _points_elsewhere(info.filename):
                raise RefusedError(
                    "unsafe",
                    f"it holds {info.filename}, a name that points out of the archive.",
                )
            # A folder that was zipped whole is one level deeper
            if place.name not in FILES or len(place.parts) > 2:
                continue
            if "__MACOSX" in place.parts:
                continue
            if place.name in members:
                raise RefusedError("twice", f"it holds {place.name} twice.")
            members[place.name] = info
        for info in members.values():
            plain = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
            if info.flag_bits & 1 or not plain:
                raise RefusedError(
                    "unreadable", "it is encrypted, or packed in an unusual way."
                )
        # Not a promise only: zipfile reads no byte beyond the size that is stated
        _check_size(sum(info.file_size for info in members.values()), _UNPACKED)
        return {name: archive.read(info) for name, info in members.items()}


def _points_elsewhere(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return name.startswith("/") or ".." in parts or "\\" in name or ":" in name


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise RefusedError(
            "too_large",
            f"it has {size / 2**20:,.0f} MB, more than {most / 2**20:.0f}: hand in"
            " predictions and recipe, not images or weights.",
        )
