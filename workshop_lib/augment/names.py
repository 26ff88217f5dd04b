"""View names: which augmentation each one is, and which sensors it shows.

A method asks for views by name: "weak", "strong", "contrastive", "none", or one of them
followed by what it leaves out: "weak|only:s1", "strong|drop:dem,metadata". A name that
begins with `only` or `drop` is of unchanged images: "only:s1" is "none|only:s1".

Metadata is never augmented; "drop:metadata" removes it.
"""

__all__ = ["augmentations_for", "drop", "entries_left", "only", "parse_view"]

from collections.abc import Callable, Sequence

from workshop_lib.augment.base import Augmentation, NoAugmentation
from workshop_lib.augment.randaugment_mc import RandAugmentMC
from workshop_lib.augment.rgb import Contrastive, RandAugment
from workshop_lib.augment.spectral import SpectralContrastive, SpectralStrong
from workshop_lib.augment.weak import Weak
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.sample import METADATA, Sample

SampleFunction = Callable[[Sample], Sample]


def only(*names: str) -> SampleFunction:
    """Make a function that keeps some entries of a sample.

    >>> import torch
    >>> sorted(only("s1")({"s1": torch.zeros(1), "s2": torch.zeros(1)}))
    ['s1']
    """
    return lambda sample: {k: v for k, v in sample.items() if k in names}


def drop(*names: str) -> SampleFunction:
    """Make a function that leaves out some entries of a sample."""
    return lambda sample: {k: v for k, v in sample.items() if k not in names}


def parse_view(name: str) -> tuple[str, list[tuple[str, list[str]]]]:
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


def entries_left(
    steps: Sequence[tuple[str, Sequence[str]]], names: Sequence[str]
) -> list[str]:
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
