"""The trunk of a network that has learnt to classify, to learn maps with."""

__all__ = ["load_trunk"]

from pathlib import Path

import torch
from torch import nn

from workshop_lib.errors import WorkshopError
from workshop_lib.training.checkpoint import load_checkpoint


@torch.no_grad()
def load_trunk(model: nn.Module, folder: Path | str) -> None:
    """Give an FCN the averaged weights of a classifier's trunk, the best by validation.

    Its heads stay random. What the classifier does not share with it (its last layer,
    groups that no score is read from) is left out.

    Args:
        model: an `FCN`.
        folder: of a run with the ResNet of the same name, on images of the same bands.

    Raises:
        WorkshopError: no run there, or a trunk of another kind.
    """
    path = Path(folder) / "best.pt"
    if not path.exists():
        raise WorkshopError(
            f"start_from={str(folder)!r} holds no trained network (best.pt): give the"
            " folder that `workshop train --model resnet18` printed."
        )
    weights = load_checkpoint(path, needs=("ema",))["ema"]["model"]
    given = {name.removeprefix("trunk."): value for name, value in weights.items()}
    backbone = getattr(model.trunk, "backbone", nn.Identity())
    own = backbone.state_dict()
    odd = [
        name
        for name, value in own.items()
        if name not in given or given[name].shape != value.shape
    ]
    if odd or not own:
        raise WorkshopError(
            f"the network in {folder} has another trunk than this one: {len(odd)} of"
            f" the {len(own)} tensors do not fit. Train a classifier with the same"
            " ResNet on the same bands, without modalities."
        )
    for name, value in own.items():
        value.copy_(given[name])
