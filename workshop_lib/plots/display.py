"""From what the sensor measured to what a screen can show."""

__all__ = ["sar_to_display", "to_display"]

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workshop_lib.channels import groups
from workshop_lib.errors import WorkshopError, unknown_name

_LOOKS = {
    # Sentinel-2: red, green, blue
    "true colour": ("B04", "B03", "B02"),
    # near infrared, red, green: healthy plants reflect infrared and turn bright red
    "false colour": ("B08", "B04", "B03"),
}
# Reflectance shown as white: land is darker, only snow and cloud clip. Plants send back
# more than half of the near infrared.
_BRIGHTEST = {"B08": 0.5}
_BRIGHTEST_ELSE = 0.3
_GAMMA = 1 / 1.4  # lifts forest and water out of the black
_SAR_RANGES = ((-22.0, 0.0), (-28.0, -6.0), (2.0, 14.0))  # dB: VV, VH, VV - VH


def to_display(
    images: Tensor,
    bands: Sequence[str],
    look: Literal["true colour", "false colour"] = "true colour",
) -> NDArray[np.uint8]:
    """Turn images into red, green and blue as a screen shows them.

    RGB photographs (uint8) pass unchanged. Reflectances are stretched by one fixed rule
    (0 to 0.3, near infrared to 0.5, onto black to white; gamma 1.4), the same for every
    image: a stretch per image would hide the differences of light that a model has to
    live with. Without the bands of the look, the first three channels (or the first one
    as grey) are stretched between their 2nd and 98th percentile.

    Args:
        images: (N, C, H, W) uint8 RGB, or float reflectance.
        bands: the names of the C channels.
        look: "true colour" (B04, B03, B02) or "false colour" (B08, B04, B03).

    Returns:
        (N, H, W, 3) uint8.

    Raises:
        WorkshopError: the shape and the band names do not fit, or the look is unknown.
    """
    if images.ndim != 4 or images.shape[1] != len(bands):
        raise WorkshopError(
            f"images of shape {tuple(images.shape)} with {len(bands)} band names: give"
            " (N, C, H, W) and one name per channel."
        )
    if look not in _LOOKS:
        raise unknown_name("look", look, _LOOKS)
    images = images.detach().cpu()
    if images.dtype == torch.uint8 and len(bands) == 3:
        return _channels_last(images)
    if groups(bands):  # several modalities: what is missing is black
        images, bands = images.nan_to_num(0.0), [b.removeprefix("s2:") for b in bands]
    channels = [list(bands).index(b) for b in _LOOKS[look] if b in bands]
    if len(channels) == 3:
        white = [_BRIGHTEST.get(band, _BRIGHTEST_ELSE) for band in _LOOKS[look]]
        scaled = images[:, channels].float() / torch.tensor(white).view(1, 3, 1, 1)
        bright = scaled.clamp(0, 1) ** _GAMMA
    else:
        bright = _stretch(images[:, : 3 if len(bands) >= 3 else 1].float())
    return _channels_last((255 * bright).round().to(torch.uint8))


def sar_to_display(s1: Tensor) -> NDArray[np.uint8]:
    """Show a radar image as a composite: VV in red, VH in green, VV - VH in blue.

    Fixed ranges in decibel: VV -22..0, VH -28..-6, their difference (the ratio of the
    powers) 2..14. Water is dark, towns are yellow to white, forest is greenish.

    Args:
        s1: (N, 2, H, W) backscatter in dB, VV then VH.

    Returns:
        (N, H, W, 3) uint8.

    Raises:
        WorkshopError: there are not exactly two channels.
    """
    if s1.ndim != 4 or s1.shape[1] != 2:
        raise WorkshopError(
            f"radar images of shape {tuple(s1.shape)}: give (N, 2, H, W), VV then VH."
        )
    vv, vh = s1.detach().cpu().float().unbind(1)  # each (N, H, W)
    scaled = [
        ((channel - low) / (high - low)).clamp(0, 1)
        for channel, (low, high) in zip((vv, vh, vv - vh), _SAR_RANGES, strict=True)
    ]
    return _channels_last((255 * torch.stack(scaled, 1)).round().to(torch.uint8))


def _stretch(images: Tensor) -> Tensor:
    """Stretch unknown channels to 0..1; a sample of the pixels settles the range."""
    values = images.transpose(0, 1).flatten(1)  # (C, N*H*W)
    values = values[:, :: max(1, values.shape[1] // 100_000)]
    low, high = torch.quantile(values, torch.tensor([0.02, 0.98]), dim=1)  # (C,) each
    low, high = low.view(1, -1, 1, 1), high.view(1, -1, 1, 1)
    return ((images - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)


def _channels_last(images: Tensor) -> NDArray[np.uint8]:
    if images.shape[1] == 1:
        images = images.expand(-1, 3, -1, -1)
    return np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy())
