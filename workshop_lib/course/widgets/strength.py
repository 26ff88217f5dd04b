"""Unit 03: one augmentation at a time, from nothing to far too much."""

__all__ = ["operations", "strength_grid", "strength_picture", "strength_sliders"]

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from workshop_lib.augment import geometry, photometric, spectral, to_float
from workshop_lib.augment.occlusion import cutout
from workshop_lib.course.widgets.live import Control, choice, picture_with
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.plots import AccessibleFigure, to_display
from workshop_lib.plots.display import frame, picture_grid
from workshop_lib.plots.style import INK, house_style

# Of float images (B, C, H, W) and a strength for each (B,), 0 for none
Operation = Callable[[Tensor, Tensor], Tensor]

_MOST = 6  # images side by side
_STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)


def _hole(images: Tensor, size: Tensor) -> Tensor:
    centre = torch.full((len(images), 2), 0.5)
    return cutout(images, centre, size)


# Name -> operation, strength at slider position 1, unit
_Range = tuple[Operation, float, str]
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


def operations(images: Tensor) -> tuple[str, ...]:
    """Return the changes that suit these images: photographs (uint8) or reflectance."""
    return tuple(_ranges(images))


def strength_sliders(images: Tensor, bands: Sequence[str]) -> Any:
    """Choose a change and its strength, and show the images after it.

    Args:
        images: (N, C, H, W), as `Scenes.images`; the first six are shown.
        bands: the names of the C channels.

    Returns:
        A widget, or without a live kernel the picture of all changes at five strengths.

    Raises:
        WorkshopError: there is no image.
    """
    ends = {"min": 0.0, "max": 1.0, "step": 0.05}
    return picture_with(
        lambda **chosen: strength_picture(images, bands, **chosen),
        {
            "operation": choice("change", operations(images)),
            "strength": Control("FloatSlider", "strength, 0 to 1", 0.5, ends),
        },
        lambda: strength_grid(images, bands),
    )


@house_style()
def strength_picture(
    images: Tensor, bands: Sequence[str], operation: str, strength: float
) -> AccessibleFigure:
    """Show images, and below them the same images after one change.

    Args:
        images: (N, C, H, W); the first six are shown.
        bands: the names of the C channels.
        operation: one of `operations(images)`.
        strength: 0 for none to 1 for more than any recipe uses.

    Raises:
        WorkshopError: there is no image, or no such change, or a strength outside 0
            to 1.
    """
    shown = _few(images)
    changed, words = _change(shown, operation, strength)
    figure, grid = picture_grid(2, len(shown), caption=0.1, left=1.1)
    for row, (name, batch) in enumerate((("as it is", shown), (operation, changed))):
        for axes, picture in zip(grid[row], _screen(batch, bands), strict=True):
            frame(axes, picture, INK)
        _beside(grid[row, 0], name)
    figure.suptitle(f"{operation}: {words}", fontsize=15, fontweight="bold")
    figure.alt = (
        f"{len(shown)} images, above as they are, below under {operation} of {words}."
        f" {_difference(shown, changed)}"
    )
    return figure


@house_style()
def strength_grid(images: Tensor, bands: Sequence[str]) -> AccessibleFigure:
    """Show the first image after each change, one row each, at five strengths.

    Raises:
        WorkshopError: there is no image.
    """
    image = _few(images)[:1]
    names = operations(images)
    figure, grid = picture_grid(len(names), len(_STEPS), caption=0.25, left=1.1)
    for row, name in enumerate(names):
        for axes, step in zip(grid[row], _STEPS, strict=True):
            changed, words = _change(image, name, step)
            frame(axes, _screen(changed, bands)[0], INK)
            axes.set_xlabel(words.partition(" ")[0], fontsize=10)
        _beside(grid[row, 0], name)
    figure.suptitle("One image, one change per row", fontsize=15, fontweight="bold")
    units = "; ".join(f"{name} up to {_change(image, name, 1)[1]}" for name in names)
    figure.alt = f"One image at five strengths of each change, 0 at the left: {units}."
    return figure


def _ranges(images: Tensor) -> dict[str, _Range]:
    return {**_GEOMETRY, **(_RGB if images.dtype == torch.uint8 else _SPECTRAL)}


def _few(images: Tensor) -> Tensor:
    if images.ndim != 4 or len(images) == 0:
        raise WorkshopError(
            f"images of shape {tuple(images.shape)}: give (N, C, H, W) with at least"
            " one image, as scenes.images[:6]."
        )
    return images[:_MOST].cpu()


def _change(images: Tensor, operation: str, strength: float) -> tuple[Tensor, str]:
    """Return the changed images, as float, and the strength in its own unit."""
    ranges = _ranges(images)
    if operation not in ranges:
        raise unknown_name("change", operation, ranges)
    if not 0 <= strength <= 1:
        raise WorkshopError(f"strength={strength}: give 0 (nothing) to 1.")
    change, most, unit = ranges[operation]
    value = strength * most + 0.0  # not -0 where a change goes downwards
    floats = to_float(images)
    return change(floats, torch.full((len(images),), value)), f"{value:.2g} {unit}"


def _screen(images: Tensor, bands: Sequence[str]) -> Any:
    """Show changed photographs by the same rule as those from a file."""
    if images.is_floating_point() and tuple(bands) == ("red", "green", "blue"):
        images = (255 * images).round().to(torch.uint8)
    return to_display(images, bands)


def _beside(axes: Any, name: str) -> None:
    axes.text(
        -0.08, 0.5, name, transform=axes.transAxes, ha="right", va="center", fontsize=12
    )


def _difference(before: Tensor, after: Tensor) -> str:
    floats = to_float(before)
    share = float((floats - after).abs().mean() / floats.mean().clamp(min=1e-6))
    return f"On average a value changes by {100 * share:.0f} % of the mean."
