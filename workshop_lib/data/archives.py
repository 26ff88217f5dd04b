"""Safe unpacking of zip and tar archives from the internet: all of it, or nothing.

An archive may name files outside the folder it is unpacked to, hold links that lead
there, or unpack a few kilobytes to a full disk. So every name, kind and size is checked
before it is written, and the folder gets its name when everything is in it.
"""

__all__ = ["check_name", "unpack"]

import gzip
import lzma
import re
import shutil
import stat
import struct
import tarfile
import uuid
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from workshop_lib.errors import WorkshopError
from workshop_lib.files import RESERVE, free_space, human_size

# Images hardly shrink: what unpacks to a hundred times its size is no data set.
_RATIO = 100
_SMALL = 10_000_000  # bytes that may always be unpacked: short texts do shrink

_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,  # also the refusals of filter="data"
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,  # also of gzip: a wrong checksum at the end
    RuntimeError,  # an encrypted zip, or a compression that zipfile does not know
    UnicodeDecodeError,
    struct.error,
)


def unpack(archive: Path | str, folder: Path | str, limit: int = 0) -> None:
    """Unpack .zip, .whl, .tar, .tar.gz or .tar.zst into a new folder.

    Args:
        archive: the file; its ending decides how it is read.
        folder: must not exist yet; it appears when everything is unpacked.
        limit: bytes it may unpack to; 0 allows a hundred times the archive's size.

    Raises:
        WorkshopError: names that lead out of the folder, links, devices, a file that
            occurs twice, more bytes than `limit` or than the disk has room for, a
            damaged archive. Nothing is kept of what was unpacked.
    """
    archive, folder = Path(archive), Path(folder)
    if folder.exists():
        raise WorkshopError(f"{folder} exists: remove it to unpack {archive} again.")
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.unpacking")
    temporary.mkdir(parents=True)
    try:
        _unpack_members(archive, temporary, _Guard(archive, temporary, limit))
        temporary.rename(folder)
    except _DAMAGED as error:
        raise WorkshopError(
            f"cannot unpack {archive}: {error or type(error).__name__}. If the archive"
            " is damaged, remove it and get it again; if the disk is full, free some"
            " space. Nothing of it was kept."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # renamed if all went well


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
    if (
        path.is_absolute()
        or ".." in path.parts
        or re.match(r"[A-Za-z]:", name)
        or re.search(r"[\\\x00-\x1f\x7f\ud800-\udfff]", name)
    ):
        raise WorkshopError(
            f"the archive holds the name {name!r}, which leads out of its folder or is"
            " no file name: it is damaged, or made to do harm. Nothing was kept."
        )
    return path


class _Guard:
    """Refuse a member of an archive before it is written."""

    def __init__(self, archive: Path, folder: Path, limit: int) -> None:
        packed = archive.stat().st_size
        self.what = f"{archive} ({human_size(packed)})"
        self.folder, self.size = folder, 0
        self.limit = limit or max(_SMALL, _RATIO * packed)
        self.room = max(0, free_space(folder) - RESERVE)
        self.bar: Any = tqdm(desc="unpacking", unit="B", unit_scale=True, disable=None)

    def check(self, name: str, size: int, is_folder: bool, is_file: bool) -> None:
        """Check name, kind and size; zipfile and tarfile write no more than declared.

        Raises:
            WorkshopError, FileExistsError: it must not be written.
        """
        target = self.folder / check_name(name)
        if not is_folder and not is_file:
            raise WorkshopError(
                f"the archive holds {name!r}, which is a link or a device, not a file:"
                " data sets have none. Nothing was kept."
            )
        # Also a name that differs only in case, where the disk does not care
        if target.exists() and not is_folder:
            raise FileExistsError(f"{name!r} exists already")
        self.bar.update(size)
        self.size += size
        if self.size > self.limit:
            raise WorkshopError(
                f"{self.what} unpacks to more than {human_size(self.limit)}, which no"
                " known data set does. Nothing was kept."
            )
        if self.size > self.room:
            raise WorkshopError(
                f"{self.what} unpacks to more than {human_size(self.room)}, and the"
                " disk has no more room: free some space, or choose another disk"
                " (--root)."
            )


def _unpack_members(archive: Path, folder: Path, guard: _Guard) -> None:
    """Unpack by the archive's ending, each member after a look at it."""
    name = archive.name.lower()
    with guard.bar:
        if name.endswith((".zip", ".whl")):  # a Python wheel is a zip
            _unpack_zip(archive, folder, guard)
        elif name.endswith((".tar", ".tar.gz", ".tgz", ".tar.zst")):
            _unpack_tar(archive, folder, guard)
        else:
            raise WorkshopError(
                f"{archive}: known archives end in .zip, .tar, .tar.gz, .tgz or"
                " .tar.zst."
            )


def _unpack_zip(archive: Path, folder: Path, guard: _Guard) -> None:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)  # 0 if packed on Windows
            is_file = kind in (0, stat.S_IFREG)
            guard.check(info.filename, info.file_size, info.is_dir(), is_file)
            file.extract(info, folder)


def _unpack_tar(archive: Path, folder: Path, guard: _Guard) -> None:
    """Unpack as a stream: hundreds of gigabytes are read once, from begin to end."""
    if not hasattr(tarfile, "data_filter"):
        raise WorkshopError(
            "this Python cannot unpack tar archives safely: update it to at least"
            " 3.10.12, 3.11.4 or 3.12."
        )
    with _tar_stream(archive) as stream:
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for info in tar:
                guard.check(info.name, max(0, info.size), info.isdir(), info.isreg())
                tar.extract(info, folder, filter="data")
                # tarfile keeps every member: gigabytes for millions of files
                tar.members.clear()  # type: ignore[attr-defined]
        while stream.read(1 << 20):  # to the end, where gzip's checksum is
            pass


@contextmanager
def _tar_stream(archive: Path) -> Iterator[Any]:
    """Open a tar file, decompressed, as a stream of bytes."""
    if not archive.name.lower().endswith(".zst"):
        with archive.open("rb") as raw:
            gz = not archive.name.lower().endswith(".tar")
            yield gzip.GzipFile(fileobj=raw) if gz else raw
        return
    try:
        import zstandard
    except ImportError:
        raise WorkshopError(
            f"{archive.name} needs the package zstandard: pip install"
            " 'workshop_lib[geo]'."
        ) from None
    unpacker = zstandard.ZstdDecompressor(max_window_size=1 << 31)
    try:
        with archive.open("rb") as raw:
            yield unpacker.stream_reader(raw, read_across_frames=True)
    except zstandard.ZstdError as error:
        raise OSError(str(error)) from error
