"""Augmentation for images of several modalities: one geometry, physics for each.

All channels of a patch show the same place, so they are turned, shifted and cut alike.
What changes the values differs: light, haze and season for reflectances; another angle
(an offset in dB) and new speckle for radar; another datum (an offset in metres) for
elevation; nothing for maps of classes and for facts, which are right or wrong.

NaN, a modality that a patch lacks, goes through everything and stays NaN.
"""

__all__ = ["ModalContrastive", "ModalStrong", "WithoutModalities", "modal_policies"]

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from workshop_lib.augment.cutout import cutout
from workshop_lib.augment.geometry import affine, resized_crop
from workshop_lib.augment.per_image import coin, uniform
from workshop_lib.augment.policy import NoAugment, Policy, Shape
from workshop_lib.augment.spectral import (
    SpectralContrastive,
    SpectralStrong,
    contrast,
    gain,
    haze,
    tint,
)
from workshop_lib.augment.weak import Weak
from workshop_lib.channels import Group
from workshop_lib.errors import WorkshopError

OPTICAL = ("s2", "rgb")  # the modalities that light and haze change
_LOOKS = 4  # of the speckle that is added, as in a Sentinel-1 image at 10 m


@dataclass(frozen=True)
class _Radar:
    """What another pass of a radar changes: the angle, and the speckle anew.

    Args:
        offset: largest change of all pixels, in dB.
        speckle: largest share of a full four-look speckle that is added.
    """

    offset: float = 1.5
    speckle: float = 0.5
    probability: float = 0.5

    def draw(self, shape: Shape, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Draw an offset (B, 1, 1, 1) and speckle (B, C, H, W), in dB."""
        B = shape[0]
        offset = uniform((B,), -self.offset, self.offset, generator)
        offset = offset * coin((B,), self.probability, generator)
        share = uniform((B,), 0, self.speckle, generator)
        share = share * coin((B,), self.probability, generator)
        looks = uniform((_LOOKS, *shape), 1e-7, 1, generator)
        # The power of one look is exponentially distributed; looks are averaged
        decibel = 10 * torch.log10((-looks.log()).mean(0))
        return offset.view(B, 1, 1, 1), share.view(B, 1, 1, 1) * decibel

    def apply(self, radar: Tensor, offset: Tensor, speckle: Tensor) -> Tensor:
        """Change backscatter in dB; speckle multiplies the power, so it is added."""
        return radar + offset.to(radar.dtype) + speckle.to(radar.dtype)


class _Modal(Policy):
    """Take modalities out of an image by name, and put them back changed."""

    groups: tuple[Group, ...]

    def channels_of(self, names: Sequence[str]) -> slice:
        """Return where the first of some modalities lies; nothing if none is there."""
        found = [g.channels for g in self.groups if g.name in names]
        return found[0] if found else slice(0, 0)

    def counts(self, names: Sequence[str]) -> int:
        """Count the channels of `channels_of`."""
        place = self.channels_of(names)
        return int(place.stop - place.start)


@dataclass(frozen=True)
class ModalStrong(_Modal):
    """The strong view of FixMatch for packed images: `SpectralStrong`, taken apart.

    Geometry and hole as there, once for all modalities; its spectral changes for
    reflectances only; radar and elevation in their own units.

    Args:
        groups: the modalities, as `workshop_lib.channels.groups` finds them.
        spectral: strengths of the geometry, the hole and the spectral changes.
        height: largest change of elevation, in metres.

    Raises:
        WorkshopError: a negative height.
    """

    groups: tuple[Group, ...]
    spectral: SpectralStrong = field(default_factory=SpectralStrong)
    radar: _Radar = field(default_factory=_Radar)
    height: float = 30.0

    def __post_init__(self) -> None:
        if self.height < 0:
            raise WorkshopError(f"height={self.height} m: give 0 or more; usual is 30.")

    def draw(self, shape: Shape, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Draw what `SpectralStrong` draws, then radar and elevation."""
        B, _, H, W = shape
        drawn = self.spectral.draw((B, max(1, self.counts(OPTICAL)), H, W), generator)
        radar = self.radar.draw((B, self.counts(("s1",)), H, W), generator)
        lift = uniform((B,), -self.height, self.height, generator)
        return *drawn, *radar, lift.view(B, 1, 1, 1)

    def apply(self, images: Tensor, *drawn: Tensor) -> Tensor:
        """Move all, change each, cut one hole. Shape: (B, C, H, W) -> the same."""
        which, shift_by, degrees, shear, shift, zoom, *rest = drawn
        light, flat, pale, amount, centre, offset, speckle, lift = rest
        images = self.spectral.weak.apply(images, which, shift_by)
        images = affine(images, degrees=degrees, shear=shear, shift=shift, zoom=zoom)
        images = images.clone()  # affine may hand back what it was given
        optical, radar = self.channels_of(OPTICAL), self.channels_of(("s1",))
        if optical.stop:
            part, gaps = _filled(images[:, optical])
            part = haze(tint(contrast(gain(part, light), flat), pale), amount)
            images[:, optical] = part.masked_fill(gaps, torch.nan)
        if radar.stop:
            images[:, radar] = self.radar.apply(images[:, radar], offset, speckle)
        images[:, self.channels_of(("dem",))] += lift.to(images.dtype)
        side = min(1.0, self.spectral.cutout * self.spectral.magnitude)
        return cutout(images, centre, images.new_full(amount.shape, side))


@dataclass(frozen=True)
class ModalContrastive(_Modal):
    """Two such views are what contrastive learning calls the same, for packed images.

    `SpectralContrastive` taken apart: one crop for all, its jitter for reflectances,
    radar as in `ModalStrong`.
    """

    groups: tuple[Group, ...]
    spectral: SpectralContrastive = field(default_factory=SpectralContrastive)
    radar: _Radar = field(default_factory=_Radar)

    def draw(self, shape: Shape, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Draw what `SpectralContrastive` draws, then radar."""
        B, _, H, W = shape
        drawn = self.spectral.draw((B, max(1, self.counts(OPTICAL)), H, W), generator)
        return *drawn, *self.radar.draw((B, self.counts(("s1",)), H, W), generator)

    def apply(self, images: Tensor, *drawn: Tensor) -> Tensor:
        """Crop all alike, change each. Shape: (B, C, H, W) -> the same."""
        corner, size, which, light, flat, pale, grey, offset, speckle = drawn
        images = resized_crop(images, corner, size, which).clone()
        optical, radar = self.channels_of(OPTICAL), self.channels_of(("s1",))
        if optical.stop:
            part, gaps = _filled(images[:, optical])
            part = tint(contrast(gain(part, light), flat), pale)
            mean = part.mean(1, keepdim=True)
            part = torch.where(grey.view(-1, 1, 1, 1).bool(), mean, part)
            images[:, optical] = part.masked_fill(gaps, torch.nan)
        if radar.stop:
            images[:, radar] = self.radar.apply(images[:, radar], offset, speckle)
        return images


@dataclass(frozen=True)
class WithoutModalities(_Modal):
    """Modality dropout: a view that lacks some modalities, each with a given chance.

    A network that never knew a patch without radar fails on the first one. At least one
    modality stays: of those drawn to go, one comes back.

    Args:
        policy: makes the view first.
        groups: the modalities.
        probability: of each modality, to be gone.
    """

    policy: Policy
    groups: tuple[Group, ...]
    probability: float

    def draw(self, shape: Shape, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Draw who goes (B, modalities), after what the policy draws."""
        drawn = self.policy.draw(shape, generator)
        luck = uniform((shape[0], len(self.groups)), 0, 1, generator)
        gone = (luck < self.probability) & (luck < luck.amax(1, keepdim=True))
        return *drawn, gone

    def apply(self, images: Tensor, *drawn: Tensor) -> Tensor:
        """Make the view, then NaN of what is gone. Shape: (B, C, H, W) -> the same."""
        *before, gone = drawn
        images = self.policy.apply(images, *before).clone()
        for k, group in enumerate(self.groups):
            images[:, group.channels].masked_fill_(
                gone[:, k].view(-1, 1, 1, 1), torch.nan
            )
        return images


def modal_policies(
    groups: Sequence[Group], magnitude: float = 1.0, dropout: float = 0.0
) -> dict[str, Policy]:
    """Return the policy behind each view's name, for packed images.

    Args:
        groups: the modalities.
        magnitude: strength of geometry and spectral changes; 1 is the default.
        dropout: chance of each modality to be missing in a strong or contrastive view.

    Raises:
        WorkshopError: negative magnitude.
    """
    found = tuple(groups)
    strong: Policy = ModalStrong(found, SpectralStrong(magnitude=magnitude))
    contrastive: Policy = ModalContrastive(
        found, SpectralContrastive(magnitude=magnitude)
    )
    if dropout:
        strong = WithoutModalities(strong, found, dropout)
        contrastive = WithoutModalities(contrastive, found, dropout)
    return {
        "weak": Weak(),
        "strong": strong,
        "contrastive": contrastive,
        "none": NoAugment(),
    }


def _filled(images: Tensor) -> tuple[Tensor, Tensor]:
    """Fill gaps with each band's own mean, so that they spoil no statistics.

    Returns:
        The images and where the gaps were. A band without any pixel stays NaN.
    """
    gaps = images.isnan()
    mean = images.nanmean((2, 3), keepdim=True)
    return torch.where(gaps, mean, images), gaps
