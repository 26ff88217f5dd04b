"""Several views of the same images, one named row for each kind of view."""

__all__ = ["view_rows"]

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.display import to_display
from workshop_lib.plots.pictures import frame, picture_grid
from workshop_lib.plots.style import INK, AccessibleFigure, house_style


@house_style()
def view_rows(
    rows: Mapping[str, Tensor],
    bands: Sequence[str],
    *,
    title: str,
    captions: Sequence[str] = (),
) -> AccessibleFigure:
    """Show views in named rows, so that a row can be compared with the one above.

    Args:
        rows: by the name that stands on the left, images (n, C, H, W): as they are
            stored, or float views of them, RGB in 0..1. Sizes may differ between rows.
        bands: the names of the C channels.
        title: heading of the figure.
        captions: below each column; none by default.

    Raises:
        WorkshopError: there is no image, or another number of captions than columns.
    """
    columns = max((len(images) for images in rows.values()), default=0)
    if columns == 0 or len(captions) not in (0, columns):
        raise WorkshopError(
            f"{len(rows)} rows of up to {columns} images with {len(captions)}"
            " captions: give at least one image, and no caption or one per column."
        )
    below = 0.3 if captions else 0.05
    left = 0.3 + 0.11 * max(map(len, rows))  # inches that the longest name takes
    figure, grid = picture_grid(len(rows), columns, caption=below, left=left)
    for k, (name, images) in enumerate(rows.items()):
        for axes in grid[k, len(images) :]:
            axes.axis("off")
        for axes, picture in zip(grid[k], _on_screen(images, bands), strict=False):
            frame(axes, picture, INK)
        grid[k, 0].text(
            -0.08, 0.5, name, transform=grid[k, 0].transAxes,
            ha="right", va="center", fontsize=12,
        )  # fmt: skip
    for axes in grid.flat:
        axes.set_anchor("E")  # room that is left over belongs to the names
    for axes, text in zip(grid[-1], captions, strict=False):
        axes.set_xlabel(text, fontsize=10, color=INK)
    figure.suptitle(title, fontsize=15, fontweight="bold")
    what = "one image" if columns == 1 else f"{columns} images"
    figure.alt = f"{title}. Rows of {what}, from above: {', '.join(rows)}."
    if captions:
        figure.alt += f" Columns: {', '.join(captions)}."
    return figure


def _on_screen(images: Tensor, bands: Sequence[str]) -> NDArray[np.uint8]:
    """Show a float view of a photograph by the same rule as the photograph."""
    if images.is_floating_point() and tuple(bands) == ("red", "green", "blue"):
        images = (255 * images.clamp(0, 1)).round().to(torch.uint8)
    return to_display(images, bands)
