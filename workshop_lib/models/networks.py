"""Decoders, and ready-made networks for images of one sensor: a tensor in, scores out.

A classifier averages its last maps away. They say what is there, but in steps of as
many pixels as their stride; the maps before them are finer and see less far. FCN lets
the head score several levels and adds the scores; U-Net merges the levels first, layer
by layer, which gives the sharpest borders. Both fit every backbone and accept any image
size, odd ones too.

The networks are for one's own training loop, and to take apart: `encoder.backbone` are
the stages, `encoder.decoder` what follows them, `head` the last layer. Trainings of
this library build the same parts by name (`build_model`).
"""

__all__ = ["FCN", "FCNDecoder", "ImageNetwork", "SingleSensor", "UNetDecoder"]

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.models.class_heads import Categorical, resize
from workshop_lib.models.encoders import Backbone, Decoder, double_conv
from workshop_lib.models.fusion import DecoderBuilder, Encoder
from workshop_lib.models.heads import Head
from workshop_lib.models.residual import RESNETS, resnet

_WIDEST = 256  # channels of a decoder's level; more cost much and add little


class FCNDecoder(Decoder):
    """Pass some levels of the pyramid on; a dense head scores each and adds them up.

    It has no weights of its own: a `Categorical` head's convolution of one pixel for
    each level is all that FCN adds to a classifier.

    Source: Long et al. 2015, arXiv:1411.4038.

    Args:
        widths, strides: of a backbone's pyramid.
        copies: number of pyramids that lie side by side, of several sensors.
        skips: strides of the levels that are scored; () for the last three.

    Raises:
        WorkshopError: strides that the pyramid does not have.
    """

    def __init__(
        self,
        widths: Sequence[int],
        strides: Sequence[int],
        copies: int = 1,
        skips: Sequence[int] = (),
    ) -> None:
        super().__init__()
        level = {stride: k for k, stride in enumerate(strides)}  # the last of a stride
        chosen = list(skips) or sorted(level)[-3:]
        if not set(chosen) <= set(level) or len(set(chosen)) < len(chosen):
            raise WorkshopError(
                f"strides {', '.join(map(str, chosen))} of an FCN: give one or more of"
                f" the strides {', '.join(map(str, sorted(level)))}, each once."
            )
        self.levels = tuple(level[stride] for stride in sorted(chosen))
        self.widths = tuple(copies * widths[k] for k in self.levels)
        self.stages = self.levels[-1] + 1

    def forward(self, pyramid: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the chosen levels."""
        return tuple(pyramid[k] for k in self.levels)


class UNetDecoder(Decoder):
    """Merge a pyramid from coarse to fine, with a bridge at every level.

    At each level the decoder reads both what comes up from below, which has seen far,
    and what the encoder saw at this size, which is sharp.

    Source: Ronneberger et al. 2015, arXiv:1505.04597. Maps are padded and resized
    bilinearly, which suits any size, and batches are normalised.

    Args:
        widths: of a backbone's pyramid. Each level on the way up has as many channels
            (at most 256), also where several pyramids lie side by side.
        strides: not used.
        copies: number of pyramids that lie side by side, of several sensors.

    Shape: pyramid -> one level (B, D, h, w) of the size of its finest.
    """

    def __init__(
        self, widths: Sequence[int], strides: Sequence[int], copies: int = 1
    ) -> None:
        super().__init__()
        own = [min(width, _WIDEST) for width in widths[:-1]]
        below = [*own[1:], copies * widths[-1]]
        levels = range(len(own) - 1, -1, -1)  # coarse to fine
        # Half of the channels come from below, half over the bridge
        self.narrow = nn.ModuleList(nn.Conv2d(below[k], own[k], 1) for k in levels)
        self.up = nn.ModuleList(
            double_conv(own[k] + copies * widths[k], own[k]) for k in levels
        )
        self.widths = (own[0] if own else copies * widths[0],)
        self.stages = len(widths)

    def forward(self, pyramid: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the merged maps."""
        x = pyramid[-1]
        for narrow, block, bridge in zip(
            self.narrow, self.up, pyramid[-2::-1], strict=True
        ):
            below = resize(narrow(x), bridge.shape[2:])
            x = block(torch.cat([below, bridge], dim=1))
        return (x,)


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

    >>> from workshop_lib.models.encoders import unet_encoder
    >>> unet = ImageNetwork(partial(unet_encoder, width=4), 4, 7, decoder=UNetDecoder)
    >>> unet(torch.zeros(2, 4, 33, 20)).shape
    torch.Size([2, 7, 33, 20])
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


class FCN(ImageNetwork):
    """A ResNet whose maps of three sizes are scored, enlarged and added.

    The heads of a ResNet-50 have 21,522 parameters for six classes, as in
    "semseg_vaihingen". In all it is 23,529,554 where Keras counts 23,609,234: the
    79,680 more are biases before batch normalisations, which do nothing there (26,560),
    and running means and variances, which torch does not call parameters (53,120).

    Source: Long et al. 2015, arXiv:1411.4038.

    Args:
        name: of the backbone, such as "resnet50"; see `resnet`.
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
        if name not in RESNETS:
            raise unknown_name("ResNet", name, RESNETS)
        decoder = partial(FCNDecoder, skips=skips)
        backbone = partial(resnet, name=name)
        super().__init__(backbone, in_channels, num_classes, decoder)
