"""Images of the data: what the classes look like, what a model got right and wrong."""

__all__ = ["class_samples", "frame", "gallery", "picture_grid", "short"]

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from torch import Tensor

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.display import to_display
from workshop_lib.plots.style import INK, PALETTE, AccessibleFigure, house_style

_INCHES = 1.5  # side of one picture


@house_style()
def gallery(
    images: Tensor,
    bands: Sequence[str],
    labels: Tensor,
    probs: Tensor,
    class_names: Sequence[str],
    *,
    title: str = "True and predicted classes",
    columns: int = 6,
) -> AccessibleFigure:
    """Show images with their true class, the predicted one and the confidence.

    Args:
        images: (N, C, H, W), as `Scenes.images`.
        bands: the names of the C channels.
        labels: (N,) true classes.
        probs: (N, K) predicted probabilities, as `predict` returns.
        class_names: K names.
        title: heading of the figure.
        columns: pictures per row.

    Raises:
        WorkshopError: there is no image, or the lengths differ.
    """
    if not 0 < len(images) == len(labels) == len(probs):
        raise WorkshopError(
            f"{len(images)} images, {len(labels)} labels, {len(probs)} predictions: a"
            " gallery needs at least one image and equal numbers of all three."
        )
    captions, colours = _captions(labels, probs, class_names)
    shown = to_display(images, bands)
    columns = min(columns, len(images))
    figure, grid = picture_grid(-(-len(images) // columns), columns, caption=0.7)
    for axes in grid.flat[len(images) :]:
        axes.set_visible(False)
    for axes, picture, text, colour in zip(
        grid.flat, shown, captions, colours, strict=False
    ):
        frame(axes, picture, colour)
        axes.set_xlabel(text, fontsize=10, color=INK)
    figure.suptitle(title, fontsize=15, fontweight="bold")
    spoken = "; ".join(caption.replace("\n", ", ") for caption in captions)
    figure.alt = f"{title}. {len(images)} images: {spoken}."
    return figure


@house_style()
def class_samples(
    images: Tensor,
    labels: Tensor,
    class_names: Sequence[str],
    bands: Sequence[str],
    *,
    per_class: int = 6,
    title: str = "Examples of each class",
) -> AccessibleFigure:
    """Show the first images of each class, one row per class.

    Args:
        images: (N, C, H, W), as `Scenes.images`.
        labels: (N,) classes.
        class_names: K names; a class without images gets an empty row.
        bands: the names of the C channels.
        per_class: pictures per row.
        title: heading of the figure.

    Raises:
        WorkshopError: there is no image, or the lengths differ.
    """
    if not 0 < len(images) == len(labels):
        raise WorkshopError(
            f"{len(images)} images and {len(labels)} labels: give at least one image"
            " and one label for each."
        )
    rows = [
        (labels == k).nonzero().flatten()[:per_class] for k in range(len(class_names))
    ]
    columns = max(len(row) for row in rows)
    figure, grid = picture_grid(len(rows), columns, caption=0.05, left=1.8)
    for k, (row, name) in enumerate(zip(rows, class_names, strict=True)):
        shown = to_display(images[row], bands) if len(row) else ()
        for axes in grid[k, len(row) :]:
            axes.axis("off")
        for axes, picture in zip(grid[k], shown, strict=False):
            frame(axes, picture, INK)
        # Text, not the axis' label: a class without images has its axes switched off
        grid[k, 0].text(
            -0.08, 0.5, name, transform=grid[k, 0].transAxes,
            ha="right", va="center", fontsize=12,
        )  # fmt: skip
    figure.suptitle(title, fontsize=15, fontweight="bold")
    counts = ", ".join(
        f"{n} ({len(r)})" for n, r in zip(class_names, rows, strict=True)
    )
    figure.alt = f"{title}: one row of satellite images per class: {counts}."
    return figure


def _captions(
    labels: Tensor, probs: Tensor, class_names: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Say of each image what was predicted, and choose the colour of its frame."""
    confidence, predicted = probs.max(dim=1)  # (N,), (N,)
    captions, colours = [], []
    for true, guess, share in zip(
        labels.tolist(), predicted.tolist(), confidence.tolist(), strict=True
    ):
        right = true == guess
        # A sign as well as a colour, for whoever cannot tell the two colours apart
        sign = "\N{CHECK MARK}" if right else "\N{BALLOT X}"
        said = f"{sign} {short(class_names[guess])}\n{100 * share:.0f} %"
        captions.append(said if right else f"{said}\ntrue: {short(class_names[true])}")
        colours.append(PALETTE["green"] if right else PALETTE["vermilion"])
    return captions, colours


def picture_grid(
    rows: int, columns: int, caption: float, left: float = 0.0
) -> tuple[AccessibleFigure, NDArray[Any]]:
    """Lay out square pictures; inches of text below each, and left of each row."""
    size = (max(left + columns * _INCHES, 4.0), rows * (_INCHES + caption) + 0.5)
    figure = AccessibleFigure(figsize=size)
    return figure, figure.subplots(rows, columns, squeeze=False)


def frame(axes: Axes, picture: NDArray[np.uint8], colour: str) -> None:
    """Show a picture (H, W, 3) in a coloured frame, without ticks."""
    axes.imshow(picture, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(visible=True, color=colour, linewidth=2)


def short(name: str, most: int = 17) -> str:
    """Cut a name that would run into the next picture's."""
    return name if len(name) <= most else name[: most - 1] + "…"
