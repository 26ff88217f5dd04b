"""The geometry that the weak, strong and contrastive views of all sensors share."""

__all__ = ["ContrastiveView", "StrongView", "Symmetries", "Weak"]

from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor

from workshop_lib.augment.base import Augmentation, Params, Shape, uniform
from workshop_lib.augment.geometry import move, resized_crop
from workshop_lib.augment.occlusion import cutout
from workshop_lib.errors import WorkshopError

# Of the square; "mirror": left and right only
Symmetries = Literal["eight", "mirror", "none"]
_LOG_RATIO = 0.2877  # of a crop's sides: 3:4 to 4:3


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
        if self.symmetries not in get_args(Symmetries):
            raise WorkshopError(
                f"symmetries={self.symmetries!r}: known are 'eight', 'mirror', 'none'."
            )

    def sample_params(self, shape: Shape, generator: torch.Generator) -> Params:
        """Draw a symmetry (B,) and a shift (B, 2) in pixels; see `move`."""
        B, _, *sides = shape
        which = _sample_dihedral(shape, self.symmetries, generator)
        reach = [int(side * self.shift) for side in sides]  # pixels, down and right
        shift = [_integers(-r, r + 1, B, generator) for r in reach]
        return which, torch.stack(shift, dim=1)

    def geometry(self, images: Tensor, *params: Tensor) -> Tensor:
        """Move the pixels. Shape: (B, C, H, W) -> the same."""
        which, shift = params
        return move(images, which, shift)


@dataclass(frozen=True)
class StrongView(Augmentation):
    """A weak view that is changed further, and in which cutout hides a square.

    Subclasses say what the changes are. Their first parameters are those of `weak`,
    their last two the square's center (B, 2) and side (B,).
    """

    magnitude: float = 1.0  # multiplies the ranges of the changes
    cutout: float = 0.5  # largest side of the hidden square, as a fraction of the image
    weak: Weak = field(default_factory=Weak)

    def occlude(self, images: Tensor, *params: Tensor) -> Tensor:
        """Hide a square. Shape: (B, C, H, W) -> the same."""
        return cutout(images, *self.box(*params))

    def box(self, *params: Tensor) -> tuple[Tensor, Tensor]:
        """Return the square's center (B, 2) and side (B,); see `cutout`."""
        return params[-2], params[-1]


@dataclass(frozen=True)
class ContrastiveView(Augmentation):
    """A random crop, enlarged and turned; subclasses jitter its values (`jitter`).

    A network learns to embed two such views of one image alike, so it cannot rely on
    what differs between them: place, scale and color statistics.

    Source: SimCLR (Chen et al. 2020, appendix A). Ours differs: the jitter has a fixed
    order, and images from above take all eight symmetries.
    """

    magnitude: float = 1.0  # multiplies the ranges of the jitter
    area: tuple[float, float] = (0.2, 1.0)  # range of the crop's fraction of the image
    jitter_probability: float = 0.8
    gray_probability: float = 0.2

    def sample_params(self, shape: Shape, generator: torch.Generator) -> Params:
        """Draw the crop's corner and size (B, 2), a symmetry (B,), then the jitter."""
        B = shape[0]
        fraction = uniform((B,), *self.area, generator)
        ratio = torch.exp(uniform((B,), -_LOG_RATIO, _LOG_RATIO, generator))
        size = torch.stack([fraction / ratio, fraction * ratio], 1)  # (B, 2)
        size = size.sqrt().clamp(max=1)
        corner = uniform((B, 2), 0, 1, generator) * (1 - size)
        which = _sample_dihedral(shape, "eight", generator)
        return corner, size, which, *self.sample_jitter(shape, generator)

    def sample_jitter(self, shape: Shape, generator: torch.Generator) -> Params:
        """Draw the strengths of the changes of values, a row per image."""
        raise NotImplementedError

    def geometry(self, images: Tensor, *params: Tensor) -> Tensor:
        """Crop and turn. Shape: (B, C, H, W) -> the same."""
        return resized_crop(images, *params[:3])


def _sample_dihedral(
    shape: Shape, symmetries: Symmetries, generator: torch.Generator
) -> Tensor:
    """Draw for each image one of the symmetries that keep its shape: (B,), 0 to 7."""
    B, _, H, W = shape
    if symmetries == "none":
        return torch.zeros(B, dtype=torch.long, device=generator.device)
    if symmetries == "mirror":
        return 2 * _integers(0, 2, B, generator)  # bit 2: left and right
    return _integers(0, 8 if H == W else 4, B, generator)  # four of a rectangle


def _integers(low: int, high: int, count: int, generator: torch.Generator) -> Tensor:
    device = generator.device
    return torch.randint(low, high, (count,), generator=generator, device=device)
