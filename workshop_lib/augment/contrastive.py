"""The contrastive view: whatever survives crop, colours and grey is the content."""

__all__ = ["Contrastive"]

from dataclasses import dataclass

import torch
from torch import Tensor

from workshop_lib.augment.geometry import draw_crop, resized_crop
from workshop_lib.augment.per_image import coin, uniform
from workshop_lib.augment.photometric import recolour
from workshop_lib.augment.policy import Policy, Shape
from workshop_lib.augment.weak import Symmetries, check_symmetries, draw_symmetry
from workshop_lib.errors import WorkshopError


@dataclass(frozen=True)
class Contrastive(Policy):
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
    symmetries: Symmetries = "eight"  # as in `Weak`
    channels = 3

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
        check_symmetries(self.symmetries)

    def draw(self, shape: Shape, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Draw crop, symmetry and five strengths for each image."""
        B = shape[0]
        crop = draw_crop(B, self.area, generator)
        which = draw_symmetry(shape, self.symmetries, generator)
        jittered = coin((B,), self.jitter_probability, generator) * self.magnitude

        def strength(reach: float) -> Tensor:
            return uniform((B,), -reach, reach, generator) * jittered

        reaches = (self.brightness, self.contrast, self.colour, self.hue)
        strengths = [strength(reach) for reach in reaches]
        grey = coin((B,), self.grey_probability, generator)
        return *crop, which, *strengths, grey

    def apply(self, images: Tensor, *drawn: Tensor) -> Tensor:
        """Crop, turn, recolour. Shape: (B, 3, H, W) in [0, 1] -> the same."""
        corner, size, which, *strengths = drawn
        return recolour(resized_crop(images, corner, size, which), *strengths)
