"""Safe unpacking of zip and tar archives from the internet: all of it, or nothing.

An archive may name files outside the folder it is unpacked to, hold links that lead
there, or unpack a few kilobytes to a full disk. So every name and size is checked
before it is written, links and devices are left to the filters of the standard library,
and the folder gets its name when everything is in it.
"""

__all__ = ["check_name", "unpack"]

import gzip
import re
import shutil
import tarfile
import uuid
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from workshop_lib.errors import WorkshopError
from workshop_lib.files import human_size

# Images hardly shrink: what unpacks to a hundred times its size is no data set.
_RATIO = 100
_SMALL = 10_000_000  # bytes that may always be unpacked: short texts do shrink


# A file or folder of an archive: its name, its bytes, and what writes it to a folder;
# zipfile and tarfile write no more bytes than an archive declares
Member = tuple[str, int, Callable[[Path], object]]


def unpack(archive: Path | str, folder: Path | str) -> None:
    """Unpack .zip, .whl, .tar, .tar.gz or .tar.zst into a new folder.

    Args:
        archive: the file; its ending decides how it is read.
        folder: must not exist yet; it appears when everything is unpacked.

    Raises:
        WorkshopError: names or links that lead out of the folder, devices, more than a
            hundred times the archive's bytes, a damaged archive, a full disk. Nothing
            is kept of what was unpacked.
    """
    archive, folder = Path(archive), Path(folder)
    if folder.exists():
        raise WorkshopError(f"{folder} exists: remove it to unpack {archive} again.")
    limit = max(_SMALL, _RATIO * archive.stat().st_size)
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.unpacking")
    temporary.mkdir(parents=True)
    is_zip = archive.suffix.lower() in (".zip", ".whl")  # a Python wheel is a zip
    members = _zip_members if is_zip else _tar_members
    try:
        with tqdm(desc="unpacking", unit="B", unit_scale=True, disable=None) as bar:
            total = 0
            for name, size, extract in members(archive):
                check_name(name)
                total += size
                if total > limit:
                    raise WorkshopError(
                        f"{archive} unpacks to more than {human_size(limit)}, which no"
                        " known data set does. Nothing was kept."
                    )
                extract(temporary)
                bar.update(size)
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


def _zip_members(archive: Path) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():  # links become plain files
            yield info.filename, info.file_size, partial(file.extract, info)


def _tar_members(archive: Path) -> Iterator[Member]:
    """Read as a stream: hundreds of gigabytes are read once, from begin to end."""
    with archive.open("rb") as raw:
        stream = _decompressed(raw, archive.name.lower())
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for info in tar:
                # The filter refuses devices, and links that lead out
                extract = partial(tar.extract, info, filter="data")
                yield info.name, max(0, info.size), extract
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
