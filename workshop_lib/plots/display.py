"""Sensor values as pictures on a screen, and tables of such pictures."""

__all__ = [
    "Cell",
    "cells_of",
    "frame",
    "panels",
    "picture_table",
    "sar_to_display",
    "to_display",
    "wrap",
]

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from numpy.typing import NDArray
from torch import Tensor

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.style import INK, MINUS, AccessibleFigure, house_style, new_axes

# Bands shown as red, green and blue, and the reflectance shown as full colour: land is
# darker, only snow and cloud clip
_LOOKS = {
    "true colour": {"B04": 0.3, "B03": 0.3, "B02": 0.3},
    # Plants send back more than half of the near infrared, and turn bright red
    "false colour": {"B08": 0.5, "B04": 0.3, "B03": 0.3},
}
_GAMMA = 1 / 1.4  # lifts forest and water out of the black
_SAR_RANGES = ((-22.0, 0.0), (-28.0, -6.0), (2.0, 14.0))  # dB: VV, VH, VV - VH
_SIDE = 1.5  # inches of one picture
_PANEL = 2.1  # inches of one panel
_POINT = 0.022  # inches of a line of text per point of its size
_LETTERS: dict[str, Any] = {"fontsize": 12, "loc": "center", "fontweight": "normal"}
_HEADING = 0.26  # inches of a line of a heading


def to_display(
    images: Tensor,
    bands: Sequence[str],
    look: Literal["true colour", "false colour"] = "true colour",
) -> NDArray[np.uint8]:
    """Turn images into red, green and blue as a screen shows them.

    RGB photographs (uint8) pass unchanged, and float views of them (0 to 1) look the
    same. Reflectances are stretched by one fixed rule (0 to 0.3, near infrared to 0.5,
    onto black to white; gamma 1.4), the same for every image: a stretch per image would
    hide the differences of light that a model has to live with. Without the bands of
    the look, the first three channels (or the first one as grey) are stretched between
    their 2nd and 98th percentile.

    Args:
        images: (N, C, H, W) uint8 RGB, or float reflectance.
        bands: the names of the C channels.
        look: "true colour" (B04, B03, B02) or "false colour" (B08, B04, B03).

    Returns:
        (N, H, W, 3) uint8.

    Raises:
        WorkshopError: the shape and the band names do not fit.

    >>> to_display(torch.full((1, 3, 2, 2), 0.3), ("B04", "B03", "B02"))[0, 0, 0]
    array([255, 255, 255], dtype=uint8)
    """
    if images.ndim != 4 or images.shape[1] != len(bands):
        raise WorkshopError(
            f"images {tuple(images.shape)} with {len(bands)} band names: give (N, C, H,"
            " W) and one name per channel."
        )
    images = images.detach().cpu()
    if images.dtype == torch.uint8 and len(bands) == 3:
        return _channels_last(images)
    if images.is_floating_point():
        images = images.nan_to_num(0.0)  # pixels without data are black
    if tuple(bands) == ("red", "green", "blue"):  # a float view of a photograph
        return _to_bytes(images)
    bands = [band.removeprefix("s2:") for band in bands]
    if set(_LOOKS[look]) <= set(bands):
        chosen = images[:, [bands.index(band) for band in _LOOKS[look]]].float()
        full = torch.tensor(list(_LOOKS[look].values())).view(1, 3, 1, 1)
        return _to_bytes((chosen / full).clamp(0, 1) ** _GAMMA)
    return _to_bytes(_stretch(images[:, : 3 if len(bands) >= 3 else 1].float()))


def sar_to_display(s1: Tensor) -> NDArray[np.uint8]:
    """Show a radar image as a composite: VV in red, VH in green, VV - VH in blue.

    Fixed ranges in decibel: VV -22..0, VH -28..-6, their difference (the ratio of the
    powers) 2..14. Water is dark, towns are yellow to white, forest is greenish.

    Args:
        s1: (N, 2, H, W) backscatter in dB, VV then VH.

    Returns:
        (N, H, W, 3) uint8.
    """
    vv, vh = s1.detach().cpu().float().unbind(1)  # each (N, H, W)
    low, high = torch.tensor(_SAR_RANGES).view(3, 2, 1, 1).unbind(1)  # (3, 1, 1) each
    return _to_bytes((torch.stack([vv, vh, vv - vh], 1) - low) / (high - low))


def _stretch(images: Tensor) -> Tensor:
    """Stretch unknown channels to 0..1; a sample of the pixels settles the range."""
    values = images.transpose(0, 1).flatten(1)  # (C, N*H*W)
    values = values[:, :: max(1, values.shape[1] // 100_000)]
    low, high = torch.quantile(values, torch.tensor([0.02, 0.98]), dim=1)  # (C,) each
    low, high = low.view(1, -1, 1, 1), high.view(1, -1, 1, 1)
    return (images - low) / (high - low).clamp(min=1e-12)


def _to_bytes(images: Tensor) -> NDArray[np.uint8]:
    """Turn brightness 0..1 into (N, H, W, 3) uint8; what is outside is cut off."""
    return _channels_last((255 * images.clamp(0, 1)).round().to(torch.uint8))


def _channels_last(images: Tensor) -> NDArray[np.uint8]:
    if images.shape[1] == 1:
        images = images.expand(-1, 3, -1, -1)
    return np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy())


class Cell(NamedTuple):
    """A picture of a table, with the words above and below it."""

    picture: NDArray[Any]  # (H, W, 3) colours, or (H, W) numbers
    caption: str = ""
    title: str = ""
    colour: str = INK  # of the frame
    look: Mapping[str, Any] = {}  # colour map and limits of numbers, for `imshow`


def frame(axes: Axes, picture: NDArray[Any], colour: str = INK, **look: Any) -> None:
    """Show a picture in a frame, without ticks."""
    axes.imshow(picture, interpolation="nearest", **look)
    axes.set(xticks=[], yticks=[])
    width = 1 if colour == INK else 2.5  # a verdict is seen from afar
    axes.spines[:].set(visible=True, color=colour, linewidth=width)


def cells_of(
    images: Tensor, bands: Sequence[str], captions: Sequence[str] = ()
) -> list[Cell]:
    """Make pictures of images (n, C, H, W), with captions below the first of them."""
    texts = [*captions, *[""] * len(images)]
    return list(map(Cell, to_display(images, bands), texts))


def wrap(cells: Sequence[Cell], columns: int) -> list[tuple[str, Sequence[Cell]]]:
    """Break a list of pictures into rows without names, for `picture_table`."""
    return [("", cells[k : k + columns]) for k in range(0, len(cells), columns)]


def picture_table(
    rows: Sequence[tuple[str, Sequence[Cell]]],
    title: str,
    *,
    headings: Sequence[str] = (),
    side: float = _SIDE,
    size: float = 10,
    key: Mapping[str, str] | None = None,
) -> AccessibleFigure:
    """Lay out named rows of pictures.

    Args:
        rows: a name, left of the row, and its pictures; a row may be shorter.
        title: of the figure; "" for none.
        headings: of the columns.
        side: width of a picture, in inches.
        size: of the captions, in points.
        key: colours by what they mean, explained below the pictures.
    """
    shapes = [cell.picture.shape for _, cells in rows for cell in cells]
    if not shapes:
        raise WorkshopError("no picture to show: give at least one.")
    columns = max(len(cells) for _, cells in rows)
    longest = max(len(line) for name, _ in rows for line in name.split("\n"))
    height = side * max(shape[0] / shape[1] for shape in shapes)
    words = _HEADING * _most_lines(headings)  # inches of what is between the pictures
    for _, cells in rows:
        words += _POINT * size * _most_lines(cell.caption for cell in cells)
        words += _HEADING * _most_lines(cell.title for cell in cells)
    most = min(max(columns, 2), 4)  # entries of the key in a row
    below = 0.1 + 0.25 * -(-len(key) // most) if key else 0.0
    left = 0.3 + 0.11 * longest if longest else 0.0
    head = 0.5 if title else 0.05
    width = max(left + columns * side, 4.0)
    whole = head + len(rows) * (height + 0.05) + words + below
    figure, grid = new_axes(width, whole, len(rows), columns, squeeze=False)
    for line, (name, cells) in zip(grid, rows, strict=True):
        _show_row(line, name, cells, size)
    for axes, heading in zip(grid[0], headings, strict=False):
        axes.set_title(heading, **_LETTERS)
    if key:
        patches = [Patch(facecolor=colour, edgecolor=INK) for colour in key.values()]
        place: dict[str, Any] = {"loc": "outside lower center", "ncols": most}
        figure.legend(patches, list(key), fontsize=11, **place)
    if title:
        figure.suptitle(title)
    return figure


def _most_lines(texts: Iterable[str]) -> int:
    return max((text.count("\n") + 1 for text in texts if text), default=0)


def _show_row(
    line: NDArray[Any], name: str, cells: Sequence[Cell], size: float
) -> None:
    for axes in line[len(cells) :]:
        axes.axis("off")
    for axes, cell in zip(line, cells, strict=False):
        frame(axes, cell.picture, cell.colour, **cell.look)
        axes.set_xlabel(cell.caption, fontsize=size)
        axes.set_title(cell.title, **_LETTERS)
        axes.set_anchor("E" if name else "C")  # room that is left over is the name's
    if name:  # not as the axis' label: a row without images has its axes switched off
        place = {"transform": line[0].transAxes, "ha": "right", "va": "center"}
        line[0].text(-0.08, 0.5, name, fontsize=12, **place)


@house_style()
def panels(
    shown: Mapping[str, NDArray[Any]],
    *,
    title: str,
    columns: int = 6,
    numbers: bool = False,
) -> AccessibleFigure:
    """Show pictures in colour, and maps of one number per pixel, each with a title.

    A map with numbers on both sides of 0 is drawn in two colours that meet in white at
    0; another one from dark (lowest) to bright (highest). Each map has a scale of its
    own, whose ends are written below it.

    Args:
        shown: by title: a picture (H, W, 3), or a map (H, W) of numbers.
        title: heading of the figure.
        columns: at most so many panels in a row.
        numbers: whether to write its number into each pixel of a map of up to 64.

    Raises:
        WorkshopError: nothing to show.
    """
    cells = [_panel(name, np.asarray(each)) for name, each in shown.items()]
    figure = picture_table(wrap(cells, columns), title, side=_PANEL)
    for axes, cell in zip(figure.axes, cells, strict=False):
        if numbers and cell.look and cell.picture.size <= 64:
            _write_numbers(axes, cell.picture)
    words = "; ".join(f"{cell.title} ({cell.caption})" for cell in cells)
    figure.alt = f"{title}: {len(cells)} panels side by side: {words}."
    return figure


def _panel(name: str, values: NDArray[Any]) -> Cell:
    """Choose a panel's colours; write its size, and the range of a map, below it."""
    size = f"{values.shape[0]} x {values.shape[1]}"
    if values.ndim == 3:
        return Cell(values, size, name)
    low, high = float(values.min()), float(values.max())
    note = f"{size}, {low:.2g} to {high:.2g}".replace("-", MINUS)
    look: dict[str, Any] = {"cmap": "cividis", "vmin": low, "vmax": high}
    if low < 0 < high:  # orange below 0, purple above, white between
        most = max(-low, high)
        look = {"cmap": "PuOr", "vmin": -most, "vmax": most}
    return Cell(values, note, name, look=look)


def _write_numbers(axes: Axes, values: NDArray[Any]) -> None:
    (image,) = axes.images
    for (row, column), value in np.ndenumerate(values):
        red, green, blue, _ = image.cmap(image.norm(value))
        dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
        axes.text(
            column, row, f"{value:g}".replace("-", MINUS), fontsize=12,
            ha="center", va="center", color="white" if dark else INK,
        )  # fmt: skip
