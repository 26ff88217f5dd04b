"""The weak view: changes that a person would not even notice."""

__all__ = ["NoAugment", "Policy", "Weak"]

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from workshop_lib.augment.geometry import count_symmetries, move
from workshop_lib.augment.per_image import check_images
from workshop_lib.errors import WorkshopError

# Float images (B, C, H, W), RGB in [0, 1] or reflectance >= 0, and a generator on the
# same device -> new images of the same shape and range, each changed in its own way.
Policy = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class NoAugment:
    """Return the images as they are: for ablations and for looking at the data."""

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return `images` itself."""
        check_images(images)
        return images


@dataclass(frozen=True)
class Weak:
    """Turn or mirror each image and shift it a little; works for any number of bands.

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
    symmetries: str = "eight"  # "eight", "mirror" (left and right only), or "none"

    def __post_init__(self) -> None:
        if not 0 <= self.shift < 1:
            raise WorkshopError(
                f"shift={self.shift}: it is a fraction of the side, 0 to below 1; usual"
                " is 0.125."
            )
        if self.symmetries not in ("eight", "mirror", "none"):
            raise WorkshopError(
                f"symmetries={self.symmetries!r}: known are 'eight', 'mirror', 'none'."
            )

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return a new view of each image. Shape: (B, C, H, W) -> the same."""
        check_images(images)
        B, _, H, W = images.shape

        def integers(low: int, high: int) -> Tensor:
            device = generator.device
            return torch.randint(low, high, (B,), generator=generator, device=device)

        which: Tensor | None = None
        if self.symmetries == "eight":
            which = integers(0, count_symmetries(images))
        elif self.symmetries == "mirror":
            which = 2 * integers(0, 2)  # bit 2 of `symmetry`: left and right
        reach = (int(H * self.shift), int(W * self.shift))  # pixels
        shift = torch.stack([integers(-r, r + 1) for r in reach], dim=1)  # (B, 2)
        return move(images, which, shift)
