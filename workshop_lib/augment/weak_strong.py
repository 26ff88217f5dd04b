"""The weak, strong and contrastive views: geometry of all sensors, colors of RGB.

`Weak`, `StrongView` and `ContrastiveView` move pixels of any bands; `RandAugment` and
`Contrastive` change the colors of photographs, too (`spectral`: all other sensors).
"""

__all__ = [
    "OPERATIONS",
    "Contrastive",
    "ContrastiveView",
    "RandAugment",
    "StrongView",
    "Weak",
]

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from workshop_lib.augment import photometric
from workshop_lib.augment.base import (
    Augmentation,
    Params,
    Shape,
    bernoulli,
    integers,
    uniform,
)
from workshop_lib.augment.geometry import affine, move, resized_crop
from workshop_lib.augment.occlusion import cutout
from workshop_lib.errors import WorkshopError

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
    symmetries: Literal["eight", "mirror", "none"] = "eight"  # mirror: left and right

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

    def sample_params(self, shape: Shape, generator: torch.Generator) -> Params:
        """Draw a symmetry (B,) and a shift (B, 2) in pixels; see `move`."""
        B, _, *sides = shape
        which = _sample_dihedral(shape, self.symmetries, generator)
        reach = [int(side * self.shift) for side in sides]  # pixels, down and right
        shift = [integers(-r, r + 1, B, generator) for r in reach]
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
    shape: Shape, symmetries: str, generator: torch.Generator
) -> Tensor:
    """Draw for each image one of the symmetries that keep its shape: (B,), 0 to 7."""
    B, _, H, W = shape
    if symmetries == "none":
        return torch.zeros(B, dtype=torch.long, device=generator.device)
    if symmetries == "mirror":
        return 2 * integers(0, 2, B, generator)  # bit 2: left and right
    return integers(0, 8 if H == W else 4, B, generator)  # four of a rectangle


_Operation = Callable[[Tensor, Tensor], Tensor]

# Name -> lowest and highest strength at magnitude 1. Symmetric where it makes sense:
# an image may become darker or brighter, flatter or richer in contrast.
OPERATIONS: dict[str, tuple[float, float]] = {
    "identity": (0.0, 0.0),
    "rotate": (-30.0, 30.0),  # degrees
    "shear_x": (-0.3, 0.3),  # tangent
    "shear_y": (-0.3, 0.3),
    "translate_x": (-0.3, 0.3),  # fraction of the side
    "translate_y": (-0.3, 0.3),
    "brightness": (-0.9, 0.9),  # Pillow's factor minus 1, here and in the next three
    "color": (-0.9, 0.9),
    "contrast": (-0.9, 0.9),
    "sharpness": (-0.9, 0.9),
    "posterize": (0.0, 4.0),  # bits that are lost, of eight
    "solarize": (0.0, 1.0),  # how far below white inversion begins
    "autocontrast": (1.0, 1.0),  # all or nothing
    "equalize": (1.0, 1.0),
}
_SWITCHES = ("autocontrast", "equalize")  # magnitude must not water these down
_GEOMETRY = slice(1, 6)  # columns of the operations that move pixels
_TONE: dict[str, _Operation] = {  # the others, in the order of their columns
    "brightness": photometric.brightness,
    "color": photometric.color,
    "contrast": photometric.contrast,
    "sharpness": photometric.sharpness,
    "posterize": lambda images, lost: photometric.posterize(images, lost.clamp(0, 8)),
    "solarize": lambda images, below: photometric.solarize(images, below.clamp(0, 1)),
    "autocontrast": photometric.autocontrast,
    "equalize": photometric.equalize,
}


@dataclass(frozen=True)
class RandAugment(StrongView):
    """The strong view of FixMatch for RGB: weak view, `n` random operations, cutout.

    Every image draws `n` different operations and a strength for each, uniformly. A GPU
    does all operations to the whole batch, at strength 0 where they were not drawn: it
    need not be waited for to report which image drew what. On a CPU only the images
    that drew one go through it; the result is the same.

    Source: Cubuk et al. 2020, with the pool of FixMatch (Sohn et al. 2020, appendix E).
    Ours differs: an image's operations are all different and run in a fixed order
    (geometry in one interpolation, then tone); ranges are symmetric; cutout hides a
    fraction of the side and fills it with the image's mean. `RandAugmentMC` is the
    pool that most torch implementations use, faithfully.

    >>> images = torch.rand(2, 3, 32, 32)
    >>> RandAugment()(images, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 3, 32, 32])
    """

    n: int = 2  # operations per image
    distort: bool = True  # False: draw among the operations that move no pixels
    channels = 3

    def sample_params(self, shape: Shape, generator: torch.Generator) -> Params:
        """Draw symmetry, shift, strengths (B, K), and cutout's center and side."""
        B = shape[0]
        moves = self.weak.sample_params(shape, generator)
        strengths = self.sample_strengths(B, generator)
        center = uniform((B, 2), 0, 1, generator)
        side = uniform((B,), 0, self.cutout, generator)
        return *moves, strengths, center, side

    def sample_strengths(self, batch: int, generator: torch.Generator) -> Tensor:
        """Draw which operations each image gets, and how strong; 0 where not drawn.

        Shape: (B, len(OPERATIONS)), columns in the order of `OPERATIONS`.
        """
        K = len(OPERATIONS)
        lottery = uniform((batch, K), 0, 1, generator)
        if not self.distort:
            lottery[:, _GEOMETRY] = -1  # never among the winners
        winners = lottery.topk(self.n, dim=1).indices  # (B, n), all different
        drawn = torch.zeros_like(lottery).scatter_(1, winners, 1.0)  # (B, K)
        position = uniform((batch, K), 0, 1, generator)
        columns = []
        for k, (name, (low, high)) in enumerate(OPERATIONS.items()):
            scale = 1.0 if name in _SWITCHES else self.magnitude
            columns.append(scale * (low + (high - low) * position[:, k]))
        return torch.stack(columns, dim=1) * drawn

    def geometry(self, images: Tensor, *params: Tensor) -> Tensor:
        """Move and distort. Shape: (B, C, H, W) -> the same."""
        which, shift, strengths = params[:3]
        images = self.weak.geometry(images, which, shift)
        return _apply_steps(images, [(_distort, strengths[:, _GEOMETRY])])

    def photometry(self, images: Tensor, *params: Tensor) -> Tensor:
        """Change tone. Shape: (B, 3, H, W) in [0, 1] -> the same."""
        strengths = params[2][:, _GEOMETRY.stop :].unbind(1)
        return _apply_steps(images, list(zip(_TONE.values(), strengths, strict=True)))


def _apply_steps(images: Tensor, steps: list[tuple[_Operation, Tensor]]) -> Tensor:
    """Apply operations one after the other, each at its strength per image (B, ...)."""
    if images.device.type != "cpu":
        for operation, strength in steps:
            images = operation(images, strength)
        return images
    result = list(images.unbind(0))  # B of (C, H, W)
    for operation, strength in steps:
        drawn = strength.reshape(len(images), -1).any(1).nonzero().flatten()  # (b,)
        if len(drawn) == 0:
            continue
        rows = drawn.tolist()
        before = torch.stack([result[i] for i in rows])
        after = operation(before, strength[drawn])
        for i, image in zip(rows, after.unbind(0), strict=True):
            result[i] = image
    return torch.stack(result)


def _distort(images: Tensor, strengths: Tensor) -> Tensor:
    degrees, shear, shift = strengths.split([1, 2, 2], dim=1)
    return affine(images, degrees=degrees[:, 0], shear=shear, shift=shift)


@dataclass(frozen=True)
class Contrastive(ContrastiveView):
    """SimCLR's view for RGB: random resized crop, symmetries, jitter, sometimes gray.

    The second strong view of CoMatch and of most contrastive methods.

    >>> images = torch.rand(2, 3, 32, 32)
    >>> Contrastive()(images, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 3, 32, 32])
    """

    brightness: float = 0.4  # strengths are drawn from -0.4 to 0.4
    contrast: float = 0.4
    color: float = 0.4
    hue: float = 0.1  # turns
    channels = 3

    def sample_jitter(self, shape: Shape, generator: torch.Generator) -> Params:
        """Draw five strengths for each image; see `color_jitter`."""
        size = (shape[0],)
        jittered = bernoulli(size, self.jitter_probability, generator) * self.magnitude
        ranges = (self.brightness, self.contrast, self.color, self.hue)
        strengths = [uniform(size, -r, r, generator) * jittered for r in ranges]
        return *strengths, bernoulli(size, self.gray_probability, generator)

    def photometry(self, images: Tensor, *params: Tensor) -> Tensor:
        """Jitter the colors. Shape: (B, 3, H, W) in [0, 1] -> the same."""
        return photometric.color_jitter(images, *params[3:])
