"""Checkpoints, whole or not there at all, and how a killed training resumes."""

__all__ = [
    "LAST",
    "PREVIOUS",
    "load_checkpoint",
    "resume_run",
    "save_checkpoint",
    "what_is_kept",
]

import os
import zipfile
from pathlib import Path
from typing import Any

import torch

from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.files import UNREADABLE, write_or_explain
from workshop_lib.ranks import barrier, rank, rank_zero_first
from workshop_lib.training.trainer import Trainer

FORMAT = 1
LAST, PREVIOUS = "last.pt", "previous.pt"  # names in the folder of a run
_FRESH = "start anew with resume=False (--fresh), or choose another folder"


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a dictionary of tensors, numbers and texts in one piece.

    The last checkpoint of a run that is there already is kept as the previous one. The
    new one is complete before a name changes hands. A kill between the two changes
    leaves the previous checkpoint alone, which `resume_run` then takes.

    Args:
        path: the file.
        state: what to write.

    Raises:
        WorkshopError: no space or no permission; an existing file is left as it was.
    """

    def write(temporary: Path) -> None:
        torch.save({"format": FORMAT, **state}, temporary)
        if path.name == LAST and path.exists():
            os.replace(path, path.with_name(PREVIOUS))

    write_or_explain(path, write)


def load_checkpoint(path: Path, needs: tuple[str, ...] = ()) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote; nothing in the file is ever executed.

    Args:
        path: the file.
        needs: keys that must be there.

    Raises:
        WorkshopError: the file is missing, cut off, changed since it was written, or no
            checkpoint of this library.
    """
    try:
        # The file carries checksums, but torch does not compare them: four of five
        # flipped bits would go unseen, as weights that are a little different.
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                raise zipfile.BadZipFile
        state = torch.load(path, map_location="cpu", weights_only=True)
        for key in ("format", *needs):
            state[key]  # a KeyError where this library has not written the file
    except UNREADABLE as error:
        # torch's own words advise to load the file with code in it: not repeated here.
        raise WorkshopError(
            f"{path} cannot be read as a checkpoint ({type(error).__name__}). It is"
            " missing, damaged, or of another program: remove it and train again, or"
            " use another."
        ) from error
    return dict(state)


def resume_run(
    folder: Path, trainer: Trainer, checkpoint: str = "last", verbose: bool = False
) -> None:
    """Load a checkpoint of a run, if there is one, into a new trainer.

    Args:
        folder: of a run that has begun.
        trainer: of the same config, images and split.
        checkpoint: "last"; or "previous", the one before, if the last is damaged. It
            becomes the last one, and the damaged file is removed. It is also taken,
            unasked, where a kill has left no last one.
        verbose: whether to print from which step the training resumes.

    Raises:
        WorkshopError: damaged, or of a network of another shape; says what to do.
    """
    if checkpoint not in ("last", "previous"):
        raise unknown_name("checkpoint", checkpoint, ("last", "previous"))
    last, previous = folder / LAST, folder / PREVIOUS
    if checkpoint == "previous" and not previous.exists():
        raise WorkshopError(
            f"no {previous}: a run has one from its second checkpoint on. Resume from"
            f" the last one (checkpoint='last'), or {_FRESH}."
        )
    path = last if checkpoint == "last" and last.exists() else previous
    if not path.exists():
        return
    try:
        state = load_checkpoint(path, ("model", "optimizer", "rows", "step"))
        trainer.load_state_dict(state)
    except WorkshopError as error:
        if path == previous or not previous.exists():
            raise
        raise WorkshopError(
            f"{error} The checkpoint before it is there: checkpoint='previous'"
            " (--checkpoint previous) resumes from it."
        ) from error
    except (KeyError, RuntimeError, ValueError, TypeError) as error:
        raise WorkshopError(
            f"{path} does not fit this config: {str(error).splitlines()[0]}. To"
            f" continue, {_FRESH}."
        ) from error
    barrier()  # all have read it before it gets another name
    with rank_zero_first():
        if path == previous and rank() == 0:
            os.replace(previous, last)
    if verbose:
        total = trainer.config.optim.steps
        print(f"resuming from step {trainer.steps_done} of {total} in {folder}")


def what_is_kept(folder: Path) -> str:
    """Say which checkpoint a run that diverged still has, and how to continue."""
    path = folder / LAST
    if not path.exists():
        return f"No checkpoint had been written. With the change, {_FRESH}."
    step = load_checkpoint(path, needs=("step",))["step"]
    return (
        f"{path} of step {step}, from before, is kept; the same config would come to"
        f" the same end from there. With the change, {_FRESH}."
    )
