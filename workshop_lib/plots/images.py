"""Satellite images in rows: samples of classes, views, seasons, pairs."""

__all__ = [
    "class_samples",
    "image_pairs",
    "seasons",
    "view_rows",
]

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from workshop_lib.data.scenes import Scenes
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.plots.display import (
    Cell,
    frame,
    picture_grid,
    picture_table,
    to_display,
)
from workshop_lib.plots.style import (
    INK,
    AccessibleFigure,
    check_equal,
    house_style,
)

_YEAR = 365


@house_style()
def class_samples(
    images: Any,
    labels: Tensor | None = None,
    class_names: Sequence[str] = (),
    bands: Sequence[str] = (),
    *,
    per_class: int = 6,
    title: str = "Examples of each class",
) -> AccessibleFigure:
    """Show the first images of each class, one row per class.

    Args:
        images: a data set, which has all else; or (N, C, H, W), as its images.
        labels: (N,) classes.
        class_names: K names; a class without images gets an empty row.
        bands: the names of the C channels.
        per_class: pictures per row.
        title: heading of the figure.

    Raises:
        WorkshopError: there is no image, or the lengths differ.
    """
    if labels is None:  # a data set alone
        labels, class_names, bands = images.labels, images.class_names, images.bands
        images = images.images
    check_equal(images=len(images), labels=len(labels))
    rows = []
    for k, name in enumerate(class_names):
        own = images[labels == k][:per_class]
        rows.append((name, [Cell(one) for one in to_display(own, bands)]))
    figure = picture_table(rows, title)
    counts = ", ".join(f"{name} ({len(cells)})" for name, cells in rows)
    figure.alt = f"{title}: one row of satellite images per class: {counts}."
    return figure


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
        rows: by the name on the left, images (n, C, H, W): as they are stored, or float
            views of them, RGB in 0..1. Sizes may differ between rows.
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
    shown = []
    for name, images in rows.items():
        if images.is_floating_point() and tuple(bands) == ("red", "green", "blue"):
            # A float view of a photograph by the same rule as the photograph
            images = (255 * images.clamp(0, 1)).round().to(torch.uint8)
        shown.append((name, [Cell(one) for one in to_display(images, bands)]))
    if captions:  # below the last row; it may be shorter than the others
        name, last = shown[-1]
        below = zip(last, captions, strict=False)
        shown[-1] = (name, [cell._replace(caption=text) for cell, text in below])
    figure = picture_table(shown, title)
    what = "one image" if columns == 1 else f"{columns} images"
    figure.alt = f"{title}. Rows of {what}, from above: {', '.join(rows)}."
    if captions:
        figure.alt += f" Columns: {', '.join(captions)}."
    return figure


@house_style()
def seasons(
    scenes: Scenes,
    classes: Sequence[str],
    *,
    columns: int = 6,
    title: str = "The same classes through the year",
) -> AccessibleFigure:
    """Show images of a few classes in the order of their dates, one class per row.

    The year is cut into as many equal pieces as there are columns; of each piece the
    image nearest to its middle is shown, with the day on which it was taken.

    Args:
        scenes: with the metadata "day_of_year" (1 to 365), one label per image.
        classes: names of the classes to show.
        columns: pieces of the year.
        title: heading of the figure.

    Raises:
        WorkshopError: no dates, or a class that is unknown or without images.
    """
    if "day_of_year" not in scenes.metadata:
        raise WorkshopError(f"{scenes} holds no day_of_year: its dates are not known.")
    middles = (torch.arange(columns) + 0.5) * _YEAR / columns  # (columns,)
    days = scenes.metadata["day_of_year"]
    rows, told = [], []
    for name in classes:
        if name not in scenes.class_names:
            raise unknown_name("class", name, scenes.class_names)
        own = (scenes.labels == scenes.class_names.index(name)).nonzero().flatten()
        if len(own) == 0:
            raise WorkshopError(f"no image of {name} in {scenes}: take another class.")
        nearest = own[(days[own, None] - middles).abs().argmin(dim=0)]  # (columns,)
        taken = [int(day) for day in days[nearest].tolist()]
        pictures = to_display(scenes.images[nearest], scenes.bands)
        cells = [
            Cell(one, f"day {day}") for one, day in zip(pictures, taken, strict=True)
        ]
        rows.append((name, cells))
        told.append(f"{name} on days {', '.join(map(str, taken))}")
    figure = picture_table(rows, title)
    figure.alt = f"{title}: one row of satellite images per class: {'; '.join(told)}."
    return figure


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
    """Show pairs of images side by side, each with a line or two of text below.

    Args:
        first, second: (P, C, H, W) each, as `Scenes.images`.
        bands: the names of the C channels.
        captions: P texts.
        title: heading of the figure.
        columns: pairs per row.

    Raises:
        WorkshopError: there is no pair, or the lengths differ.
    """
    check_equal(first=len(first), second=len(second), captions=len(captions))
    columns = min(columns, len(first))
    figure, grid = picture_grid(-(-len(first) // columns), 2 * columns, caption=0.6)
    for axes in grid.flat[2 * len(first) :]:
        axes.set_visible(False)
    pairs = zip(to_display(first, bands), to_display(second, bands), strict=True)
    for k, (pair, text) in enumerate(zip(pairs, captions, strict=True)):
        left, right = grid.flat[2 * k : 2 * k + 2]
        frame(left, pair[0])
        frame(right, pair[1])
        caption = left.text(
            0.0, -0.06, text, transform=left.transAxes,
            ha="left", va="top", fontsize=10, color=INK,
        )  # fmt: skip
        # It runs below both pictures: the layout must not push them apart for it,
        # only leave room for its lines
        caption.set_in_layout(False)
        left.set_xlabel("\n" * text.count("\n") + " ", fontsize=10, labelpad=12)
    figure.suptitle(title)
    spoken = "; ".join(text.replace("\n", ", ") for text in captions)
    figure.alt = f"{title}. {len(first)} pairs of satellite images: {spoken}."
    return figure
