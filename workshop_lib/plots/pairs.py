"""Pairs of images side by side: the same ground, or only alike?"""

__all__ = ["image_pairs"]

from collections.abc import Sequence

from torch import Tensor

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.display import to_display
from workshop_lib.plots.pictures import frame, picture_grid
from workshop_lib.plots.style import INK, AccessibleFigure, house_style


@house_style()
def image_pairs(
    first: Tensor,
    second: Tensor,
    bands: Sequence[str],
    captions: Sequence[str],
    *,
    title: str = "Pairs of images",
    columns: int = 3,
) -> AccessibleFigure:
    """Show pairs of images, each pair with a line or two of text below.

    Args:
        first, second: (P, C, H, W) each, as `Scenes.images`.
        bands: the names of the C channels.
        captions: P texts.
        title: heading of the figure.
        columns: pairs per row.

    Raises:
        WorkshopError: there is no pair, or the lengths differ.
    """
    if not 0 < len(first) == len(second) == len(captions):
        raise WorkshopError(
            f"{len(first)} and {len(second)} images, {len(captions)} captions: give at"
            " least one pair, and a caption for each."
        )
    columns = min(columns, len(first))
    figure, grid = picture_grid(-(-len(first) // columns), 2 * columns, caption=0.6)
    for axes in grid.flat[2 * len(first) :]:
        axes.set_visible(False)
    shown = zip(to_display(first, bands), to_display(second, bands), strict=True)
    for k, (pair, text) in enumerate(zip(shown, captions, strict=True)):
        left, right = grid.flat[2 * k], grid.flat[2 * k + 1]
        frame(left, pair[0], INK)
        frame(right, pair[1], INK)
        caption = left.text(
            0.0, -0.06, text, transform=left.transAxes,
            ha="left", va="top", fontsize=10, color=INK,
        )  # fmt: skip
        # It runs below both pictures: the layout must not push them apart for it,
        # only leave room for its lines
        caption.set_in_layout(False)
        left.set_xlabel("\n" * text.count("\n") + " ", fontsize=10, labelpad=10)
    figure.suptitle(title, fontsize=15, fontweight="bold")
    spoken = "; ".join(text.replace("\n", ", ") for text in captions)
    figure.alt = f"{title}. {len(first)} pairs of satellite images: {spoken}."
    return figure
