"""View names: which augmentation each one is, and which sensors it shows.

A method asks for views by name: "weak", "strong", "contrastive", "none", or one of them
followed by what it leaves out: "weak|only:s1", "strong|drop:dem,metadata". A name that
begins with `only` or `drop` is of unchanged images: "only:s1" is "none|only:s1".

Metadata is never augmented; "drop:metadata" removes it.
"""

__all__ = ["View", "entries_left", "make_view", "parse_view"]

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from workshop_lib.augment.base import Augmentation
from workshop_lib.augment.multimodal import SampleAugmentation
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.sample import METADATA, Sample

Steps = Sequence[tuple[str, Sequence[str]]]  # ("only" or "drop", names) each


class View(NamedTuple):
    """A view by its name: which augmentation, of which sensors."""

    base: str  # "weak", "strong", ...
    augmentation: SampleAugmentation
    sensors: tuple[str, ...]  # that it shows, without metadata
    metadata: bool
    kept: Tensor  # (number of sensors,) bool: those in `sensors`


def make_view(
    name: str, images: Sample, metadata: bool, mover: Augmentation | None = None
) -> View:
    """Look up a view of a data set.

    Args:
        name: see above.
        images: of all sensors, (N, C, H, W) each.
        metadata: whether the data set has any.
        mover: decides the geometry; that of a contrastive view stays its own crop.

    Raises:
        WorkshopError: an unknown augmentation or sensor, or no sensor is left.
    """
    base, steps = parse_view(name)
    channels = {k: v.shape[1] for k, v in images.items()}
    gaps = [k for k, v in images.items() if v.is_floating_point()]
    own = None if base == "contrastive" else mover
    augmentation = SampleAugmentation(base, channels, own, gaps)
    left = entries_left(steps, [*channels, METADATA] if metadata else list(channels))
    sensors = tuple(k for k in channels if k in left)
    if not sensors:
        raise WorkshopError(
            f"a view of {', '.join(left) or 'nothing'}: keep at least one of the"
            f" sensors {', '.join(channels)}."
        )
    device = next(iter(images.values())).device
    kept = torch.tensor([k in sensors for k in channels], device=device)
    return View(base, augmentation, sensors, METADATA in left, kept)


def parse_view(name: str) -> tuple[str, Steps]:
    """Split a view's name into the augmentation and what is kept or left out.

    Raises:
        WorkshopError: a part that is neither `only:...` nor `drop:...`.

    >>> parse_view("strong|drop:dem,metadata")
    ('strong', [('drop', ['dem', 'metadata'])])
    >>> parse_view("only:s1")
    ('none', [('only', ['s1'])])
    """
    first, *rest = name.split("|")
    if ":" in first:
        first, rest = "none", [first, *rest]
    steps = []
    for part in rest:
        verb, _, names = part.partition(":")
        if verb not in ("only", "drop") or not names:
            raise WorkshopError(
                f"view {name!r}: {part!r} is neither 'only:SENSOR,...' nor"
                " 'drop:SENSOR,...'."
            )
        steps.append((verb, names.split(",")))
    return first, steps


def entries_left(steps: Steps, names: Sequence[str]) -> list[str]:
    """Return which of a sample's entries a view shows.

    Args:
        steps: from `parse_view`.
        names: the sample's entries: its sensors, and "metadata" if it has any.

    Raises:
        WorkshopError: a step about a sensor that the sample does not have. Metadata may
            be left out where there is none.

    >>> entries_left([("drop", ["dem", "metadata"])], ["s2", "s1", "dem"])
    ['s2', 's1']
    """
    left = list(names)
    for verb, mentioned in steps:
        for name in mentioned:
            if name not in (*names, METADATA):
                raise unknown_name("sensor", name, [*names, METADATA])
        left = [name for name in left if (name in mentioned) == (verb == "only")]
    return left
