"""Conversion of sensor values to pictures on a screen, and panels of both."""

__all__ = [
    "NATURAL",
    "Cell",
    "frame",
    "panels",
    "picture_grid",
    "picture_table",
    "sar_to_display",
    "to_display",
]

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from numpy.typing import NDArray
from torch import Tensor

from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.plots.style import INK, AccessibleFigure, house_style

_LOOKS = {
    # Sentinel-2: red, green, blue
    "true colour": ("B04", "B03", "B02"),
    # near infrared, red, green: healthy plants reflect infrared and turn bright red
    "false colour": ("B08", "B04", "B03"),
}
# Reflectance shown as white: land is darker, only snow and cloud clip. Plants send back
# more than half of the near infrared.
_BRIGHTEST = {"B08": 0.5}
_BRIGHTEST_ELSE = 0.3
_GAMMA = 1 / 1.4  # lifts forest and water out of the black
_SAR_RANGES = ((-22.0, 0.0), (-28.0, -6.0), (2.0, 14.0))  # dB: VV, VH, VV - VH
# Land cover in the colours of printed maps
NATURAL = {
    "cropland": "#e8c872", "grassland": "#9bd17b", "trees": "#1f6b3a",
    "water": "#2f6fc4", "sealed": "#8c8c8c", "building": "#c0392b", "bare": "#b08a5b",
}  # fmt: skip
_SIDE = 1.5  # inches of one picture
_PANEL = 2.1  # inches of one panel
_SIGNED = "PuOr"  # a filter's response: orange below 0, purple above, white between


def to_display(
    images: Tensor,
    bands: Sequence[str],
    look: Literal["true colour", "false colour"] = "true colour",
) -> NDArray[np.uint8]:
    """Turn images into red, green and blue as a screen shows them.

    RGB photographs (uint8) pass unchanged. Reflectances are stretched by one fixed rule
    (0 to 0.3, near infrared to 0.5, onto black to white; gamma 1.4), the same for every
    image: a stretch per image would hide the differences of light that a model has to
    live with. Without the bands of the look, the first three channels (or the first one
    as grey) are stretched between their 2nd and 98th percentile.

    Args:
        images: (N, C, H, W) uint8 RGB, or float reflectance.
        bands: the names of the C channels.
        look: "true colour" (B04, B03, B02) or "false colour" (B08, B04, B03).

    Returns:
        (N, H, W, 3) uint8.

    Raises:
        WorkshopError: the shape and the band names do not fit, or the look is unknown.

    >>> to_display(torch.full((1, 3, 2, 2), 0.3), ("B04", "B03", "B02"))[0, 0, 0]
    array([255, 255, 255], dtype=uint8)
    """
    if images.ndim != 4 or images.shape[1] != len(bands):
        raise WorkshopError(
            f"images of shape {tuple(images.shape)} with {len(bands)} band names: give"
            " (N, C, H, W) and one name per channel."
        )
    if look not in _LOOKS:
        raise unknown_name("look", look, _LOOKS)
    images = images.detach().cpu()
    if images.dtype == torch.uint8 and len(bands) == 3:
        return _channels_last(images)
    if images.is_floating_point():
        images = images.nan_to_num(0.0)  # pixels without data are black
    bands = [band.removeprefix("s2:") for band in bands]
    channels = [list(bands).index(b) for b in _LOOKS[look] if b in bands]
    if len(channels) == 3:
        white = [_BRIGHTEST.get(band, _BRIGHTEST_ELSE) for band in _LOOKS[look]]
        scaled = images[:, channels].float() / torch.tensor(white).view(1, 3, 1, 1)
        bright = scaled.clamp(0, 1) ** _GAMMA
    else:
        bright = _stretch(images[:, : 3 if len(bands) >= 3 else 1].float())
    return _channels_last((255 * bright).round().to(torch.uint8))


def sar_to_display(s1: Tensor) -> NDArray[np.uint8]:
    """Show a radar image as a composite: VV in red, VH in green, VV - VH in blue.

    Fixed ranges in decibel: VV -22..0, VH -28..-6, their difference (the ratio of the
    powers) 2..14. Water is dark, towns are yellow to white, forest is greenish.

    Args:
        s1: (N, 2, H, W) backscatter in dB, VV then VH.

    Returns:
        (N, H, W, 3) uint8.

    Raises:
        WorkshopError: there are not exactly two channels.
    """
    if s1.ndim != 4 or s1.shape[1] != 2:
        raise WorkshopError(
            f"radar images of shape {tuple(s1.shape)}: give (N, 2, H, W), VV then VH."
        )
    vv, vh = s1.detach().cpu().float().unbind(1)  # each (N, H, W)
    scaled = [
        ((channel - low) / (high - low)).clamp(0, 1)
        for channel, (low, high) in zip((vv, vh, vv - vh), _SAR_RANGES, strict=True)
    ]
    return _channels_last((255 * torch.stack(scaled, 1)).round().to(torch.uint8))


def _stretch(images: Tensor) -> Tensor:
    """Stretch unknown channels to 0..1; a sample of the pixels settles the range."""
    values = images.transpose(0, 1).flatten(1)  # (C, N*H*W)
    values = values[:, :: max(1, values.shape[1] // 100_000)]
    low, high = torch.quantile(values, torch.tensor([0.02, 0.98]), dim=1)  # (C,) each
    low, high = low.view(1, -1, 1, 1), high.view(1, -1, 1, 1)
    return ((images - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)


def _channels_last(images: Tensor) -> NDArray[np.uint8]:
    if images.shape[1] == 1:
        images = images.expand(-1, 3, -1, -1)
    return np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy())


def picture_grid(
    rows: int,
    columns: int,
    caption: float,
    left: float = 0.0,
    side: float = _SIDE,
    head: float = 0.5,
) -> tuple[AccessibleFigure, NDArray[Any]]:
    """Lay out square pictures; inches below each, left of each row, and for a title."""
    size = (max(left + columns * side, 4.0), rows * (side + caption) + head)
    figure = AccessibleFigure(figsize=size)
    return figure, figure.subplots(rows, columns, squeeze=False)


def frame(
    axes: Axes, picture: NDArray[np.uint8], colour: str = INK, dash: str = "-"
) -> None:
    """Show a picture (H, W, 3) in a coloured frame, without ticks."""
    axes.imshow(picture, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color=colour, linewidth=2, linestyle=dash)


class Cell(NamedTuple):
    """A picture with its caption and the look of its frame."""

    picture: NDArray[np.uint8]  # (H, W, 3)
    caption: str = ""
    colour: str = INK  # of the frame
    dash: str = "-"


def picture_table(
    rows: Sequence[tuple[str, Sequence[Cell]]],
    title: str,
    *,
    side: float = _SIDE,
    size: float = 10,
    bold: bool = False,
) -> AccessibleFigure:
    """Lay out named rows of pictures; captions of `size` points, sides in inches."""
    longest = max(len(line) for name, _ in rows for line in name.split("\n"))
    # The lines of text that each row needs below its pictures
    captions = [[cell.caption for cell in cells if cell.caption] for _, cells in rows]
    lines = [max((c.count("\n") + 1 for c in row), default=0) for row in captions]
    figure, grid = picture_grid(
        len(rows),
        max(len(cells) for _, cells in rows),
        caption=0.05 + 0.022 * size * sum(lines) / len(rows),
        left=0.3 + (0.13 if bold else 0.11) * longest if longest else 0.0,
        side=side,
        head=0.5 if title else 0.05,
    )
    for line, (name, cells) in zip(grid, rows, strict=True):
        for axes in line[len(cells) :]:
            axes.axis("off")
        for axes, cell in zip(line, cells, strict=False):
            frame(axes, cell.picture, cell.colour, cell.dash)
            axes.set_xlabel(cell.caption, fontsize=size, color=INK)
            axes.set_anchor("E")  # room that is left over belongs to the names
        # Text, not the axis' label: a row without images has its axes switched off
        line[0].text(
            -0.08, 0.5, name, transform=line[0].transAxes,
            ha="right", va="center", fontsize=12,
            fontweight="bold" if bold else "normal",
        )  # fmt: skip
    if title:
        figure.suptitle(title)
    return figure


@house_style()
def panels(
    shown: Mapping[str, NDArray[Any]],
    *,
    title: str,
    columns: int = 6,
    numbers: bool = False,
    span: tuple[float, float] | None = None,
) -> AccessibleFigure:
    """Show pictures in colour, and maps of one number per pixel, each with a title.

    A map with numbers on both sides of 0 is drawn in two colours that meet in white at
    0; another one from dark (lowest) to bright (highest). Each map has a scale of its
    own, whose ends are written below it, unless `span` gives all of them the same.

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
    figure, grid = picture_grid(rows, columns, caption=0.65, side=_PANEL)
    words = []
    for axes, (name, values) in zip(grid.flat, shown.items(), strict=False):
        note = _draw_panel(axes, name, np.asarray(values), numbers, span)
        axes.set_title(name, fontsize=12, loc="center", fontweight="normal")
        axes.set(xticks=[], yticks=[])
        axes.set_xlabel(note, fontsize=10)
        axes.spines[:].set(visible=True, color=INK)
        words.append(f"{name} ({note})")
    for axes in grid.flat[len(shown) :]:
        axes.set_visible(False)
    figure.suptitle(title)
    figure.alt = f"{title}: {len(shown)} panels side by side: {'; '.join(words)}."
    return figure


def _draw_panel(
    axes: Axes,
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
    signed, most = low < 0 < high, max(-low, high)
    look: dict[str, Any] = {"cmap": "cividis", "vmin": low, "vmax": high}
    if signed:
        look = {"cmap": _SIGNED, "vmin": -most, "vmax": most}
    axes.imshow(values, interpolation="nearest", **look)
    if numbers and values.size <= 64:
        for (row, column), value in np.ndenumerate(values):
            # Both ends of the signed colours are dark, only the low end of the other
            dark = abs(value) > 0.6 * most if signed else value < (low + high) / 2
            axes.text(
                column, row, f"{value:g}".replace("-", "\N{MINUS SIGN}"),
                ha="center", va="center", color="white" if dark else INK, fontsize=12,
            )  # fmt: skip
    return f"{size}, {own[0]:.2g} to {own[1]:.2g}".replace("-", "\N{MINUS SIGN}")
