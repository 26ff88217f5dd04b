"""What a policy is: draw what happens to each image, then do it to the batch."""

__all__ = ["NoAugment", "Policy", "Shape"]

from collections.abc import Sequence

import torch
from torch import Tensor

from workshop_lib.augment.per_image import check_images, in_pieces

Shape = Sequence[int]  # of a batch of images: B, C, H, W


class Policy:
    """New views of a batch, each image changed in its own way.

    Called with float images (B, C, H, W), RGB in [0, 1] or reflectance >= 0, and a
    generator on the same device; returns new images of the same shape and range.

    It works in two parts, so that the second can go through a large batch a few images
    at a time: `draw` makes all random numbers, `apply` only computes.
    """

    channels: int | None = None  # that it is made for; None for any number

    def draw(self, shape: Shape, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Draw what happens to each image of a batch: tensors of B rows."""
        raise TypeError(f"{type(self).__name__} does not define draw(shape, generator)")

    def apply(self, images: Tensor, *drawn: Tensor) -> Tensor:
        """Do to each image what was drawn for it. Shape: (B, C, H, W) -> the same."""
        raise TypeError(f"{type(self).__name__} does not define apply(images, *drawn)")

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return a new view of each image. Shape: (B, C, H, W) -> the same.

        Raises:
            WorkshopError: not floating point (B, C, H, W), or not `channels` of them.
        """
        check_images(images, self.channels)
        drawn = self.draw(images.shape, generator)
        return in_pieces(self.apply, images.shape, images, *drawn)


class NoAugment(Policy):
    """Return the images as they are: for ablations and for looking at the data."""

    def draw(self, shape: Shape, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Draw nothing."""
        return ()

    def apply(self, images: Tensor, *drawn: Tensor) -> Tensor:
        """Return `images` itself."""
        return images
