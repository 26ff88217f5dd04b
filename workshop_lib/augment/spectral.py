"""Augmentation for reflectances: what sun, air and season do to a multispectral image.

RandAugment's posterise, solarise and equalise come from photographs and mean nothing
for reflectances. These operations imitate what really varies between two looks at the
same place. All keep values at or above 0, and strength 0 changes nothing, bit for bit.
"""

__all__ = ["SpectralContrastive", "SpectralStrong", "contrast", "gain", "haze", "tint"]

from dataclasses import dataclass, field

import torch
from torch import Tensor

from workshop_lib.augment.cutout import cutout
from workshop_lib.augment.geometry import affine, draw_crop, resized_crop
from workshop_lib.augment.per_image import check_images, coin, per_image, uniform
from workshop_lib.augment.policy import Policy, Shape
from workshop_lib.augment.weak import (
    Symmetries,
    Weak,
    check_symmetries,
    draw_symmetry,
)
from workshop_lib.errors import WorkshopError


def gain(images: Tensor, strength: Tensor) -> Tensor:
    """Multiply by exp(strength): more or less light, or another calibration per band.

    Shape: `images` (B, C, H, W); `strength` (B,) for the sun's height, or (B, C) for
    each band apart (season, sensor). 0.7 doubles, -0.7 halves.
    """
    check_images(images)
    return images * per_image(strength.exp(), images)


def haze(images: Tensor, strength: Tensor) -> Tensor:
    """Add the same amount to all pixels and bands, as thin haze does.

    Shape: `images` (B, C, H, W); `strength` (B,) as a fraction of the image's mean,
    so that it means the same in any unit. Negative strengths take haze away.
    """
    check_images(images)
    mean = images.mean((1, 2, 3), keepdim=True)  # (B, 1, 1, 1)
    return torch.addcmul(images, per_image(strength, images), mean).clamp_(min=0)


def contrast(images: Tensor, strength: Tensor) -> Tensor:
    """Stretch the distances from the image's mean by exp(strength).

    Shape: `images` (B, C, H, W); `strength` (B,), negative for flatter images.
    """
    check_images(images)
    mean = images.mean((1, 2, 3), keepdim=True)  # (B, 1, 1, 1), over bands too
    return torch.lerp(mean, images, per_image(strength.exp(), images)).clamp_(min=0)


def tint(images: Tensor, strength: Tensor) -> Tensor:
    """Stretch each pixel's spectrum about its own mean over bands by exp(strength).

    The multispectral sister of saturation: strongly negative leaves a panchromatic
    image, in which only structure can tell the class.

    Shape: `images` (B, C, H, W); `strength` (B,).
    """
    check_images(images)
    grey = images.mean(1, keepdim=True)  # (B, 1, H, W)
    return torch.lerp(grey, images, per_image(strength.exp(), images)).clamp_(min=0)


@dataclass(frozen=True)
class SpectralStrong(Policy):
    """The strong view of FixMatch for reflectances, tunable by one number.

    The weak view first; then one affine distortion, each spectral change with
    probability `probability` at a strength of its own, and a hole. Every image draws
    its own numbers.

    Args:
        magnitude: multiplies every range below. 1 is the default strength, 0 leaves
            the weak view; above about 1.5 scenes become hard for people too.

    Raises:
        WorkshopError: negative magnitude, or a probability outside [0, 1].

    >>> images = torch.rand(2, 12, 32, 32)
    >>> SpectralStrong()(images, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 12, 32, 32])
    """

    magnitude: float = 1.0
    degrees: float = 45.0  # with the eight symmetries, 45 reaches any angle
    shear: float = 0.1  # tangent, along rows and along columns
    shift: float = 0.1  # fraction of the side
    zoom: float = 0.3  # log of the scale: 0.74 to 1.35 times
    gain: float = 0.5  # log of the light: 0.61 to 1.65 times
    band_gain: float = 0.3  # log, each band apart
    contrast: float = 0.7  # log
    tint: float = 0.8  # log
    haze: float = 0.4  # fraction of the image's mean that is added at most
    haze_probability: float = 0.3
    probability: float = 0.5  # of each other spectral change
    cutout: float = 0.5  # side of the hole as a fraction of the image's side
    weak: Weak = field(default_factory=Weak)

    def __post_init__(self) -> None:
        _check_magnitude(self.magnitude)
        _check_probability(self.probability, self.haze_probability)

    def draw(self, shape: Shape, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Draw the moves, the distortion, the spectral changes and the hole."""
        B, C = shape[:2]
        m, p = self.magnitude, self.probability

        def reach(size: tuple[int, ...], most: float) -> Tensor:
            return uniform(size, -m * most, m * most, generator)

        def some(chance: float) -> Tensor:
            return coin((B,), chance, generator)

        moves = self.weak.draw(shape, generator)
        degrees, shear = reach((B,), self.degrees), reach((B, 2), self.shear)
        shift, zoom = reach((B, 2), self.shift), reach((B,), self.zoom)
        light = reach((B,), self.gain) * some(p)
        bands = reach((B, C), self.band_gain) * some(p)[:, None]
        flat = reach((B,), self.contrast) * some(p)
        pale = reach((B,), self.tint) * some(p)
        amount = uniform((B,), 0, m * self.haze, generator)
        amount = amount * some(self.haze_probability)
        centre = uniform((B, 2), 0, 1, generator)
        distortion = (degrees, shear, shift, zoom)
        return *moves, *distortion, light[:, None] + bands, flat, pale, amount, centre

    def apply(self, images: Tensor, *drawn: Tensor) -> Tensor:
        """Move, distort, recolour, cut a hole. Shape: (B, C, H, W) -> the same."""
        which, shift_by, degrees, shear, shift, zoom, *rest = drawn
        light, flat, pale, amount, centre = rest
        images = self.weak.apply(images, which, shift_by)
        images = affine(images, degrees=degrees, shear=shear, shift=shift, zoom=zoom)
        images = tint(contrast(gain(images, light), flat), pale)
        side = images.new_full(amount.shape, min(1.0, self.cutout * self.magnitude))
        return cutout(haze(images, amount), centre, side)


@dataclass(frozen=True)
class SpectralContrastive(Policy):
    """Two such views of an image are what contrastive learning calls the same.

    The multispectral sister of SimCLR's recipe (Chen et al. 2020): random resized crop,
    symmetries, spectral jitter, and sometimes only the mean over the bands.

    Raises:
        WorkshopError: negative magnitude, or a probability outside [0, 1].
    """

    magnitude: float = 1.0  # multiplies the four ranges of the jitter
    area: tuple[float, float] = (0.2, 1.0)  # of the crop, as a fraction of the image
    gain: float = 0.5  # log of the light
    band_gain: float = 0.2  # log, each band apart
    contrast: float = 0.5  # log
    tint: float = 0.5  # log
    jitter_probability: float = 0.8
    grey_probability: float = 0.2  # all bands replaced by their mean
    symmetries: Symmetries = "eight"  # as in `Weak`

    def __post_init__(self) -> None:
        _check_magnitude(self.magnitude)
        _check_probability(self.jitter_probability, self.grey_probability)
        check_symmetries(self.symmetries)

    def draw(self, shape: Shape, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Draw crop, symmetry, spectral jitter, and who loses the spectrum."""
        B, C = shape[:2]
        m = self.magnitude

        def reach(most: float, size: tuple[int, ...] = (B,)) -> Tensor:
            return uniform(size, -m * most, m * most, generator)

        crop = draw_crop(B, self.area, generator)
        which = draw_symmetry(shape, self.symmetries, generator)
        chosen = coin((B,), self.jitter_probability, generator)
        light = reach(self.gain)[:, None] + reach(self.band_gain, (B, C))
        flat, pale = reach(self.contrast) * chosen, reach(self.tint) * chosen
        grey = coin((B,), self.grey_probability, generator)
        return *crop, which, light * chosen[:, None], flat, pale, grey

    def apply(self, images: Tensor, *drawn: Tensor) -> Tensor:
        """Crop, turn, recolour. Shape: (B, C, H, W) -> the same."""
        corner, size, which, light, flat, pale, grey = drawn
        images = resized_crop(images, corner, size, which)
        images = tint(contrast(gain(images, light), flat), pale)
        return _panchromatic(images, grey)


def _panchromatic(images: Tensor, chosen: Tensor) -> Tensor:
    grey = images.mean(1, keepdim=True)  # (B, 1, H, W)
    return torch.where(per_image(chosen, images).bool(), grey, images)


def _check_magnitude(magnitude: float) -> None:
    if magnitude < 0:
        raise WorkshopError(
            f"magnitude={magnitude}: it scales the strength of the augmentation, so 0"
            " or above; 1 is the default."
        )


def _check_probability(*probabilities: float) -> None:
    for p in probabilities:
        if not 0 <= p <= 1:
            raise WorkshopError(f"probability {p}: give a number from 0 to 1.")
