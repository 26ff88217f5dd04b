"""Views of samples with several sensors: one geometry for all, physics for each.

All sensors show the same place, so they are turned, shifted, cropped and hidden alike.
The values change by the sensor: light, haze and season for reflectance, tone for
photographs, another angle (an offset in dB) and new speckle for radar, another datum
(an offset in meters) for elevation, nothing for maps of classes.

NaN, a sensor that an image is missing, goes through everything and stays NaN.
"""

__all__ = ["ModalityDropout", "SampleAugmentation", "augmentations_for"]

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from workshop_lib.augment.base import (
    Augmentation,
    NoAugmentation,
    Params,
    check_range,
    uniform,
)
from workshop_lib.augment.occlusion import cutout_mask
from workshop_lib.augment.pillow_randaugment import RandAugmentMC
from workshop_lib.augment.rgb import Contrastive, RandAugment
from workshop_lib.augment.spectral import (
    Elevation,
    Radar,
    SpectralContrastive,
    SpectralStrong,
)
from workshop_lib.augment.view_geometry import Weak
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.sample import Sample


def augmentations_for(
    is_rgb: bool, magnitude: float = 1.0, *, distort: bool = True
) -> dict[str, Augmentation]:
    """Return the augmentation behind each view's name, for images of one sensor.

    A method asks for views by these names; the images decide which augmentation it is:

        name            RGB in [0, 1]            reflectance >= 0
        "weak"          Weak                     Weak
        "strong"        RandAugment              SpectralStrong
        "contrastive"   Contrastive              SpectralContrastive
        "none"          NoAugmentation           NoAugmentation

    Normalization is no part of an augmentation: it comes last, in `augment.normalize`.

    Args:
        is_rgb: photographs with three channels in [0, 1], as opposed to reflectance.
        magnitude: strength of the strong and the contrastive view; 1 is the default.
        distort: whether RandAugment may draw operations that move pixels.

    Returns:
        By the names above; for RGB also "randaugment_mc", the pool of most torch
        implementations of FixMatch, for comparisons with them.

    Raises:
        WorkshopError: negative magnitude.

    >>> sorted(augmentations_for(is_rgb=False))
    ['contrastive', 'none', 'strong', 'weak']
    """
    found: dict[str, Augmentation] = {"weak": Weak(), "none": NoAugmentation()}
    if is_rgb:
        found["strong"] = RandAugment(magnitude=magnitude, distort=distort)
        found["contrastive"] = Contrastive(magnitude=magnitude)
        found["randaugment_mc"] = RandAugmentMC()
    else:
        found["strong"] = SpectralStrong(magnitude=magnitude)
        found["contrastive"] = SpectralContrastive(magnitude=magnitude)
    return found


class SampleAugmentation:
    """One named view of samples, of the sensors that they hold.

    The optical sensor's augmentation leads: its geometry and its cutout are done to all
    sensors. Its values, and those of radar and elevation, change each by itself.

    Args:
        name: of the view, one of `augmentations_for`.
        channels: number of channels of each sensor, by name.
        mover: its geometry replaces the leading augmentation's; for views that must
            show the same pixels as another one.
        gaps: sensors that may be missing (NaN) in some images or pixels. One sensor
            alone has none.

    Raises:
        WorkshopError: an unknown name, or a view that cannot be split by sensors.
    """

    def __init__(
        self,
        name: str,
        channels: Mapping[str, int],
        mover: Augmentation | None = None,
        gaps: Collection[str] = ("s2", "s1", "rgb", "dem"),
    ) -> None:
        if mover is not None and name == "weak":
            name = "none"  # the mover does all there is to do
        # Radar alone moves as reflectance does
        self.optical = next((n for n in ("s2", "rgb") if n in channels), "")
        leads = augmentations_for(self.optical == "rgb", distort=mover is None)
        if name not in leads:
            raise unknown_name("augmentation", name, leads)
        self.channels, self.lead = dict(channels), leads[name]
        self.mover = mover or self.lead
        if isinstance(self.lead, RandAugmentMC) and (mover or len(channels) > 1):
            raise WorkshopError(
                f"the view {name!r} mixes moves and changes of color: it is defined for"
                " RGB alone, and for labels of whole images; use 'strong'."
            )
        expected = self.lead.channels
        if self.optical and expected not in (None, channels[self.optical]):
            raise WorkshopError(
                f"{channels[self.optical]} channels of {self.optical!r}: {name!r} is"
                f" defined for {expected}; call images of other bands 's2'."
            )
        self.gaps = gaps if len(channels) > 1 else ()
        self.others: dict[str, Augmentation] = {}  # those that do not lead
        self.values: dict[str, Augmentation] = {}  # all whose values change
        if name not in ("weak", "none"):
            others: dict[str, Augmentation] = {"s1": Radar()}
            if name == "strong":
                others["dem"] = Elevation()
            if self.optical == "s2":
                others["rgb"] = augmentations_for(True, distort=False)[name]
            self.others = {k: v for k, v in others.items() if k in channels}
            self.values = {self.optical: self.lead, **self.others}

    def sample_params(
        self,
        batch: int,
        size: tuple[int, int],
        generator: torch.Generator,
        moves: Params | None = None,
    ) -> list[Params]:
        """Draw the parameters of a batch: moves, the leading and the other sensors'.

        Args:
            batch: number of images, B.
            size: height and width, H and W.
            generator: on the device of the images.
            moves: of the `mover`, where it is not the leading augmentation.
        """
        lead = self.lead.sample_params(
            (batch, self.channels.get(self.optical, 1), *size), generator
        )
        others = (
            augmentation.sample_params((batch, self.channels[name], *size), generator)
            for name, augmentation in self.others.items()
        )
        return [lead if moves is None else moves, lead, *others]

    def apply(self, images: Sample, params: list[Params]) -> Sample:
        """Change the images, of all sensors or of some of them.

        Args:
            images: (B, C, H, W) floating point by sensor; not kept, may be changed.
            params: from `sample_params`, the rows of these images.
        """
        moves, lead, *others = params
        names = list(images)
        if names == [self.optical] and self.mover is self.lead:
            return {self.optical: self.lead.apply(images[self.optical], *lead)}
        widths = [values.shape[1] for values in images.values()]
        stack = next(iter(images.values()))
        if len(names) > 1:
            stack = torch.cat(list(images.values()), 1)  # to move all at once
        stack = self.mover.geometry(stack, *moves)
        drawn = dict(zip(self.others, others, strict=True)) | {self.optical: lead}
        for name, part in zip(names, stack.split(widths, 1), strict=True):
            if name in self.values:
                part.copy_(self._change_values(name, part, drawn[name]))
        stack = self.lead.occlude(stack, *lead)
        return dict(zip(names, stack.split(widths, 1), strict=True))

    def hidden(self, images: Tensor, params: list[Params]) -> Tensor | None:
        """Return which pixels of a batch cutout hides, (B, H, W) bool; None: none."""
        box = self.lead.box(*params[1])
        return cutout_mask(images, *box) if box else None

    def _change_values(self, name: str, images: Tensor, params: Params) -> Tensor:
        """Change the values of a sensor, its gaps filled with each band's own mean.

        Gaps would make every statistic of the image NaN. They are NaN again afterwards.
        """
        change = self.values[name].photometry
        if name not in self.gaps:
            return change(images, *params)
        missing = images.isnan()
        mean = images.nanmean((2, 3), keepdim=True).nan_to_num_(0)
        filled = torch.where(missing, mean, images)
        return change(filled, *params).masked_fill(missing, torch.nan)


class ModalityDropout:
    """Leave out each sensor of an image with some probability, but never its last one.

    A network that has never seen an image without radar fails on the first one.

    Args:
        probability: of each sensor, to be left out.
        images: all N images by sensor; read once, to find which sensors each has.

    Raises:
        WorkshopError: a probability outside [0, 1].
    """

    def __init__(self, probability: float, images: Sample) -> None:
        check_range("modality_dropout", probability, 0, 1)
        self.probability = probability
        columns = []
        for values in images.values():
            chunks = (~some.isnan().flatten(1).all(1) for some in values.split(256))
            columns.append(torch.cat(list(chunks)))
        self.present = torch.stack(columns, 1)  # (N, number of sensors)

    def sample_params(self, batch: int, generator: torch.Generator) -> Tensor:
        """Draw a number for each sensor of each image: (B, number of sensors)."""
        return uniform((batch, self.present.shape[1]), 0, 1, generator)

    def dropped(self, numbers: Tensor, index: Tensor, shown: Tensor) -> Tensor:
        """Return which sensors are left out: (B, number of sensors) bool.

        Args:
            numbers: from `sample_params`.
            index: (B,) positions of the images.
            shown: (number of sensors,) bool: the sensors that the view shows.
        """
        candidates = self.present[index] & shown  # one of these always stays
        highest = numbers.masked_fill(~candidates, -1).amax(1, keepdim=True)
        return (numbers < self.probability) & (numbers < highest)
