"""Wide ResNet: the network of the FixMatch paper."""

__all__ = ["WideBlock", "WideResNet"]

from collections import OrderedDict

from torch import Tensor, nn

from workshop_lib.errors import WorkshopError
from workshop_lib.models.heads import Classifier, ProjectionHead
from workshop_lib.models.recompute import Blocks


class WideBlock(nn.Module):
    """Normalise, activate, convolve, twice; add the input.

    Normalisation comes first (He et al. 2016, "Identity mappings"), so that the sum is
    untouched on its way through the network.

    Args:
        in_channels, out_channels: where they differ, the shortcut is a 1 x 1
            convolution.
        stride: of the first convolution and of the shortcut.
        activate_shortcut: the shortcut convolution reads the normalised and activated
            input (in the first group of a network, whose input is not activated yet)
            instead of the raw one. Without a shortcut convolution it changes nothing.
        raw_input: where the shortcut convolution reads the raw input, the first
            convolution does so too; see `WideResNet`.
        bn_momentum: see `WideResNet`.

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
        # In place: backward needs the sign only, which what comes out has kept. That
        # saves a third of what a step keeps.
        self.act = nn.LeakyReLU(0.1, inplace=True)
        self.shortcut = (
            nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
            if in_channels != out_channels or stride != 1
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Add what the two convolutions make of `x` to `x` itself."""
        h: Tensor = self.act(self.bn1(x))
        skip = x
        if self.shortcut is not None:
            source = h if self.activate_shortcut else x
            skip = self.shortcut(source)
            h = source if self.raw_input else h
        h = self.act(self.bn2(self.conv1(h)))  # (B, out_channels, H/stride, W/stride)
        h = self.conv2(h)
        return skip + h


class WideResNet(Classifier):
    """Residual network that is wide instead of deep (Zagoruyko and Komodakis 2016).

    WRN-28-2 with LeakyReLU is the standard of semi-supervised papers at 32 pixels: 1.47
    million parameters, 30 times the arithmetic of `SmallCNN`; for a GPU.

    Args:
        depth: 6n + 4 for n blocks in each of three groups: 10, 16, 22, 28, 34, 40, ...
        width: factor on the 16, 32 and 64 channels of the groups.
        in_channels: bands of the images, C.
        num_classes: K.
        projection_dim: width of the projection head; 0 leaves it out.
        bn_momentum: share of each new batch in the running statistics of batch
            normalisation. 0.001 is the paper's, for a million steps: after t steps the
            initial statistics still weigh 0.999**t, 14 % after 2000. For a run of a few
            thousand steps take torch's usual 0.1.

        raw_input: repeat a slip of widespread PyTorch versions, to load or compare
            their weights: the block that opens the second and the third group convolves
            its raw input and throws away what its first normalisation made, so that
            this layer never learns. The paper's code, like ours, uses it.

    Shape: (B, C, H, W) of any size -> `Output` of (B, K) and (B, 64*width or
    projection_dim).

    Raises:
        WorkshopError: a depth that is not 6n + 4 (names the nearest), a width below 1.
    """

    def __init__(
        self,
        *,
        depth: int = 28,
        width: int = 2,
        in_channels: int = 3,
        num_classes: int,
        projection_dim: int = 0,
        bn_momentum: float = 0.001,
        raw_input: bool = False,
    ) -> None:
        _check_shape(depth, width)
        feature_dim = 64 * width
        super().__init__(
            _trunk(in_channels, (depth - 4) // 6, width, bn_momentum, raw_input),
            in_channels=in_channels,
            feature_dim=feature_dim,
            num_classes=num_classes,
            projection=ProjectionHead(feature_dim, feature_dim, projection_dim)
            if projection_dim
            else None,
        )
        _initialise(self)


def _trunk(
    in_channels: int, n: int, width: int, bn_momentum: float, raw_input: bool
) -> nn.Sequential:
    channels = [16, 16 * width, 32 * width, 64 * width]
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    parts["conv1"] = _conv3x3(in_channels, channels[0])
    for i in (1, 2, 3):
        blocks = [
            WideBlock(
                channels[i - 1] if j == 0 else channels[i],
                channels[i],
                stride=2 if i > 1 and j == 0 else 1,
                activate_shortcut=i == 1,
                raw_input=raw_input,
                bn_momentum=bn_momentum,
            )
            for j in range(n)
        ]
        parts[f"block{i}"] = Blocks(*blocks)
    parts["bn1"] = nn.BatchNorm2d(channels[3], momentum=bn_momentum)
    parts["act"] = nn.LeakyReLU(0.1, inplace=True)
    parts["pool"] = nn.AdaptiveAvgPool2d(1)  # any image size
    parts["flatten"] = nn.Flatten()  # (B, 64*width)
    return nn.Sequential(parts)


def _conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)


def _initialise(model: nn.Module) -> None:
    """Keep the variance of gradients through layers (He et al. 2015; Glorot 2010)."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(
                module.weight, a=0.1, mode="fan_out", nonlinearity="leaky_relu"
            )
        elif isinstance(module, nn.Linear):
            nn.init.xavier_normal_(module.weight)
            nn.init.zeros_(module.bias)


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
