"""The weak view, dihedral moves and small shifts, and what the views share."""

__all__ = ["Symmetries", "Weak", "check_symmetries", "sample_dihedral"]

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from workshop_lib.augment.base import Augmentation, Params, Shape
from workshop_lib.augment.geometry import move
from workshop_lib.errors import WorkshopError

# Of the square; "mirror": left and right only
Symmetries = Literal["eight", "mirror", "none"]


@dataclass(frozen=True)
class Weak(Augmentation):
    """Turn or mirror each image and shift it a little, with any number of bands.

    FixMatch takes pseudo-labels from this view, so it must not make recognition harder.
    The paper mirrors left and right only; for images from above all eight symmetries
    keep the label (`symmetries="eight"`).

    Raises:
        WorkshopError: a shift below 0 or from 1 up, or an unknown kind of symmetries.

    >>> images = torch.rand(2, 4, 32, 32)
    >>> Weak()(images, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 4, 32, 32])
    """

    shift: float = 0.125  # largest shift as a fraction of the side (4 pixels of 32)
    symmetries: Symmetries = "eight"

    def __post_init__(self) -> None:
        if not 0 <= self.shift < 1:
            raise WorkshopError(
                f"shift={self.shift}: it is a fraction of the side, 0 to below 1; usual"
                " is 0.125."
            )
        check_symmetries(self.symmetries)

    def sample_params(self, shape: Shape, generator: torch.Generator) -> Params:
        """Draw a symmetry (B,) and a shift (B, 2) in pixels; see `move`."""
        B, _, *sides = shape
        which = sample_dihedral(shape, self.symmetries, generator)
        reach = [int(side * self.shift) for side in sides]  # pixels, down and right
        shift = [_integers(-r, r + 1, B, generator) for r in reach]
        return which, torch.stack(shift, dim=1)

    def geometry(self, images: Tensor, *params: Tensor) -> Tensor:
        """Move the pixels. Shape: (B, C, H, W) -> the same."""
        which, shift = params
        return move(images, which, shift)


def sample_dihedral(
    shape: Shape, symmetries: Symmetries, generator: torch.Generator
) -> Tensor:
    """Draw for each image one of the symmetries that keep its shape: (B,), 0 to 7."""
    B, _, H, W = shape
    if symmetries == "none":
        return torch.zeros(B, dtype=torch.long, device=generator.device)
    if symmetries == "mirror":
        return 2 * _integers(0, 2, B, generator)  # bit 2: left and right
    return _integers(0, 8 if H == W else 4, B, generator)  # four of a rectangle


def check_symmetries(symmetries: str) -> None:
    """Refuse a name that is not in `Symmetries`.

    Raises:
        WorkshopError: lists the known names.
    """
    if symmetries not in get_args(Symmetries):
        raise WorkshopError(
            f"symmetries={symmetries!r}: known are 'eight', 'mirror', 'none'."
        )


def _integers(low: int, high: int, count: int, generator: torch.Generator) -> Tensor:
    device = generator.device
    return torch.randint(low, high, (count,), generator=generator, device=device)
