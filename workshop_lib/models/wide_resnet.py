"""Wide ResNet: the network of the FixMatch paper."""

__all__ = ["WideBlock", "wide_resnet"]

from collections import OrderedDict

from torch import Tensor, nn

from workshop_lib.errors import WorkshopError
from workshop_lib.models.checkpointing import CheckpointedSequential
from workshop_lib.models.encoders import Backbone


class WideBlock(nn.Module):
    """Normalise, activate, convolve, twice; add the input.

    Normalisation comes first (He et al. 2016, "Identity mappings"), so that the sum
    passes through the network unchanged.

    Args:
        in_channels, out_channels: where they differ, the shortcut is a 1 x 1
            convolution.
        stride: of the first convolution and of the shortcut.
        activate_shortcut: the shortcut convolution reads the normalised and activated
            input (in the first group of a network, whose input is not activated yet)
            instead of the raw one. Without a shortcut convolution it changes nothing.
        raw_input, bn_momentum: see `wide_resnet`.

    Shape: (B, in_channels, H, W) -> (B, out_channels, ceil(H/stride), ceil(W/stride)).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        activate_shortcut: bool = False,
        raw_input: bool = False,
        bn_momentum: float = 0.001,
    ) -> None:
        super().__init__()
        self.activate_shortcut = activate_shortcut
        self.raw_input = raw_input
        self.bn1 = nn.BatchNorm2d(in_channels, momentum=bn_momentum)
        self.conv1 = _conv3x3(in_channels, out_channels, stride)
        self.bn2 = nn.BatchNorm2d(out_channels, momentum=bn_momentum)
        self.conv2 = _conv3x3(out_channels, out_channels)
        # In place: the backward pass needs the sign only, which the output keeps. That
        # saves a third of the activations in memory.
        self.act = nn.LeakyReLU(0.1, inplace=True)
        self.shortcut = (
            nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
            if in_channels != out_channels or stride != 1
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Add the output of the two convolutions to the shortcut's."""
        h: Tensor = self.act(self.bn1(x))
        skip = x
        if self.shortcut is not None:
            source = h if self.activate_shortcut else x
            skip = self.shortcut(source)
            h = source if self.raw_input else h
        h = self.act(self.bn2(self.conv1(h)))  # (B, out_channels, H/stride, W/stride)
        h = self.conv2(h)
        return skip + h


def wide_resnet(
    channels: int,
    depth: int = 28,
    width: int = 2,
    *,
    bn_momentum: float = 0.1,
    raw_input: bool = False,
) -> Backbone:
    """Build a residual network that is wide instead of deep.

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
        WorkshopError: a depth that is not 6n + 4 (names the nearest), a width below 1.
    """
    _check_shape(depth, width)
    widths = [16, 16 * width, 32 * width, 64 * width]
    stages = []
    for i in (1, 2, 3):
        blocks = [
            WideBlock(
                widths[i - 1] if j == 0 else widths[i],
                widths[i],
                stride=2 if i > 1 and j == 0 else 1,
                activate_shortcut=i == 1,
                raw_input=raw_input,
                bn_momentum=bn_momentum,
            )
            for j in range((depth - 4) // 6)
        ]
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        if i == 1:
            parts["conv1"] = _conv3x3(channels, widths[0])
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


def _conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)


def _check_shape(depth: int, width: int) -> None:
    if depth < 10 or (depth - 4) % 6:
        below = max(10, depth - (depth - 4) % 6)
        nearest = "10" if depth < 10 else f"{below} and {below + 6}"
        raise WorkshopError(
            f"Wide ResNet of depth {depth}: the depth must be 6n + 4 (10, 16, 22, 28,"
            f" ...); the nearest valid is {nearest}."
        )
    if width < 1:
        raise WorkshopError(
            f"Wide ResNet of width {width}: it must be at least 1; usual are 2 and 8."
        )
