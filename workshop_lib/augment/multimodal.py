"""Named views of samples: one geometry for all sensors, physics for each.

A method asks for views by name: "weak", "strong", "contrastive", "none", or one of them
followed by the sensors that it leaves out: "strong|drop:dem,metadata". Parts of the
contrastive view are left out by a minus sign: "contrastive-crop", -turns, -jitter (of
color; of radar its offset and speckle), -gray (not of radar alone).

All sensors show the same place, so they are turned, shifted, cropped and hidden alike.
The values change by the sensor: light, haze and season for reflectance, tone for
photographs, another angle (an offset in dB) and new speckle for radar, another datum
(an offset in meters) for elevation, nothing for maps of classes. Metadata is never
augmented; "drop:metadata" removes it. NaN, a sensor that an image is missing, goes
through everything and stays NaN.
"""

__all__ = ["SampleAugmentation", "View", "augmentations_for", "parse_view"]

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from workshop_lib.augment import spectral
from workshop_lib.augment.base import Augmentation, NoAugmentation, Params
from workshop_lib.augment.geometry import ContrastiveView, Weak
from workshop_lib.augment.rgb import Contrastive, RandAugment, RandAugmentMC
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.sample import METADATA, Sample

# Parts of the contrastive view, and what leaves them out
PARTS: dict[str, dict[str, Any]] = {
    "crop": {"area": (1.0, 1.0)},
    "turns": {"symmetries": "none"},
    "jitter": {"jitter_probability": 0.0},
    "gray": {"gray_probability": 0.0},
}
_MOVES = "moves"
Drawn = dict[str, Params]  # of the mover, and of each sensor that changes


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
    if magnitude < 0:
        raise WorkshopError(f"magnitude={magnitude}: give a number, 0 or more.")
    found: dict[str, Augmentation] = {"weak": Weak(), "none": NoAugmentation()}
    if not is_rgb:
        return found | {
            "strong": spectral.SpectralStrong(magnitude),
            "contrastive": spectral.SpectralContrastive(magnitude),
        }
    return found | {
        "strong": RandAugment(magnitude, distort=distort),
        "contrastive": Contrastive(magnitude),
        "randaugment_mc": RandAugmentMC(),
    }


class SampleAugmentation:
    """One named view of samples, of the sensors that they hold.

    The optical sensor's augmentation leads: its geometry and its cutout are done to all
    sensors. Its values, and those of radar and elevation, change each by itself.

    Args:
        name: of the view, one of `augmentations_for`, less some of its parts.
        channels: number of channels of each sensor, by name.
        mover: its geometry replaces the leading augmentation's; for views that must
            show the same pixels as another one.

    Raises:
        WorkshopError: an unknown name or part, or a view that cannot be split by
            sensors.
    """

    def __init__(
        self, name: str, channels: Mapping[str, int], mover: Augmentation | None = None
    ) -> None:
        name, *without = name.split("-")
        if mover is not None and name == "weak":
            name = "none"  # the mover does all there is to do
        # Radar alone moves as reflectance does
        self.optical = next((n for n in ("s2", "rgb") if n in channels), "")
        leads = augmentations_for(self.optical == "rgb", distort=mover is None)
        if name not in leads:
            raise unknown_name("augmentation", name, leads)
        if "gray" in without and not self.optical:
            raise WorkshopError("a view without gray: radar has no color to lose.")
        self.channels, self.lead = dict(channels), _less(leads[name], without)
        self.mover = mover or self.lead
        if isinstance(self.lead, RandAugmentMC) and (mover or len(channels) > 1):
            raise WorkshopError(
                f"the view {name!r} mixes moves and changes of color: it is defined for"
                " RGB alone, and for labels of whole images; use 'strong'."
            )
        self.gaps = len(channels) > 1  # one sensor alone is never missing
        changes: dict[str, Augmentation] = {}  # of the sensors that do not lead
        self.only_moves = name in ("weak", "none")
        if not self.only_moves:
            if "jitter" not in without:
                changes["s1"] = spectral.Radar()
            if name == "strong":
                changes["dem"] = spectral.Elevation()
            if self.optical == "s2":
                photograph = augmentations_for(True, distort=False)[name]
                changes["rgb"] = _less(photograph, without)
        changes = {k: v for k, v in changes.items() if k in channels}
        self.changes = {self.optical: self.lead, **changes}

    def sample_params(
        self,
        batch: int,
        size: tuple[int, int],
        generator: torch.Generator,
        moves: Params | None = None,
    ) -> Drawn:
        """Draw the parameters of a batch: the mover's, and those of each sensor.

        Args:
            batch: number of images, B.
            size: height and width, H and W.
            generator: on the device of the images.
            moves: of the `mover`, where it is not the leading augmentation.
        """
        drawn = {}
        for name, change in self.changes.items():
            shape = (batch, self.channels.get(name, 1), *size)
            drawn[name] = change.sample_params(shape, generator)
        return drawn | {_MOVES: drawn[self.optical] if moves is None else moves}

    def apply(self, images: Sample, params: Drawn) -> Sample:
        """Change the images, of all sensors or of some of them.

        Args:
            images: (B, C, H, W) floating point by sensor; not kept, may be changed.
            params: from `sample_params`, the rows of these images.
        """
        names, lead = list(images), params[self.optical]
        if names == [self.optical] and self.mover is self.lead:
            return {self.optical: self.lead.apply(images[self.optical], *lead)}
        widths = [values.shape[1] for values in images.values()]
        stack = torch.cat(list(images.values()), 1)  # to move all at once
        stack = self.mover.geometry(stack, *params[_MOVES])
        for name, part in zip(names, stack.split(widths, 1), strict=True):
            if name in self.changes and not self.only_moves:
                part.copy_(self._change_values(name, part, params[name]))
        stack = self.lead.occlude(stack, *lead)
        return dict(zip(names, stack.split(widths, 1), strict=True))

    def hidden(self, images: Tensor, params: Drawn) -> Tensor | None:
        """Return which pixels of a batch cutout hides, (B, H, W) bool; None: none."""
        return self.lead.hidden(images, *params[self.optical])

    def _change_values(self, name: str, images: Tensor, params: Params) -> Tensor:
        """Change the values of a sensor, its gaps filled with each band's own mean.

        Gaps would make every statistic of the image NaN. They are NaN again afterwards.
        """
        change = self.changes[name].photometry
        if not self.gaps:
            return change(images, *params)
        missing = images.isnan()
        mean = images.nanmean((2, 3), keepdim=True).nan_to_num_(0)
        filled = torch.where(missing, mean, images)
        return change(filled, *params).masked_fill(missing, torch.nan)


def _less(view: Augmentation, without: Sequence[str]) -> Augmentation:
    """Leave parts out of a contrastive view.

    Raises:
        WorkshopError: an unknown part, or another view.
    """
    for part in without:
        if not isinstance(view, ContrastiveView):
            raise WorkshopError(
                f"a view without {part}: only 'contrastive' has parts to leave out."
            )
        if part not in PARTS:
            raise unknown_name("part of a contrastive view", part, PARTS)
        view = replace(view, **PARTS[part])
    return view


class View(SampleAugmentation):
    """A view of a data set by its name: an augmentation, and the sensors it shows.

    Args:
        name: see above.
        images: of all sensors, (N, C, H, W) each.
        metadata: whether the data set has any.
        mover: decides the geometry; that of a contrastive view stays its own crop.

    Raises:
        WorkshopError: an unknown augmentation or sensor, or no sensor is left.
    """

    def __init__(
        self, name: str, images: Sample, metadata: bool, mover: Augmentation | None
    ) -> None:
        channels = {k: v.shape[1] for k, v in images.items()}
        entries = [*channels, METADATA] if metadata else list(channels)
        name, left = parse_view(name, entries)
        self.base = name.split("-")[0]  # "weak", "strong", ...
        own = None if self.base == "contrastive" else mover
        super().__init__(name, channels, own)
        self.sensors = [k for k in channels if k in left]
        self.metadata = METADATA in left
        if not self.sensors:
            raise WorkshopError(
                f"a view of {', '.join(left) or 'nothing'}: keep at least one of the"
                f" sensors {', '.join(channels)}."
            )
        kept = [k in left for k in channels]  # as a tensor, for `ModalityDropout`
        self.kept = torch.tensor(kept, device=next(iter(images.values())).device)


def parse_view(name: str, entries: Sequence[str]) -> tuple[str, list[str]]:
    """Split a view's name into its augmentation, and which of the entries it shows.

    Args:
        name: see above.
        entries: of the samples: their sensors, and "metadata" if there is any.

    Raises:
        WorkshopError: an unknown sensor. Metadata may be left out where there is none.

    >>> parse_view("strong|drop:dem,metadata", ["s2", "s1", "dem"])
    ('strong', ['s2', 's1'])
    """
    first, _, names = name.partition("|drop:")
    dropped = names.split(",") if names else []
    for sensor in dropped:
        if sensor not in (*entries, METADATA):
            raise unknown_name("sensor", sensor, [*entries, METADATA])
    return first, [entry for entry in entries if entry not in dropped]
