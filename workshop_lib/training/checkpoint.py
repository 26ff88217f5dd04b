"""Files that a killed training goes on from: whole or not there at all."""

__all__ = ["load_checkpoint", "save_checkpoint"]

from pathlib import Path
from typing import Any

import torch

from workshop_lib.errors import WorkshopError
from workshop_lib.files import UNREADABLE, write_or_explain

FORMAT = 1


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a dictionary of tensors, numbers and texts in one piece.

    Raises:
        WorkshopError: no space or no permission; an existing file is left as it was.
    """
    write_or_explain(
        path, lambda temporary: torch.save({"format": FORMAT, **state}, temporary)
    )


def load_checkpoint(path: Path, needs: tuple[str, ...] = ()) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote; nothing in the file is ever executed.

    Args:
        needs: keys that must be there.

    Raises:
        WorkshopError: the file is missing, cut off, or no checkpoint of this library.
    """
    if not path.exists():
        raise WorkshopError(
            f"no checkpoint at {path}: train first, or check the folder."
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        # torch's own words advise to load the file with code in it: not repeated here.
        raise WorkshopError(
            f"{path} cannot be read as a checkpoint ({type(error).__name__}). It is"
            " damaged or was made by another program: delete it and train again, or use"
            " another."
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
