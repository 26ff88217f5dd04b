"""Pictures and maps of any size side by side, each under its title."""

__all__ = ["panels"]

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.style import INK, AccessibleFigure, house_style

_INCHES = 2.1  # side of one panel
_SIGNED = "PuOr"  # a filter's answer: orange below 0, purple above, white between


@house_style()
def panels(
    shown: Mapping[str, NDArray[Any]],
    *,
    title: str,
    columns: int = 6,
    numbers: bool = False,
    span: tuple[float, float] | None = None,
) -> AccessibleFigure:
    """Show pictures in colour, and maps of one number per pixel.

    A map with numbers on both sides of 0 is drawn in two colours that meet in white at
    0; another one from dark (lowest) to bright (highest). Each map has a scale of its
    own, whose ends stand below it, unless `span` gives all of them the same.

    Args:
        shown: by title: a picture (H, W, 3) uint8, or a map (H, W) of numbers.
        title: heading of the figure.
        columns: at most so many panels in a row.
        numbers: whether to write its number into each pixel of a map of up to 64.
        span: lowest and highest number of the scale of all maps, for comparing them.

    Raises:
        WorkshopError: nothing to show, or neither a picture nor a map.
    """
    if not shown:
        raise WorkshopError("no panels: give at least one picture or map.")
    columns = min(columns, len(shown))
    rows = -(-len(shown) // columns)
    size = (max(columns * _INCHES, 4.0), rows * (_INCHES + 0.65) + 0.5)
    figure = AccessibleFigure(figsize=size)
    grid = figure.subplots(rows, columns, squeeze=False)
    words = []
    for axes, (name, values) in zip(grid.flat, shown.items(), strict=False):
        note = _draw(axes, name, np.asarray(values), numbers, span)
        axes.set_title(name, fontsize=12, loc="center", fontweight="normal")
        axes.set(xticks=[], yticks=[])
        axes.set_xlabel(note, fontsize=10)
        axes.spines[:].set(visible=True, color=INK)
        words.append(f"{name} ({note})")
    for axes in grid.flat[len(shown) :]:
        axes.set_visible(False)
    figure.suptitle(title, fontsize=15, fontweight="bold")
    figure.alt = f"{title}: {len(shown)} panels side by side: {'; '.join(words)}."
    return figure


def _draw(
    axes: Any,
    name: str,
    values: NDArray[Any],
    numbers: bool,
    span: tuple[float, float] | None,
) -> str:
    """Draw one panel; return its size, and the range of a map, in words."""
    picture = values.ndim == 3 and values.shape[2] == 3 and values.dtype == np.uint8
    if not picture and (values.ndim != 2 or not np.isfinite(values).all()):
        raise WorkshopError(
            f"panel {name!r} of shape {values.shape} and type {values.dtype}: give a"
            " picture (H, W, 3) uint8 or a map (H, W) of finite numbers."
        )
    size = f"{values.shape[0]} x {values.shape[1]}"
    if picture:
        axes.imshow(values, interpolation="nearest")
        return size
    own = float(values.min()), float(values.max())
    low, high = span or own
    most = max(-low, high)
    look = {"cmap": "cividis", "vmin": low, "vmax": high}
    if low < 0 < high:
        look = {"cmap": _SIGNED, "vmin": -most, "vmax": most}
    axes.imshow(values, interpolation="nearest", **look)
    if numbers and values.size <= 64:
        for (row, column), value in np.ndenumerate(values):
            # Both ends of the signed colours are dark, only the low end of the other
            dark = (
                abs(value) > 0.6 * most if low < 0 < high else value < (low + high) / 2
            )
            colour = "white" if dark else INK
            axes.text(
                column, row, f"{value:g}".replace("-", "\N{MINUS SIGN}"),
                ha="center", va="center", color=colour, fontsize=12,
            )  # fmt: skip
    return f"{size}, {own[0]:.2g} to {own[1]:.2g}".replace("-", "\N{MINUS SIGN}")
