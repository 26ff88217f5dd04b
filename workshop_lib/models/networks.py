"""Ready-made networks for images of one sensor: a tensor in, class scores out.

For one's own training loop, and to take a network apart: `encoder.backbone` are the
stages, `encoder.decoder` what follows them, `head` the last layer. Trainings of this
library build the same parts by name (`build_model`).
"""

__all__ = [
    "FCN",
    "ImageNetwork",
    "PlainNet",
    "ResNetCIFAR",
    "SingleSensor",
    "UNet",
    "WideResNet",
]

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from workshop_lib.models.build import build_backbone
from workshop_lib.models.class_heads import Categorical
from workshop_lib.models.decoders import FCNDecoder, UNetDecoder
from workshop_lib.models.encoders import Backbone, unet_encoder
from workshop_lib.models.fusion import DecoderBuilder, Encoder
from workshop_lib.models.heads import Head
from workshop_lib.models.residual import cifar_net, wide_resnet


class SingleSensor(nn.Module):
    """One encoder and one head on the images of one sensor.

    Args:
        encoder: that reads no other sensor and no metadata.
        head: for the scores.
        sensor: name under which the encoder expects the images.

    Shape: images (B, C, H, W) float, normalised -> (B, K); of a dense head
    (B, K, H, W).
    """

    def __init__(self, encoder: Encoder, head: Head, sensor: str) -> None:
        super().__init__()
        self.encoder, self.head, self.sensor = encoder, head, sensor

    def forward(self, images: Tensor) -> Tensor:
        """Score images."""
        return self.head(self.encoder({self.sensor: images}))


class ImageNetwork(SingleSensor):
    """An encoder of one sensor and one head for classes, built from scratch.

    Args:
        backbone: builds the stages for a number of channels.
        in_channels: bands of the images, C.
        num_classes: K.
        decoder: builds what scores pixels; None for a class per image.
    """

    def __init__(
        self,
        backbone: Callable[[int], Backbone],
        in_channels: int,
        num_classes: int,
        decoder: DecoderBuilder | None = None,
    ) -> None:
        dense = decoder is not None
        encoder = Encoder({"images": in_channels}, backbone, decoder=decoder)
        width = encoder.map_widths if dense else encoder.width
        head = Categorical(width, num_classes, dense=dense)
        super().__init__(encoder, head, "images")
        self.to(memory_format=torch.channels_last)


class WideResNet(ImageNetwork):
    """The network of `wide_resnet`, which takes the options, with a linear classifier.

    >>> WideResNet(depth=10, width=1, num_classes=10)(torch.zeros(2, 3, 16, 16)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        depth: int = 28,
        width: int = 2,
        *,
        in_channels: int = 3,
        num_classes: int,
        **options: Any,
    ) -> None:
        backbone = partial(wide_resnet, depth=depth, width=width, **options)
        super().__init__(backbone, in_channels, num_classes)


class PlainNet(ImageNetwork):
    """The network of `cifar_net` without shortcuts, with a linear classifier."""

    shortcuts: ClassVar[bool] = False

    def __init__(
        self, depth: int = 20, *, in_channels: int = 3, num_classes: int, **options: Any
    ) -> None:
        backbone = partial(cifar_net, depth=depth, shortcuts=self.shortcuts, **options)
        super().__init__(backbone, in_channels, num_classes)


class ResNetCIFAR(PlainNet):
    """The network of `cifar_net` with shortcuts, and a linear classifier."""

    shortcuts: ClassVar[bool] = True


class UNet(ImageNetwork):
    """A U-Net of three levels (`unet_encoder`, `UNetDecoder`) that scores pixels.

    >>> UNet(in_channels=4, num_classes=7, width=4)(torch.zeros(2, 4, 33, 20)).shape
    torch.Size([2, 7, 33, 20])
    """

    def __init__(self, *, in_channels: int, num_classes: int, width: int = 16) -> None:
        backbone = partial(unet_encoder, width=width)
        super().__init__(backbone, in_channels, num_classes, UNetDecoder)


class FCN(ImageNetwork):
    """A ResNet whose maps of three sizes are scored, enlarged and added.

    The heads of a ResNet-50 have 21,522 parameters for six classes, as in
    "semseg_vaihingen". In all it is 23,529,554 where Keras counts 23,609,234: the
    79,680 more are biases before batch normalisations, which do nothing there (26,560),
    and running means and variances, which torch does not call parameters (53,120).

    Source: Long et al. 2015, arXiv:1411.4038.

    Args:
        name: of the backbone, such as "resnet50"; see `build_model`.
        in_channels: bands of the images, C.
        num_classes: K.
        skips: which of the strides 2, 4, 8, 16, 32 are scored.

    Raises:
        WorkshopError: an unknown backbone, or strides that it does not have.
    """

    def __init__(
        self,
        name: str = "resnet18",
        *,
        in_channels: int = 3,
        num_classes: int,
        skips: Sequence[int] = (8, 16, 32),
    ) -> None:
        decoder = partial(FCNDecoder, skips=skips)
        backbone = partial(build_backbone, name)
        super().__init__(backbone, in_channels, num_classes, decoder)
