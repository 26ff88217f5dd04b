"""Residual networks: torchvision's layout, the CIFAR layout, and the wide ones.

The CIFAR layout also comes without shortcuts, for a lesson: why deep networks need
them.
"""

__all__ = ["RESNETS", "cifar_net", "gradient_norms", "resnet", "wide_resnet"]

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.errors import WorkshopError
from workshop_lib.models.encoders import (
    Backbone,
    CheckpointedSequential,
    set_channels,
    stages_of,
)

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
    """
    # Here, not above: torchvision takes seconds to import, and few runs need it.
    from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

    counts, expansion = RESNETS[name]
    block = BasicBlock if expansion == 1 else Bottleneck
    network = ResNet(block, counts, num_classes=1)
    set_channels(network.conv1, channels)
    for layer in ("layer1", "layer2", "layer3", "layer4"):
        network.add_module(layer, CheckpointedSequential(*getattr(network, layer)))
    stem, rest = ("conv1", "bn1", "relu"), (["layer2"], ["layer3"], ["layer4"])
    stages = stages_of(network, (stem, ("maxpool", "layer1"), *rest))
    widths = [64, *(width * expansion for width in (64, 128, 256, 512))]
    return Backbone(stages, widths, (2, 4, 8, 16, 32), _PROJECTION_HIDDEN)


def _blocks(depth: int, rest: int) -> int:
    """Return the number of blocks in each of three groups, for 6n + rest layers."""
    blocks = max(1, (depth - rest) // 6)
    nearest = 6 * blocks + rest
    if depth != nearest:
        raise WorkshopError(
            f"a residual network of {depth} layers: depths are 6n + {rest}, the nearest"
            f" are {nearest} and {nearest + 6}."
        )
    return blocks


def cifar_net(
    channels: int,
    depth: int = 20,
    *,
    width: int = 16,
    norm: bool = True,
    shortcuts: bool = True,
) -> Backbone:
    """Build a stack of 3 x 3 convolutions, with a shortcut over every two or without.

    A deeper network could copy a shallower one and do nothing in the remaining layers.
    A plain one does not find that: from some depth on even the training loss gets worse
    (degradation). With shortcuts the input passes on; each pair learns a correction.

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
        shortcuts: False for the plain network.

    Raises:
        WorkshopError: a depth that is not 6n + 2.
    """
    pairs, widths = _blocks(depth, 2), (width, 2 * width, 4 * width)
    stages: list[nn.Module] = []
    before = width
    for group, after in enumerate(widths):
        layers: list[nn.Module] = []
        if not group:
            layers = [_conv(channels, width, 1, norm), nn.ReLU()]
        for pair in range(pairs):
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


class WideBlock(nn.Module):
    """Normalise, activate, convolve, twice; add the input.

    Normalisation comes first (He et al. 2016, "Identity mappings"), so that the sum
    passes through the network unchanged.

    Args:
        before, after: channels; where they differ, the shortcut is a 1 x 1 convolution.
        stride: of the first convolution and of the shortcut.
        activate_shortcut: the shortcut convolution reads the normalised and activated
            input (in the first group of a network, whose input is not activated yet)
            instead of the raw one. Without a shortcut convolution it changes nothing.
        raw_input, bn_momentum: see `wide_resnet`.

    Shape: (B, before, H, W) -> (B, after, ceil(H/stride), ceil(W/stride)).
    """

    def __init__(
        self,
        before: int,
        after: int,
        *,
        stride: int = 1,
        activate_shortcut: bool = False,
        raw_input: bool = False,
        bn_momentum: float = 0.001,
    ) -> None:
        super().__init__()
        self.activate_shortcut, self.raw_input = activate_shortcut, raw_input
        self.bn1 = nn.BatchNorm2d(before, momentum=bn_momentum)
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after, momentum=bn_momentum)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        # In place: the backward pass needs the sign only, which the output keeps. That
        # saves a third of the activations in memory.
        self.act = nn.LeakyReLU(0.1, inplace=True)
        same = before == after and stride == 1
        self.shortcut = (
            None if same else nn.Conv2d(before, after, 1, stride, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Add the output of the two convolutions to the shortcut's."""
        h: Tensor = self.act(self.bn1(x))
        skip = x
        if self.shortcut is not None:
            source = h if self.activate_shortcut else x
            skip = self.shortcut(source)
            h = source if self.raw_input else h
        h = self.act(self.bn2(self.conv1(h)))  # (B, after, H/stride, W/stride)
        return skip + self.conv2(h)


def wide_resnet(
    channels: int,
    depth: int = 28,
    width: int = 2,
    *,
    bn_momentum: float = 0.1,
    raw_input: bool = False,
) -> Backbone:
    """Build a residual network that is wide instead of deep: that of FixMatch's paper.

    WRN-28-2 with LeakyReLU is the standard of semi-supervised papers at 32 pixels: 1.47
    million parameters, 30 times the arithmetic of `small_cnn`; for a GPU.

    Source: Zagoruyko and Komodakis 2016, arXiv:1605.07146.

    Args:
        channels: bands of the images, C.
        depth: 6n + 4 for n blocks in each of three groups: 10, 16, 22, 28, 34, 40, ...
        width: factor on the 16, 32 and 64 channels of the groups.
        bn_momentum: weight of each new batch in the running statistics of batch
            normalisation. FixMatch takes 0.001 for a million steps: after t steps the
            initial statistics still weigh 0.999**t, 14 % after 2000, too much for a run
            of a few thousand.
        raw_input: repeat a slip of widespread PyTorch versions, to load or compare
            their weights: the block that opens the second and the third group convolves
            its raw input and discards the output of its first normalisation, so that
            this layer never learns. The paper's code, like ours, uses it.

    Raises:
        WorkshopError: a depth that is not 6n + 4.
    """
    count, widths = _blocks(depth, 4), [16, 16 * width, 32 * width, 64 * width]
    stages = []
    for i in (1, 2, 3):
        blocks = [
            WideBlock(
                widths[i] if j else widths[i - 1],
                widths[i],
                stride=2 if i > 1 and not j else 1,
                activate_shortcut=i == 1,
                raw_input=raw_input,
                bn_momentum=bn_momentum,
            )
            for j in range(count)
        ]
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        if i == 1:
            parts["conv1"] = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        parts[f"block{i}"] = CheckpointedSequential(*blocks)
        if i == 3:
            parts["bn1"] = nn.BatchNorm2d(widths[3], momentum=bn_momentum)
            parts["act"] = nn.LeakyReLU(0.1, inplace=True)
        stages.append(nn.Sequential(parts))
    backbone = Backbone(stages, widths[1:], (1, 2, 4))
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d):
            # Keeps the variance of gradients through layers (He et al. 2015)
            nn.init.kaiming_normal_(
                module.weight, a=0.1, mode="fan_out", nonlinearity="leaky_relu"
            )
    return backbone


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
    weights = [m.weight for m in model.modules() if isinstance(m, nn.Conv2d)]
    gradients = torch.autograd.grad(loss(model(inputs)), weights)
    pairs = zip(gradients, weights, strict=True)
    return [float(g.norm() / w.detach().norm()) for g, w in pairs]
