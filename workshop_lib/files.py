"""Atomic writes, disk space, and clear messages where a file cannot be written."""

__all__ = [
    "UNREADABLE",
    "check_output",
    "fill_template",
    "free_space",
    "human_size",
    "read_json",
    "read_npz",
    "reading",
    "remove_unfinished",
    "require_disk_space",
    "write_npz",
    "write_or_explain",
    "write_text",
    "write_whole",
]

import errno
import json
import os
import pickle
import shutil
import uuid
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workshop_lib.errors import WorkshopError

_END = 4096  # bytes at either end in which a file of ours says so
RESERVE = 200_000_000  # bytes of the disk that are left free for everything else

# What torch.load raises for files that are cut off, damaged or no torch files at all.
UNREADABLE = (
    ImportError,  # of what pandas and others load when it is needed
    OSError,
    RuntimeError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    EOFError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)


def check_output(
    path: Path,
    mark: str = "workshop_lib",
    *,
    ends: Sequence[str] = (),
    inputs: Iterable[Path] = (),
    overwrite: bool = False,
) -> None:
    """Refuse to write over a file of the user's; asked before any work is done.

    Args:
        path: what would be written; what an earlier call wrote may be replaced.
        mark: words that our own files have near their beginning or their end.
        ends: endings that its name may have, in small letters; any by default.
        inputs: files that this call reads: never replaced, however they are spelt.
        overwrite: also replace a file without the mark.

    Raises:
        WorkshopError: its name ends otherwise; `path` is an input, or a file that was
            not written here.
    """
    if ends and path.suffix.lower() not in ends:
        raise WorkshopError(f"{path}: its name must end in {' or '.join(ends)}.")
    if path.is_dir():
        raise WorkshopError(f"{path} is a folder: give the name of a file.")
    if not path.is_file():
        return
    if any(one.exists() and path.samefile(one) for one in inputs):
        raise WorkshopError(
            f"{path} is what is read: give the output another name. Nothing is written."
        )
    with path.open("rb") as file:
        both_ends = file.read(_END)
        file.seek(max(0, path.stat().st_size - _END))
        both_ends += file.read()
    if mark.encode() not in both_ends and not overwrite:
        raise WorkshopError(
            f"{path} exists, and this command did not write it: choose another name, or"
            " replace it with overwrite=True (--overwrite)."
        )


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file in one piece: a reader sees the old file or the new one, never half.

    Args:
        path: the file; its folder is made if need be.
        write: writes the content to the temporary path that it is given.

    Raises:
        OSError, RuntimeError: whatever `write` raises (torch.save tells of a full disk
            by a RuntimeError); the temporary file is gone, an old `path` untouched.
    """
    if path.is_dir():  # asked before, or Windows calls it a lack of permission
        raise IsADirectoryError(errno.EISDIR, "that is a folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:100]}.{uuid.uuid4().hex}.tmp")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        # Also after Ctrl-C; after a good end there is nothing left to remove.
        temporary.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Remove what a program that was killed while it wrote has left in a folder."""
    for temporary in folder.glob(".*.tmp"):
        temporary.unlink(missing_ok=True)


def write_or_explain(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file in one piece; a failure is told in the user's words.

    Raises:
        WorkshopError: no space or no permission; an existing file is left as it was.
    """
    try:
        write_whole(path, write)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if getattr(error, "errno", None) == errno.ENOSPC:
            reason = "the disk is full"
        raise WorkshopError(
            f"cannot write {path}: {reason}: free some space, or choose another folder."
            " What was there before is untouched."
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write a text file in one piece, with the same line ends on every system.

    Raises:
        WorkshopError: no space or no permission; an existing file is left as it was.
    """
    content = text.encode("utf-8")
    write_or_explain(path, lambda temporary: temporary.write_bytes(content))


def fill_template(
    template: Path, content: Mapping[str, Any], **filters: Callable[..., Any]
) -> str:
    """Fill in a jinja template; in HTML, text from outside is escaped.

    Args:
        template: the file; what it includes lies beside it.
        content: by the names that the template uses; a misspelt one fails.
        filters: that the template uses, beside those of jinja.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=template.suffix == ".html",
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters
    return environment.get_template(template.name).render(content)


@contextmanager
def reading(path: Path | str, advice: str) -> Iterator[None]:
    """Explain what fails while a file is read: missing, cut off, or something else.

    Args:
        path: the file.
        advice: what to do then; ends the message.

    Raises:
        WorkshopError: in place of whatever a damaged file makes its reader raise.
    """
    try:
        yield
    except WorkshopError:
        raise
    except UNREADABLE as error:
        what = f"{type(error).__name__}: {error}"
        raise WorkshopError(f"cannot read {path} ({what}): {advice}") from error


def read_json(path: Path, like: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Read a JSON file that holds one object.

    Args:
        path: the file.
        like: what it must hold, by field: a type, several types, or a mapping for what
            is within; "*" stands for every field there.

    Raises:
        WorkshopError: it is missing, cut off, or something else; names the field.
    """
    with reading(path, "restore the file, or make it anew."):
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise TypeError("no JSON object")
        _check_fields(found, like or {})
    return found


def _check_fields(found: Any, like: Mapping[str, Any], where: str = "") -> None:
    """Raise a TypeError that names the first field that is missing or odd."""
    for name in found if "*" in like else like:
        wanted, value = like.get("*", like.get(name)), found.get(name, ...)
        kinds = dict if isinstance(wanted, Mapping) else wanted
        if not isinstance(value, kinds):
            what = "is missing" if value is ... else f"is {value!r}"
            raise TypeError(f"its field {where + name!r} {what}")
        if isinstance(wanted, Mapping):
            _check_fields(value, wanted, f"{where}{name}.")


def write_npz(path: Path, **arrays: Any) -> None:
    """Write arrays to one compressed `.npz` file, which `numpy.load` can open too.

    Raises:
        WorkshopError: no space or no permission; an existing file is left as it was.
    """
    import numpy as np  # not needed by most of those who import this module

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:  # by name, numpy would add an ending
            np.savez_compressed(file, **arrays)

    write_or_explain(path, write)


def read_npz(path: Path | str, names: Sequence[str], advice: str) -> list[Any]:
    """Read arrays that `write_npz` wrote; nothing in the file is ever executed.

    Args:
        path: the file.
        names: of the arrays wanted.
        advice: what to do if they cannot be read; ends the message.

    Raises:
        WorkshopError: it is missing, cut off, or something else.
    """
    import numpy as np

    with reading(path, advice), np.load(path, allow_pickle=False) as file:
        found = [file[name] for name in names]
    return found


def require_disk_space(folder: Path | str, size: int, what: str) -> None:
    """Refuse to start what the disk has no room for, rather than fail an hour later.

    Args:
        folder: where it would be written; it need not exist yet.
        size: bytes that will be written.
        what: the beginning of the message.

    Raises:
        WorkshopError: fewer bytes than that, plus `RESERVE`, are free.
    """
    free = free_space(folder)
    if free < size + RESERVE:
        raise WorkshopError(
            f"{what} needs {human_size(size)} on the disk of {folder}, and"
            f" {human_size(free)} are free: free some space, or choose a folder on"
            " another disk (--root)."
        )


def free_space(folder: Path | str) -> int:
    """Count the free bytes on the disk of a folder, which need not exist yet."""
    there = Path(folder).absolute()
    while not there.exists():
        there = there.parent
    return shutil.disk_usage(there).free


def human_size(size: float) -> str:
    """Format a number of bytes for people.

    Example:
        >>> human_size(94_280_567)
        '94.3 MB'
    """
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} bytes" if unit == "bytes" else f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"
