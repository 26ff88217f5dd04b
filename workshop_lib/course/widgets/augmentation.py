"""Unit 03: one augmentation at a time, from nothing to far too much."""

__all__ = ["strength_sliders"]

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from workshop_lib.augment import geometry, photometric, spectral, to_float
from workshop_lib.augment.occlusion import cutout
from workshop_lib.course.widgets.live import choice, picture_with, slider
from workshop_lib.errors import WorkshopError
from workshop_lib.plots import AccessibleFigure, to_display
from workshop_lib.plots.display import Cell, picture_table
from workshop_lib.plots.style import house_style

_MOST = 6  # images side by side
_STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)


def _hole(images: Tensor, size: Tensor) -> Tensor:
    return cutout(images, torch.full((len(images), 2), 0.5), size)


# Change of float images (B, C, H, W) by a strength for each (B,), 0 for none; strength
# at slider position 1; its unit
_Range = tuple[Callable[[Tensor, Tensor], Tensor], float, str]
_GEOMETRY: dict[str, _Range] = {
    "rotate": (lambda x, s: geometry.affine(x, degrees=s), 45.0, "degrees"),
    "zoom": (lambda x, s: geometry.affine(x, zoom=s), 0.7, "log of the scale"),
    "cutout": (_hole, 0.75, "of the side"),
}
_RGB: dict[str, _Range] = {
    "brightness": (photometric.brightness, 0.9, "times more"),
    "contrast": (photometric.contrast, 0.9, "times more"),
    "colour": (photometric.color, -1.0, "(-1 is grey)"),
    "hue": (photometric.hue, 0.5, "turns of the colours"),
    "solarize": (photometric.solarize, 1.0, "of the range"),
}
_SPECTRAL: dict[str, _Range] = {
    "gain": (spectral.gain, 0.7, "log of the light"),
    "contrast": (spectral.contrast, 1.0, "log"),
    "tint": (spectral.tint, -2.0, "log (-2 is nearly grey)"),
    "haze": (spectral.haze, 0.8, "of the mean"),
}


def strength_sliders(images: Tensor, bands: Sequence[str]) -> Any:
    """Choose a change and its strength, and show the images after it.

    Args:
        images: (N, C, H, W), as `Dataset.images`: photographs (uint8) or reflectance;
            the first six are shown.
        bands: the names of the C channels.

    Returns:
        A widget, or without a live kernel the first image after each change, one row
        each, at five strengths.

    Raises:
        WorkshopError: there is no image.
    """
    if images.ndim != 4 or len(images) == 0:
        raise WorkshopError(
            f"images of shape {tuple(images.shape)}: give (N, C, H, W) with at least"
            " one image, as scenes.images[:6]."
        )
    shown = images[:_MOST].cpu()
    ends = {"min": 0.0, "max": 1.0, "step": 0.05}
    return picture_with(
        lambda operation, strength: _one_change(shown, bands, operation, strength),
        {
            "operation": choice("change", list(_ranges(images))),
            "strength": slider("FloatSlider", "strength, 0 to 1", 0.5, **ends),
        },
        lambda: _all_changes(shown[:1], bands),
    )


@house_style()
def _one_change(
    images: Tensor, bands: Sequence[str], operation: str, strength: float
) -> AccessibleFigure:
    """Show images, and below them the same images after one change."""
    changed, words = _change(images, operation, strength)
    rows = [("as it is", _cells(images, bands)), (operation, _cells(changed, bands))]
    figure = picture_table(rows, f"{operation}: {words}")
    floats = to_float(images)
    share = float((floats - changed).abs().mean() / floats.mean().clamp(min=1e-6))
    figure.alt = (
        f"{len(images)} images, above as they are, below under {operation} of {words}."
        f" On average a value changes by {100 * share:.0f} % of the mean."
    )
    return figure


@house_style()
def _all_changes(image: Tensor, bands: Sequence[str]) -> AccessibleFigure:
    """Show one image, (1, C, H, W), after each change, at five strengths."""
    rows, units = [], []
    for name in _ranges(image):
        cells = []
        for step in _STEPS:
            changed, words = _change(image, name, step)
            cells += _cells(changed, bands, words.partition(" ")[0])
        rows.append((name, cells))
        units.append(f"{name} up to {words}")
    figure = picture_table(rows, "One image, one change per row")
    ends = "; ".join(units)
    figure.alt = f"One image at five strengths of each change, 0 at the left: {ends}."
    return figure


def _ranges(images: Tensor) -> dict[str, _Range]:
    """Return the changes that suit photographs (uint8) or reflectance."""
    return {**_GEOMETRY, **(_RGB if images.dtype == torch.uint8 else _SPECTRAL)}


def _change(images: Tensor, operation: str, strength: float) -> tuple[Tensor, str]:
    """Return the changed images, as float, and the strength in its own unit."""
    change, most, unit = _ranges(images)[operation]
    value = strength * most + 0.0  # not -0 where a change goes downwards
    strengths = torch.full((len(images),), value)
    return change(to_float(images), strengths), f"{value:.2g} {unit}"


def _cells(images: Tensor, bands: Sequence[str], caption: str = "") -> list[Cell]:
    """Show changed photographs by the same rule as those from a file."""
    if images.is_floating_point() and tuple(bands) == ("red", "green", "blue"):
        images = (255 * images).round().to(torch.uint8)
    return [Cell(picture, caption) for picture in to_display(images, bands)]
