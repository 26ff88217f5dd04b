"""Is there room on the disk? Asked before the work starts, not after an hour of it."""

__all__ = ["free_space", "human_size", "need_space"]

import shutil
from pathlib import Path

from workshop_lib.errors import WorkshopError

RESERVE = 200_000_000  # bytes of the disk that are left free for everything else


def need_space(folder: Path | str, size: int, what: str) -> None:
    """Refuse what the disk has no room for.

    Args:
        folder: where it would be written; it need not exist yet.
        size: bytes that will be written.
        what: the beginning of the message.

    Raises:
        WorkshopError: fewer bytes than that, and some to spare, are free.
    """
    free = free_space(folder)
    if free < size + RESERVE:
        raise WorkshopError(
            f"{what} needs {human_size(size)} on the disk of {folder}, and"
            f" {human_size(free)} are free: free some space, or choose a folder on"
            " another disk (--root)."
        )


def free_space(folder: Path | str) -> int:
    """Count the free bytes on the disk where a folder is, or would be made."""
    there = Path(folder).absolute()
    while not there.exists():
        there = there.parent
    return shutil.disk_usage(there).free


def human_size(size: float) -> str:
    """Write bytes as people do.

    Example:
        >>> human_size(94_280_567)
        '94.3 MB'
    """
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} bytes" if unit == "bytes" else f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"
