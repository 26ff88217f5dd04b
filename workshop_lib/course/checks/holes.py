"""Finding the hole that a learner's cutout made in an image."""

__all__ = ["Hole", "find_hole"]

from dataclasses import dataclass
from typing import Literal

from torch import Tensor


@dataclass(frozen=True)
class Hole:
    """Where an image was changed; pixels, all 0 where it was not."""

    top: int = 0
    left: int = 0
    height: int = 0
    width: int = 0
    solid: bool = True  # every pixel of the rectangle is changed
    bands: Literal["all", "some"] = "all"  # changed in all bands, or in some only


def find_hole(before: Tensor, after: Tensor) -> Hole:
    """Measure the changed rectangle of one image. Shape: (C, H, W) each."""
    differs = before != after  # (C, H, W)
    changed = differs.any(0)  # (H, W)
    if not changed.any():
        return Hole()
    rows = changed.any(1).nonzero().flatten()
    columns = changed.any(0).nonzero().flatten()
    top, left = int(rows[0]), int(columns[0])
    height, width = int(rows[-1]) - top + 1, int(columns[-1]) - left + 1
    return Hole(
        top,
        left,
        height,
        width,
        solid=int(changed.sum()) == height * width,
        bands="all" if differs.flatten(1).any(1).all() else "some",
    )
