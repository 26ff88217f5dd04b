"""Files that a killed training goes on from: whole or not there at all."""

__all__ = [
    "LAST",
    "PREVIOUS",
    "load_checkpoint",
    "save_checkpoint",
    "save_last",
]

import os
import zipfile
from pathlib import Path
from typing import Any

import torch

from workshop_lib.errors import WorkshopError
from workshop_lib.files import UNREADABLE, write_or_explain

FORMAT = 1
LAST, PREVIOUS = "last.pt", "previous.pt"  # names in the folder of a run


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a dictionary of tensors, numbers and texts in one piece.

    Raises:
        WorkshopError: no space or no permission; an existing file is left as it was.
    """
    write_or_explain(path, lambda temporary: _write(temporary, state))


def save_last(folder: Path, state: dict[str, Any]) -> None:
    """Write the last checkpoint of a run, and keep the one before as the previous.

    The new one is complete before a name changes hands. A kill between the two changes
    leaves no last checkpoint but the previous one, which `resume` then takes.

    Raises:
        WorkshopError: no space or no permission; both files are left as they were.
    """
    last = folder / LAST

    def write(temporary: Path) -> None:
        _write(temporary, state)
        if last.exists():
            os.replace(last, folder / PREVIOUS)

    write_or_explain(last, write)


def load_checkpoint(path: Path, needs: tuple[str, ...] = ()) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote; nothing in the file is ever executed.

    Args:
        needs: keys that must be there.

    Raises:
        WorkshopError: the file is missing, cut off, changed since it was written, or no
            checkpoint of this library.
    """
    if not path.exists():
        raise WorkshopError(
            f"no checkpoint at {path}: train first, or check the folder."
        )
    try:
        # The file carries checksums, but torch does not compare them: four of five
        # flipped bits would go unseen, as weights that are a little different.
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"wrong checksum of {damaged}")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        # torch's own words advise to load the file with code in it: not repeated here.
        checksum = isinstance(error, zipfile.BadZipFile) and "checksum" in str(error)
        reason = str(error) if checksum else type(error).__name__
        raise WorkshopError(
            f"{path} cannot be read as a checkpoint ({reason}). It is damaged or was"
            " made by another program: delete it and train again, or use another."
        ) from error
    missing = [
        k for k in ("format", *needs) if not isinstance(state, dict) or k not in state
    ]
    if missing:
        raise WorkshopError(
            f"{path} is not a checkpoint of this library: it lacks"
            f" {', '.join(missing)}."
        )
    return dict(state)


def _write(path: Path, state: dict[str, Any]) -> None:
    torch.save({"format": FORMAT, **state}, path)
