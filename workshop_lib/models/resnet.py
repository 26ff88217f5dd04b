"""Residual networks: torchvision's layout for large images, the CIFAR layout for small.

The CIFAR layout also comes without shortcuts, for a lesson: why deep networks need
them.
"""

__all__ = ["RESNETS", "gradient_norms", "plain_net", "resnet", "resnet_cifar"]

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.models.checkpointing import CheckpointedSequential
from workshop_lib.models.encoders import Backbone, set_channels

# Blocks in each of the four groups (He et al. 2015, table 1); the larger networks have
# bottleneck blocks, whose output is four times as wide
RESNETS: dict[str, tuple[list[int], int]] = {
    "resnet18": ([2, 2, 2, 2], 1),
    "resnet34": ([3, 4, 6, 3], 1),
    "resnet50": ([3, 4, 6, 3], 4),
    "resnet101": ([3, 4, 23, 3], 4),
    "resnet152": ([3, 8, 36, 3], 4),
}
_PROJECTION_HIDDEN = 2048  # as in CoMatch's ResNets, whatever the depth


def resnet(channels: int, name: str = "resnet18") -> Backbone:
    """Build a residual network with torchvision's layout (He et al. 2015).

    Its stem divides the side by 4 before the first block and the whole by 32: made for
    224 pixels, reasonable from 64; of a 32-pixel image one position remains. Without
    the prefix `stages.N.` its weights have torchvision's names and shapes.

    Args:
        channels: bands of the images, C.
        name: "resnet18", "resnet34", "resnet50", "resnet101" or "resnet152".

    Raises:
        WorkshopError: unknown name; lists the known ones and the nearest.
    """
    # Here, not above: torchvision takes seconds to import, and few runs need it.
    from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

    if name not in RESNETS:
        raise unknown_name("ResNet", name, RESNETS)
    counts, expansion = RESNETS[name]
    block = BasicBlock if expansion == 1 else Bottleneck
    network = ResNet(block, counts, num_classes=1)
    set_channels(network.conv1, channels)
    stem = ("conv1", "bn1", "relu")
    parts: list[dict[str, nn.Module]] = [{k: getattr(network, k) for k in stem}]
    for layer in ("layer1", "layer2", "layer3", "layer4"):
        parts.append({layer: CheckpointedSequential(*getattr(network, layer))})
    parts[1] = {"maxpool": network.maxpool, **parts[1]}
    stages = [nn.Sequential(OrderedDict(part)) for part in parts]
    widths = [64, *(width * expansion for width in (64, 128, 256, 512))]
    return Backbone(stages, widths, (2, 4, 8, 16, 32), _PROJECTION_HIDDEN)


def resnet_cifar(
    channels: int, depth: int = 20, *, width: int = 16, norm: bool = True
) -> Backbone:
    """Build a stack of 3 x 3 convolutions with a shortcut over every two.

    A deeper network could copy a shallower one and do nothing in the remaining layers.
    A plain one does not find that: from some depth on even the training loss gets worse
    (degradation). With shortcuts every pair starts near "do nothing".

    Source: He et al. 2015, "Deep Residual Learning", section 4.2: three groups of n
    pairs, 6n + 2 layers in all. The shortcut has no parameters: where the size halves
    it reads every second pixel and fills new channels with zeros, so plain and residual
    networks of one depth have the same number of weights.

    Args:
        channels: bands of the images, C.
        depth: 8, 14, 20, 26, ... layers with weights.
        width: channels of the first group; twice and four times as many in the others.
        norm: batch normalisation after each convolution. Without it the gradient of a
            deep plain network vanishes on its way to the first layer; with it, it does
            not, and there is degradation all the same.

    Raises:
        WorkshopError: a depth that is not 6n + 2.
    """
    return _stack(channels, depth, width, norm, shortcuts=True)


def plain_net(
    channels: int, depth: int = 20, *, width: int = 16, norm: bool = True
) -> Backbone:
    """Build the network of `resnet_cifar` without its shortcuts."""
    return _stack(channels, depth, width, norm, shortcuts=False)


def _stack(
    channels: int, depth: int, width: int, norm: bool, *, shortcuts: bool
) -> Backbone:
    if depth < 8 or (depth - 2) % 6:
        raise WorkshopError(
            f"a plain or residual network of {depth} layers: depths are 6n + 2,"
            " such as 8, 14, 20, 32, 44 or 56."
        )
    widths = (width, 2 * width, 4 * width)
    stages: list[nn.Module] = []
    before = width
    for group, after in enumerate(widths):
        layers: list[nn.Module] = []
        if not group:
            layers = [_conv(channels, width, 1, norm), nn.ReLU()]
        for pair in range((depth - 2) // 6):
            stride = 2 if group and not pair else 1
            layers.append(_Pair(before, after, stride, shortcuts, norm))
            before = after
        stages.append(CheckpointedSequential(*layers))
    return Backbone(stages, widths, (1, 2, 4))


class _Pair(nn.Module):
    def __init__(
        self, before: int, after: int, stride: int, shortcut: bool, norm: bool
    ) -> None:
        super().__init__()
        self.first = _conv(before, after, stride, norm)
        self.second = _conv(after, after, 1, norm)
        self.stride, self.new = stride, after - before
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(F.relu(self.first(x)))
        if self.shortcut:
            x = x[:, :, :: self.stride, :: self.stride]
            y = y + F.pad(x, (0, 0, 0, 0, 0, self.new))  # new channels are zero
        return F.relu(y)


def _conv(before: int, after: int, stride: int, norm: bool) -> nn.Module:
    conv = nn.Conv2d(before, after, 3, stride, padding=1, bias=not norm)
    # Keeps the size of activations through ReLUs (He et al. 2015, "Delving Deep")
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(after)) if norm else conv


def gradient_norms(
    model: nn.Module, inputs: Any, loss: Callable[[Any], Tensor]
) -> list[float]:
    """Return the length of the loss's gradient at each convolution, first layer first.

    Divided by the length of the layer's weights: the relative change that a step of one
    would make. The model's own gradients are left as they are.

    Args:
        model: any network.
        inputs: what it reads, normalised.
        loss: of what it returns.
    """
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    weights = [layer.weight for layer in layers]
    gradients = torch.autograd.grad(loss(model(inputs)), weights)
    pairs = zip(gradients, weights, strict=True)
    return [float(g.norm() / w.detach().norm()) for g, w in pairs]
