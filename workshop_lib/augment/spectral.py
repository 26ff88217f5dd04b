"""Views of what instruments measure: reflectance, radar backscatter, elevation.

RandAugment's posterize, solarize and equalize come from photographs and mean nothing
for reflectance. These operations imitate what varies between two acquisitions of the
same place. All keep values at or above 0, and strength 0 changes nothing, bit for bit.
"""

__all__ = [
    "Elevation",
    "Radar",
    "SpectralContrastive",
    "SpectralStrong",
    "contrast",
    "gain",
    "haze",
    "tint",
]

from dataclasses import dataclass

import torch
from torch import Tensor

from workshop_lib.augment import base
from workshop_lib.augment.base import Augmentation, Params, Shape
from workshop_lib.augment.geometry import ContrastiveView, affine
from workshop_lib.augment.occlusion import StrongView

LOOKS = 4  # of the speckle that is added, as in a Sentinel-1 image at 10 m


def gain(images: Tensor, strength: Tensor) -> Tensor:
    """Multiply by exp(strength): more or less light, or another calibration per band.

    Shape: `images` (B, C, H, W); `strength` (B,) for the sun's height, or (B, C) for
    each band apart (season, sensor). 0.7 doubles, -0.7 halves.
    """
    return images * base.per_image(strength.exp(), images)


def haze(images: Tensor, strength: Tensor) -> Tensor:
    """Add the same amount to all pixels and bands, as thin haze does.

    Shape: `images` (B, C, H, W); `strength` (B,) as a fraction of the image's mean,
    so that it means the same in any unit. Negative strengths take haze away.
    """
    fraction = base.per_image(strength, images)
    mean = images.mean((1, 2, 3), keepdim=True)  # (B, 1, 1, 1)
    return torch.addcmul(images, fraction, mean).clamp_(min=0)


def contrast(images: Tensor, strength: Tensor) -> Tensor:
    """Stretch the distances from the image's mean by exp(strength).

    Shape: `images` (B, C, H, W); `strength` (B,), negative for flatter images.
    """
    factor = base.per_image(strength.exp(), images)
    mean = images.mean((1, 2, 3), keepdim=True)  # (B, 1, 1, 1), over bands too
    return torch.lerp(mean, images, factor).clamp_(min=0)


def tint(images: Tensor, strength: Tensor) -> Tensor:
    """Stretch each pixel's spectrum about its own mean over bands by exp(strength).

    The multispectral counterpart of saturation: strongly negative leaves a panchromatic
    image, in which only structure can tell the class.

    Shape: `images` (B, C, H, W); `strength` (B,).
    """
    factor = base.per_image(strength.exp(), images)
    gray = images.mean(1, keepdim=True)  # (B, 1, H, W)
    return torch.lerp(gray, images, factor).clamp_(min=0)


@dataclass(frozen=True)
class SpectralStrong(StrongView):
    """The strong view of FixMatch for reflectance, tunable by one number.

    The weak view first; then one affine distortion, each spectral change with
    probability `probability` at a strength of its own, and cutout. Every image draws
    its own numbers.

    Args:
        magnitude: multiplies every range below. 1 is the default strength, 0 leaves
            the weak view; above about 1.5 scenes become hard for people too.

    >>> images = torch.rand(2, 12, 32, 32)
    >>> SpectralStrong()(images, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 12, 32, 32])
    """

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

    def sample_params(self, shape: Shape, generator: torch.Generator) -> Params:
        """Draw moves (2 tensors), distortion (4), spectral changes (4), and cutout (2).

        Shapes: see `move`, `affine`, `gain` (here per band), `contrast`, `tint`,
        `haze` and `cutout`, in this order.
        """
        B, C = shape[:2]
        m, p = self.magnitude, self.probability

        def within(size: tuple[int, ...], most: float) -> Tensor:
            return base.uniform(size, -m * most, m * most, generator)

        def some(chance: float) -> Tensor:
            return base.bernoulli((B,), chance, generator)

        moves = self.weak.sample_params(shape, generator)
        degrees, shear = within((B,), self.degrees), within((B, 2), self.shear)
        shift, zoom = within((B, 2), self.shift), within((B,), self.zoom)
        light = within((B,), self.gain) * some(p)
        bands = within((B, C), self.band_gain) * some(p)[:, None]
        flat = within((B,), self.contrast) * some(p)
        pale = within((B,), self.tint) * some(p)
        amount = base.uniform((B,), 0, m * self.haze, generator)
        amount = amount * some(self.haze_probability)
        center = base.uniform((B, 2), 0, 1, generator)
        side = torch.full_like(amount, min(1.0, self.cutout * m))
        spectral = (light[:, None] + bands, flat, pale, amount)
        return *moves, degrees, shear, shift, zoom, *spectral, center, side

    def geometry(self, images: Tensor, *params: Tensor) -> Tensor:
        """Move and distort. Shape: (B, C, H, W) -> the same."""
        which, shift_by, degrees, shear, shift, zoom = params[:6]
        images = self.weak.geometry(images, which, shift_by)
        return affine(images, degrees=degrees, shear=shear, shift=shift, zoom=zoom)

    def photometry(self, images: Tensor, *params: Tensor) -> Tensor:
        """Change light, contrast, tint and haze. Shape: (B, C, H, W) -> the same."""
        light, flat, pale, amount = params[6:10]
        return haze(tint(contrast(gain(images, light), flat), pale), amount)


@dataclass(frozen=True)
class SpectralContrastive(ContrastiveView):
    """The contrastive view for reflectance: crop, symmetries, spectral jitter.

    Sometimes only the mean over the bands is left, as gray is of SimCLR's photographs.
    """

    gain: float = 0.5  # log of the light
    band_gain: float = 0.2  # log, each band apart
    contrast: float = 0.5  # log
    tint: float = 0.5  # log

    def sample_jitter(self, shape: Shape, generator: torch.Generator) -> Params:
        """Draw light (B, C), contrast, tint, and which images become gray: (B,)."""
        B, C = shape[:2]
        m = self.magnitude

        def within(most: float, size: tuple[int, ...] = (B,)) -> Tensor:
            return base.uniform(size, -m * most, m * most, generator)

        chosen = base.bernoulli((B,), self.jitter_probability, generator)
        light = within(self.gain)[:, None] + within(self.band_gain, (B, C))
        flat, pale = within(self.contrast) * chosen, within(self.tint) * chosen
        gray = base.bernoulli((B,), self.gray_probability, generator)
        return light * chosen[:, None], flat, pale, gray

    def photometry(self, images: Tensor, *params: Tensor) -> Tensor:
        """Change light, contrast and tint. Shape: (B, C, H, W) -> the same."""
        light, flat, pale, gray = params[3:]
        images = tint(contrast(gain(images, light), flat), pale)
        mean = images.mean(1, keepdim=True)  # (B, 1, H, W)
        return torch.where(base.per_image(gray, images).bool(), mean, images)


@dataclass(frozen=True)
class Radar(Augmentation):
    """What changes between two passes of a radar: the angle, and the speckle.

    Args:
        offset: largest change of all pixels, in dB.
        speckle: largest fraction of a full four-look speckle that is added.
        probability: of each of the two.
    """

    offset: float = 1.5
    speckle: float = 0.5
    probability: float = 0.5

    def sample_params(self, shape: Shape, generator: torch.Generator) -> Params:
        """Draw an offset (B, 1, 1, 1) and speckle (B, C, H, W), in dB."""
        B = shape[0]
        offset = base.uniform((B,), -self.offset, self.offset, generator)
        offset = offset * base.bernoulli((B,), self.probability, generator)
        fraction = base.uniform((B,), 0, self.speckle, generator)
        fraction = fraction * base.bernoulli((B,), self.probability, generator)
        looks = base.uniform((LOOKS, *shape), 1e-7, 1, generator)
        # The power of one look is exponentially distributed; looks are averaged
        decibel = 10 * torch.log10((-looks.log()).mean(0))
        return offset.view(B, 1, 1, 1), fraction.view(B, 1, 1, 1) * decibel

    def photometry(self, images: Tensor, *params: Tensor) -> Tensor:
        """Change backscatter in dB; speckle multiplies the power, so it is added."""
        offset, speckle = params
        return images + offset.to(images.dtype) + speckle.to(images.dtype)


@dataclass(frozen=True)
class Elevation(Augmentation):
    """Another datum: one offset for all pixels of an image.

    Args:
        height: largest offset, in meters.
    """

    height: float = 30.0

    def sample_params(self, shape: Shape, generator: torch.Generator) -> Params:
        """Draw an offset (B, 1, 1, 1), in meters."""
        lift = base.uniform((shape[0],), -self.height, self.height, generator)
        return (lift.view(-1, 1, 1, 1),)

    def photometry(self, images: Tensor, *params: Tensor) -> Tensor:
        """Lift the terrain."""
        return images + params[0].to(images.dtype)
