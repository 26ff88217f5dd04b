"""The contrastive view: whatever survives crop, colours and grey is the content."""

__all__ = ["Contrastive"]

from dataclasses import dataclass, field

import torch
from torch import Tensor

from workshop_lib.augment.geometry import random_resized_crop
from workshop_lib.augment.per_image import check_images, coin, in_pieces, uniform
from workshop_lib.augment.photometric import (
    brightness,
    colour,
    contrast,
    greyscale,
    hue,
)
from workshop_lib.augment.weak import Weak
from workshop_lib.errors import WorkshopError


@dataclass(frozen=True)
class Contrastive:
    """SimCLR's view for RGB: random resized crop, symmetries, jitter, sometimes grey.

    Two such views of one image are to be embedded alike, so the network cannot live on
    colour statistics: they differ between the views. The second strong view of CoMatch
    and of most contrastive methods.

    Source: Chen et al. 2020, appendix A. Ours differs: the jitter has a fixed order,
    and images from above take all eight symmetries.

    Raises:
        WorkshopError: a range that is not inside [0, 1], or negative magnitude.

    >>> images = torch.rand(2, 3, 32, 32)
    >>> Contrastive()(images, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 3, 32, 32])
    """

    magnitude: float = 1.0  # multiplies the ranges of the jitter
    area: tuple[float, float] = (0.2, 1.0)  # of the crop, as a fraction of the image
    brightness: float = 0.4  # strengths are drawn from -0.4 to 0.4
    contrast: float = 0.4
    colour: float = 0.4
    hue: float = 0.1  # turns
    jitter_probability: float = 0.8
    grey_probability: float = 0.2
    weak: Weak = field(default_factory=lambda: Weak(shift=0.0))

    def __post_init__(self) -> None:
        if self.magnitude < 0:
            raise WorkshopError(
                f"magnitude={self.magnitude}: it scales the strength of the"
                " augmentation, so 0 or above; 1 is the default."
            )
        if not 0 < self.area[0] <= self.area[1] <= 1:
            raise WorkshopError(
                f"area={self.area}: give the lowest and highest share of the image"
                " that a crop keeps, 0 < lowest <= highest <= 1."
            )
        for name in ("jitter_probability", "grey_probability"):
            if not 0 <= getattr(self, name) <= 1:
                raise WorkshopError(
                    f"{name}={getattr(self, name)}: give a number from 0 to 1."
                )

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return a new view of each image. Shape: (B, 3, H, W) in [0, 1] -> the same.

        Raises:
            WorkshopError: not three channels.
        """
        check_images(images, channels=3)
        images = random_resized_crop(images, self.area, generator)
        images = self.weak(images, generator)
        B = images.shape[0]
        jittered = coin((B,), self.jitter_probability, generator) * self.magnitude

        def draw(reach: float) -> Tensor:
            return uniform((B,), -reach, reach, generator) * jittered

        reaches = (self.brightness, self.contrast, self.colour, self.hue)
        strengths = [draw(reach) for reach in reaches]
        strengths.append(coin((B,), self.grey_probability, generator))
        return in_pieces(_change_colours, images, *strengths)


def _change_colours(
    images: Tensor,
    bright: Tensor,
    flat: Tensor,
    pale: Tensor,
    turn: Tensor,
    grey: Tensor,
) -> Tensor:
    images = contrast(brightness(images, bright), flat)
    return greyscale(hue(colour(images, pale), turn), grey)
