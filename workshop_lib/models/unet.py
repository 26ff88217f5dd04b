"""U-Net: down to see far, up to see sharply, and a bridge at every size."""

__all__ = ["UNet"]

import torch
from torch import Tensor, nn

from workshop_lib.errors import WorkshopError
from workshop_lib.models.recompute import Blocks
from workshop_lib.models.segmenter import Segmenter, resize_to


class UNet(Segmenter):
    """An encoder that halves the image, a decoder that doubles it again.

    Deep layers see far but coarsely, shallow ones sharply but near: at each size the
    decoder reads both, what came up from below and, over the bridge, what the encoder
    had seen at this size. So the borders in the map are as sharp as in the image.

    Source: Ronneberger et al. 2015. Ours pads (the map is as large as the image),
    normalises batches, resizes bilinearly, which suits any size, odd ones too, and has
    three levels rather than five: made for tiles of 32 to 128 pixels.

    Args:
        in_channels: bands of the images, C.
        num_classes: K.
        width: channels at full size; twice and four times as many below. 16 (0.12
            million parameters) suits two CPU cores, 64 (1.9 million) a GPU.

    Shape: (B, C, H, W) of at least 4 x 4 pixels -> `Output` of (B, K, H, W) and (B, K).

    Raises:
        WorkshopError: a width below 1.
    """

    def __init__(self, *, in_channels: int, num_classes: int, width: int = 16) -> None:
        if width < 1:
            raise WorkshopError(
                f"a U-Net of width {width}: give at least 1, as unet-16."
            )
        super().__init__(
            _Trunk(in_channels, num_classes, (width, 2 * width, 4 * width)),
            in_channels=in_channels,
            num_classes=num_classes,
        )


class _Trunk(nn.Module):
    def __init__(self, C: int, K: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            _double_conv(before, width)
            for before, width in zip((C, *widths), widths, strict=False)
        )
        # Half of the channels come from below, half over the bridge
        self.narrow = nn.ModuleList(
            nn.Conv2d(2 * width, width, 1) for width in widths[-2::-1]
        )
        self.up = nn.ModuleList(
            _double_conv(2 * width, width) for width in widths[-2::-1]
        )
        self.pool = nn.MaxPool2d(2, ceil_mode=True)  # no row of an odd size is lost
        self.score = nn.Conv2d(widths[0], K, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Score every pixel. (B, C, H, W) -> (B, K, H, W)."""
        bridges: list[Tensor] = []
        for k, block in enumerate(self.down):
            x = block(self.pool(x) if k else x)  # (B, width * 2**k, H / 2**k, W / 2**k)
            bridges.append(x)
        for narrow, block, bridge in zip(
            self.narrow, self.up, bridges[-2::-1], strict=True
        ):
            below = resize_to(narrow(x), bridge)
            x = block(torch.cat([below, bridge], dim=1))
        scores: Tensor = self.score(x)
        return scores


def _double_conv(in_channels: int, out_channels: int) -> Blocks:
    layers: list[nn.Module] = []
    for channels in (in_channels, out_channels):
        layers += [
            nn.Conv2d(channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        ]
    block = Blocks(*layers)
    block.together = len(layers)
    return block
