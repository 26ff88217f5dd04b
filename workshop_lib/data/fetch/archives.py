"""Unpack zip and tar archives from strangers: all of it, or nothing.

An archive may name files outside the folder it is unpacked to, hold links that lead
there, or unpack a few kilobytes to a full disk. So names are looked at before anything
is written, only plain files and folders are made, every byte is counted, and the
result gets its name when all of it is there.
"""

__all__ = ["check_name", "unpack"]

import contextlib
import gzip
import io
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
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

from tqdm import tqdm

from workshop_lib.data.fetch.space import RESERVE, free_space, human_size
from workshop_lib.errors import WorkshopError

_CHUNK = 1 << 20
# Images hardly shrink; what unpacks to a hundred times its size is no data set.
_RATIO = 100
_SMALL = 10_000_000  # bytes that may always be unpacked: short texts do shrink

_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,  # also of gzip: a wrong checksum at the end
    RuntimeError,  # an encrypted zip
    NotImplementedError,  # a way of packing that zipfile does not know
    UnicodeDecodeError,
    struct.error,
)


class _Member(NamedTuple):
    name: str
    size: int  # bytes, as the archive says
    content: IO[bytes] | None  # None: a folder


def unpack(archive: Path | str, folder: Path | str, most: int = 0) -> None:
    """Unpack .zip, .whl, .tar, .tar.gz or .tar.zst into a new folder.

    Args:
        archive: the file; its ending tells what it is.
        folder: must not exist yet; it appears when everything is unpacked.
        most: bytes that it may unpack to; 0 allows a hundred times the archive's size.

    Raises:
        WorkshopError: names that lead out of the folder, links, devices, a file that
            occurs twice, more bytes than `most` or than the disk has room for, a
            damaged archive. Nothing is left of what was unpacked.
    """
    archive, folder = Path(archive), Path(folder)
    if folder.exists():
        raise WorkshopError(f"{folder} exists: remove it to unpack {archive} anew.")
    most = most or max(_SMALL, _RATIO * archive.stat().st_size)
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.unpacking")
    temporary.mkdir(parents=True)
    try:
        _unpack_members(archive, temporary, most)
        temporary.rename(folder)
    except _DAMAGED as error:
        raise WorkshopError(
            f"cannot unpack {archive}: {error or type(error).__name__}. If the archive"
            " is damaged, remove it and get it again; if the disk is full, free some"
            " space. Nothing was kept of it."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # after success it is gone


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
            " no name of a file: it is damaged, or made to do harm. Nothing was kept."
        )
    return path


def _unpack_members(archive: Path, folder: Path, most: int) -> None:
    said, written = 0, 0
    room = min(most, free_space(folder) - RESERVE)
    bar: Any = tqdm(desc="unpacking", unit="B", unit_scale=True, disable=None)
    with bar, _opened(archive) as members:
        for member in members:
            target = folder / check_name(member.name)
            said += member.size
            _check_room(archive, said, most, room)
            if member.content is None:
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            # "x": a name that occurs twice, or only differs in case where the disk
            # does not care, is an error, not a silent overwriting.
            with member.content as source, target.open("xb") as file:
                while chunk := source.read(_CHUNK):
                    written += len(chunk)
                    _check_room(archive, written, most, room)
                    file.write(chunk)
                    bar.update(len(chunk))


def _check_room(archive: Path, size: int, most: int, room: int) -> None:
    if size > most:
        raise WorkshopError(
            f"{archive} ({human_size(archive.stat().st_size)}) unpacks to more than"
            f" {human_size(most)}: that is no data set that we know. Nothing was kept."
        )
    if size > room:
        raise WorkshopError(
            f"{archive} unpacks to more than {human_size(max(0, room))}, and the disk"
            " has no more room: free some space, or choose another disk (--root)."
        )


@contextlib.contextmanager
def _opened(archive: Path) -> Iterator[Iterator[_Member]]:
    """Open an archive by its ending, and list its members one after the other."""
    if archive.name.lower().endswith((".zip", ".whl")):  # a Python wheel is a zip
        with zipfile.ZipFile(archive) as file:
            yield _zip_members(file)
        return
    with _tar_stream(archive) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        yield _tar_members(tar, stream)


def _tar_stream(archive: Path) -> Any:
    name = archive.name.lower()
    if name.endswith((".tar.gz", ".tgz")):
        return gzip.open(archive)
    if name.endswith(".tar.zst"):
        return _open_zst(archive)
    if name.endswith(".tar"):
        return archive.open("rb")
    raise WorkshopError(
        f"{archive}: known archives end in .zip, .tar, .tar.gz, .tgz or .tar.zst."
    )


def _zip_members(file: zipfile.ZipFile) -> Iterator[_Member]:
    members = file.infolist()
    for member in members:  # all of them before the first is written
        check_name(member.filename)
        kind = stat.S_IFMT(member.external_attr >> 16)  # 0 where made on Windows
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _not_plain(member.filename)
    # What the list of contents says, before anything is written.
    yield _Member(".", sum(member.file_size for member in members), None)
    for member in members:
        content = None if member.is_dir() else file.open(member)
        yield _Member(member.filename, 0, content)


def _tar_members(tar: tarfile.TarFile, stream: IO[bytes]) -> Iterator[_Member]:
    for member in tar:
        if member.isdir():
            yield _Member(member.name, 0, None)
        elif member.isreg():
            yield _Member(member.name, member.size, tar.extractfile(member))
        else:
            raise _not_plain(member.name)
    while stream.read(_CHUNK):  # to the end, where the checksum is
        pass


def _not_plain(name: str) -> WorkshopError:
    return WorkshopError(
        f"the archive holds {name!r}, which is a link or a device, not a file: data"
        " sets have none. Nothing was kept."
    )


def _open_zst(archive: Path) -> Any:
    try:
        import zstandard
    except ImportError:
        raise WorkshopError(
            f"{archive.name} needs the package zstandard: pip install"
            " 'workshop_lib[geo]'."
        ) from None

    class Stream(io.RawIOBase):
        """The unpacked bytes, with errors that this module knows."""

        def __init__(self) -> None:
            unpacker = zstandard.ZstdDecompressor(max_window_size=1 << 31)
            self.source = archive.open("rb")
            self.reader = unpacker.stream_reader(self.source, read_across_frames=True)

        def read(self, size: int = -1) -> bytes:
            try:
                return bytes(self.reader.read(size))
            except zstandard.ZstdError as error:
                raise OSError(str(error)) from error

        def close(self) -> None:
            self.source.close()
            super().close()

    return Stream()
