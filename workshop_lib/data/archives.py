"""Safe unpacking of zip and tar archives from the internet: all of it, or nothing.

An archive may name files outside the folder it is unpacked to, hold links that lead
there, or unpack a few kilobytes to a full disk. So every name, kind and size is checked
before it is written, and the folder gets its name when everything is in it.
"""

__all__ = ["check_name", "unpack"]

import gzip
import re
import shutil
import stat
import tarfile
import uuid
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from tqdm import tqdm

from workshop_lib.errors import WorkshopError
from workshop_lib.files import human_size

# Images hardly shrink: what unpacks to a hundred times its size is no data set.
_RATIO = 100
_SMALL = 10_000_000  # bytes that may always be unpacked: short texts do shrink


class _Member(NamedTuple):
    """One file or folder of an archive, as its list of contents declares it."""

    name: str
    size: int  # bytes; zipfile and tarfile write no more than that
    is_folder: bool
    is_file: bool
    extract: Callable[[Path], object]  # to a folder


def unpack(archive: Path | str, folder: Path | str) -> None:
    """Unpack .zip, .whl, .tar, .tar.gz or .tar.zst into a new folder.

    Args:
        archive: the file; its ending decides how it is read.
        folder: must not exist yet; it appears when everything is unpacked.

    Raises:
        WorkshopError: names that lead out of the folder, links, devices, a file that
            occurs twice, more bytes than a hundred times the archive's, a damaged
            archive, a full disk. Nothing is kept of what was unpacked.
    """
    archive, folder = Path(archive), Path(folder)
    if folder.exists():
        raise WorkshopError(f"{folder} exists: remove it to unpack {archive} again.")
    limit = max(_SMALL, _RATIO * archive.stat().st_size)
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.unpacking")
    temporary.mkdir(parents=True)
    try:
        with tqdm(desc="unpacking", unit="B", unit_scale=True, disable=None) as bar:
            total = 0
            for member in _members(archive):
                total += member.size
                if total > limit:
                    raise WorkshopError(
                        f"{archive} unpacks to more than {human_size(limit)}, which no"
                        " known data set does. Nothing was kept."
                    )
                _check(member, temporary)
                member.extract(temporary)
                bar.update(member.size)
        temporary.rename(folder)
    except WorkshopError:
        raise
    except Exception as error:  # damage shows as errors of many kinds, in any library
        raise WorkshopError(
            f"cannot unpack {archive}: {error or type(error).__name__}. If the archive"
            " is damaged, remove it and get it again; if the disk is full, free some"
            " space. Nothing of it was kept."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # renamed if all went well


def _check(member: _Member, folder: Path) -> None:
    """Refuse a member that leads out, is a link or a device, or exists already."""
    target = folder / check_name(member.name)
    if not member.is_folder and not member.is_file:
        raise WorkshopError(
            f"the archive holds {member.name!r}, which is a link or a device, not a"
            " file: data sets have none. Nothing was kept."
        )
    # Also a name that differs only in case, where the disk ignores case
    if target.exists() and not member.is_folder:
        raise FileExistsError(f"{member.name!r} exists already")


def check_name(name: str) -> PurePosixPath:
    """Turn the name of an archive's member into a relative path that stays inside.

    Raises:
        WorkshopError: an absolute name, a drive, `..`, a backslash, or a character
            that no file name has.

    Example:
        >>> str(check_name("./Images/harbor/harbor00.tif"))
        'Images/harbor/harbor00.tif'
    """
    path = PurePosixPath(name)
    odd = re.search(r"^[A-Za-z]:|[\\\x00-\x1f\x7f\ud800-\udfff]", name)
    if path.is_absolute() or ".." in path.parts or odd:
        raise WorkshopError(
            f"the archive holds the name {name!r}, which leads out of its folder or is"
            " no file name: it is damaged, or made to do harm. Nothing was kept."
        )
    return path


def _members(archive: Path) -> Iterator[_Member]:
    """List what an archive holds, by its ending."""
    name = archive.name.lower()
    if name.endswith((".zip", ".whl")):  # a Python wheel is a zip
        return _zip_members(archive)
    if name.endswith((".tar", ".tar.gz", ".tgz", ".tar.zst")):
        return _tar_members(archive)
    raise WorkshopError(
        f"{archive}: known archives end in .zip, .tar, .tar.gz, .tgz or .tar.zst."
    )


def _zip_members(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)  # 0 if packed on Windows
            is_file = kind in (0, stat.S_IFREG)
            extract, name = partial(file.extract, info), info.filename
            yield _Member(name, info.file_size, info.is_dir(), is_file, extract)


def _tar_members(archive: Path) -> Iterator[_Member]:
    """Read as a stream: hundreds of gigabytes are read once, from begin to end."""
    with archive.open("rb") as raw:
        stream = _decompressed(raw, archive.name.lower())
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for info in tar:
                extract = partial(tar.extract, info, filter="data")
                size = max(0, info.size)
                yield _Member(info.name, size, info.isdir(), info.isreg(), extract)
                # tarfile keeps every member: gigabytes for millions of files
                tar.members.clear()  # type: ignore[attr-defined]
        while stream.read(1 << 20):  # to the end, where gzip's checksum is
            pass


def _decompressed(raw: Any, name: str) -> Any:
    """Return the stream of bytes of a tar file, by its name."""
    if not name.endswith(".zst"):
        return raw if name.endswith(".tar") else gzip.GzipFile(fileobj=raw)
    try:
        import zstandard
    except ImportError:
        raise WorkshopError(
            f"{name} needs zstandard: pip install 'workshop_lib[geo]'."
        ) from None
    unpacker = zstandard.ZstdDecompressor(max_window_size=1 << 31)
    return unpacker.stream_reader(raw, read_across_frames=True)
