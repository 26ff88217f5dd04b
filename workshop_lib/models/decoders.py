"""Decoders: a pyramid of feature maps in, maps from which pixels are scored out.

A classifier averages its last maps away. They say what is there, but in steps of as
many pixels as their stride; the maps before them are finer and see less far. FCN lets
the head score several levels and adds the scores; U-Net merges the levels first, layer
by layer, which gives the sharpest borders. Both fit every backbone and accept any image
size, odd ones too.
"""

__all__ = ["Decoder", "FCNDecoder", "UNetDecoder"]

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from workshop_lib.errors import WorkshopError
from workshop_lib.models.class_heads import resize
from workshop_lib.models.encoders import double_conv

_WIDEST = 256  # channels of a decoder's level; more cost much and add little


class Decoder(nn.Module):
    """Maps of several sizes in, maps for dense heads out.

    `widths` holds the channels of each level that comes out, fine to coarse; `stages`
    is the number of levels of the pyramid that it reads.
    """

    widths: tuple[int, ...]
    stages: int

    def forward(self, pyramid: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return maps (B, widths[k], h, w), fine to coarse."""
        raise NotImplementedError


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
