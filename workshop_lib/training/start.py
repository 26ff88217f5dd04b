"""The trunk of a network that has learnt to classify, to learn maps with."""

__all__ = ["load_trunk"]

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import get_model_weights

from workshop_lib.errors import WorkshopError
from workshop_lib.training.checkpoint import load_checkpoint

IMAGENET = "imagenet"


@torch.no_grad()
def load_trunk(model: nn.Module, start_from: str, resnet: str) -> None:
    """Give an FCN the weights of a classifier's trunk; its heads stay random.

    What the classifier does not share with it (its last layer, groups that no score is
    read from) is left out. ImageNet's first convolution knows three colours; bands
    that it does not know get the mean of the three, and all together the same sum, so
    that what follows sees values as large as those it was trained with.

    Args:
        model: an `FCN`.
        start_from: folder of a run with the same ResNet on images of the same bands,
            whose averaged weights, the best by validation, are taken; or "imagenet",
            torchvision's weights, downloaded on first use.
        resnet: name of the trunk, "resnet18".

    Raises:
        WorkshopError: no run there, a trunk of another kind, or no network to download
            ImageNet's weights from.
    """
    backbone = getattr(model.trunk, "backbone", nn.Identity())
    own = backbone.state_dict()
    if start_from == IMAGENET:
        given = _imagenet(resnet, own["conv1.weight"].shape[1] if own else 3)
    else:
        given = _of_run(Path(start_from))
    odd = [
        name
        for name, value in own.items()
        if name not in given or given[name].shape != value.shape
    ]
    if odd or not own:
        raise WorkshopError(
            f"the network in {start_from} has another trunk than this one: {len(odd)}"
            f" of the {len(own)} tensors do not fit. Train a classifier with the same"
            " ResNet on the same bands, without modalities."
        )
    for name, value in own.items():
        value.copy_(given[name])


def _of_run(folder: Path) -> Mapping[str, Tensor]:
    path = folder / "best.pt"
    if not path.exists():
        raise WorkshopError(
            f"start_from={str(folder)!r} holds no trained network (best.pt): give the"
            " folder that `workshop train --model resnet18` printed, or 'imagenet'."
        )
    weights = load_checkpoint(path, needs=("ema",))["ema"]["model"]
    return {name.removeprefix("trunk."): value for name, value in weights.items()}


def _imagenet(resnet: str, bands: int) -> Mapping[str, Tensor]:
    try:
        weights = get_model_weights(resnet).DEFAULT.get_state_dict(progress=False)
    except (OSError, RuntimeError) as error:  # no network, or a broken download
        raise WorkshopError(
            f"the ImageNet weights of {resnet!r} could not be downloaded ({error}):"
            " without a network start from a classifier of your own, start_from=FOLDER."
        ) from error
    if bands != 3:
        colours = weights["conv1.weight"]  # (64, 3, 7, 7)
        mean = colours.mean(1, keepdim=True) * (3 / bands)
        weights["conv1.weight"] = mean.expand(-1, bands, -1, -1)
    return dict(weights)
