"""A network small enough to be trained in class on two CPU cores."""

__all__ = ["SmallCNN"]

from torch import nn

from workshop_lib.models.heads import Classifier, ProjectionHead
from workshop_lib.models.recompute import Blocks


class SmallCNN(Classifier):
    """Six convolutions in three pairs, global average pooling, one linear layer.

    A 32-pixel image takes a thirtieth of the arithmetic of a WRN-28-2, because the
    first convolution already halves the image and the wide layers only ever see 4 x 4
    positions. About 0.16 million parameters with four bands and ten classes. The
    pooling makes it accept any image size; three halvings suit 24 to 96 pixels.

    Args:
        in_channels: bands of the images, C.
        num_classes: K.
        projection_dim: width of the projection head; 0 leaves it out.
        widths: channels of each pair of convolutions; the last is the feature's
            length D.

    Shape: (B, C, H, W) -> `Output` of (B, K) and (B, D or projection_dim).
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_classes: int,
        projection_dim: int = 0,
        widths: tuple[int, ...] = (24, 48, 96),
    ) -> None:
        feature_dim = widths[-1]
        super().__init__(
            _trunk(in_channels, widths),
            in_channels=in_channels,
            feature_dim=feature_dim,
            num_classes=num_classes,
            projection=ProjectionHead(feature_dim, feature_dim, projection_dim)
            if projection_dim
            else None,
        )


def _trunk(in_channels: int, widths: tuple[int, ...]) -> Blocks:
    layers: list[nn.Module] = []
    channels = in_channels
    last = len(widths) - 1
    for i, width in enumerate(widths):
        # The stem halves at once: full resolution would cost as much as all the rest.
        layers += _conv_bn_act(channels, width, stride=2 if i == 0 else 1)
        # The last pair keeps 4 x 4 positions of a 32-pixel image for the pooling.
        layers += _conv_bn_act(width, width, stride=1 if i == last else 2)
        channels = width
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]  # (B, D, 1, 1), (B, D)
    trunk = Blocks(*layers)
    trunk.together = 6  # a pair of convolutions with what follows each
    return trunk


def _conv_bn_act(in_channels: int, out_channels: int, stride: int) -> list[nn.Module]:
    return [
        # No bias: the normalisation that follows would subtract it again.
        nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(0.1, inplace=True),  # its input is needed by nobody else
    ]
