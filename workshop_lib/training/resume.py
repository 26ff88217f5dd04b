"""Resuming a training that was stopped or killed."""

__all__ = ["RunState", "kept", "resume"]

import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.files import read_json
from workshop_lib.ranks import rank
from workshop_lib.training.checkpoint import LAST, PREVIOUS, load_checkpoint
from workshop_lib.training.distributed import rank_zero_first, wait_for_all
from workshop_lib.training.log import Row
from workshop_lib.training.trainer import Trainer

CHOICES = ("last", "previous")
_FRESH = "start anew with resume=False (--fresh), or choose another folder"


@dataclass
class RunState:
    """What a resumed run must remember besides the trainer's state."""

    identity: dict[str, str]  # config, images, split: whose checkpoint it is
    rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0
    best: float = -math.inf  # validation metric of the weights in best.pt


def resume(
    folder: Path, trainer: Trainer, checkpoint: str = "last", verbose: bool = False
) -> RunState:
    """Load a checkpoint of a run, if there is one, into a new trainer.

    Args:
        folder: of a run that has begun: it holds config.json and identity.json.
        checkpoint: "last"; or "previous", the one before, if the last is damaged. It
            becomes the last one, and the damaged file is removed. It is also taken,
            unasked, where a kill has left no last one.

    Raises:
        WorkshopError: damaged, or of another run; says why and how to go on.
    """
    if checkpoint not in CHOICES:
        raise unknown_name("checkpoint", checkpoint, CHOICES)
    config = (folder / "config.json").read_text(encoding="utf-8")
    identity = {"config": config, **read_json(folder / "identity.json")}
    last, previous = folder / LAST, folder / PREVIOUS
    if checkpoint == "previous" and not previous.exists():
        raise WorkshopError(
            f"no {previous}: a run has one from its second checkpoint on. Go on from"
            f" the last one (checkpoint='last'), or {_FRESH}."
        )
    use_previous = previous.exists() and (checkpoint != "last" or not last.exists())
    path = previous if use_previous else last
    if not path.exists():
        return RunState(identity)
    state = _load(path, trainer, identity)
    wait_for_all()  # all have read it before it gets another name
    if use_previous:
        with rank_zero_first():
            if rank() == 0:
                os.replace(previous, last)
    if verbose:
        print(
            f"resuming from step {trainer.steps_done} of {trainer.config.optim.steps}"
            f" in {folder}"
        )
    return RunState(identity, state["rows"], state["seconds"], state["best"])


def kept(folder: Path) -> str:
    """Say which checkpoint a run that went wrong still has, and how to go on."""
    path = folder / LAST
    if not path.exists():
        return f"No checkpoint had been written. With the change, {_FRESH}."
    try:
        step = int(load_checkpoint(path, needs=("step",))["step"])
    except WorkshopError as error:
        return f"{error} Then {_FRESH}."
    return (
        f"{path} of step {step}, from before, is kept; the same config would come to"
        f" the same end from there. With the change, {_FRESH}."
    )


def _load(path: Path, trainer: Trainer, identity: dict[str, str]) -> dict[str, Any]:
    needs = ("model", "optimizer", "rows", "step", "identity")
    try:
        state = load_checkpoint(path, needs)
        _check_identity(path, state["identity"], identity)
    except WorkshopError as error:
        if path.name == LAST and path.with_name(PREVIOUS).exists():
            raise WorkshopError(
                f"{error} The checkpoint before it is there:"
                " checkpoint='previous' (--checkpoint previous) goes on from it."
            ) from error
        raise
    try:
        trainer.load_state_dict(state)
    except (KeyError, RuntimeError, ValueError, TypeError) as error:
        raise WorkshopError(
            f"{path} does not fit this config: {str(error).splitlines()[0]}. To go on,"
            f" {_FRESH}."
        ) from error
    return state


def _check_identity(path: Path, found: object, wanted: dict[str, str]) -> None:
    """Refuse a checkpoint that was copied here from another run."""
    theirs = found if isinstance(found, dict) else {}
    other = [name for name, value in wanted.items() if theirs.get(name) != value]
    if other:
        raise WorkshopError(
            f"{path} belongs to another run: its {' and '.join(other)} differ(s) from"
            " what this folder is about. Put this run's own file back."
        )
