"""Satellite images in rows: classes, views, seasons, predictions, neighbours."""

__all__ = [
    "class_samples",
    "gallery",
    "neighbours",
    "seasons",
    "view_rows",
]

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workshop_lib.data.dataset import Dataset
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.plots.display import Cell, picture_table, to_display, wrap
from workshop_lib.plots.style import (
    PALETTE,
    AccessibleFigure,
    check_equal,
    house_style,
    short_names,
)

_YEAR = 365  # days


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
    if len(captions) not in (0, columns):
        raise WorkshopError(
            f"{len(captions)} captions of {columns} columns: give none, or one of each."
        )
    shown = [
        (name, [Cell(one) for one in to_display(images, bands)])
        for name, images in rows.items()
    ]
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
    scenes: Dataset,
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
        WorkshopError: no dates, or an unknown class.
    """
    if "day_of_year" not in scenes.metadata:
        raise WorkshopError(f"{scenes} holds no day_of_year: its dates are not known.")
    middles = (torch.arange(columns) + 0.5) * _YEAR / columns  # (columns,)
    days = scenes.metadata["day_of_year"]
    rows = []
    for name in classes:
        if name not in scenes.class_names:
            raise unknown_name("class", name, scenes.class_names)
        own = (scenes.labels == scenes.class_names.index(name)).nonzero().flatten()
        nearest = own[(days[own, None] - middles).abs().argmin(dim=0)]  # (columns,)
        pictures = to_display(scenes.images[nearest], scenes.bands)
        taken = days[nearest].int().tolist()
        pairs = zip(pictures, taken, strict=True)
        rows.append((name, [Cell(one, f"day {day}") for one, day in pairs]))
    figure = picture_table(rows, title)
    told = "; ".join(
        f"{name} on days {', '.join(cell.caption[4:] for cell in cells)}"
        for name, cells in rows
    )
    figure.alt = f"{title}: one row of satellite images per class: {told}."
    return figure


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
        images: (N, C, H, W), as `Dataset.images`.
        bands: the names of the C channels.
        labels: (N,) true classes.
        probs: (N, K) predicted probabilities, as `predict` returns.
        class_names: K names.
        title: heading of the figure.
        columns: pictures per row.

    Raises:
        WorkshopError: there is no image, or the lengths differ.
    """
    check_equal(images=len(images), labels=len(labels), predictions=len(probs))
    names = short_names(class_names, 17)
    confidence, predicted = (found.tolist() for found in probs.max(dim=1))  # (N,) each
    pictures = to_display(images, bands)
    cells = []
    for i, true in enumerate(labels.tolist()):
        words = f"{names[predicted[i]]}\n{100 * confidence[i]:.0f} %"
        if true != predicted[i]:
            words += f"\ntrue: {names[true]}"
        cells.append(_verdict(pictures[i], true == predicted[i], words))
    figure = picture_table(wrap(cells, columns), title)
    spoken = "; ".join(cell.caption.replace("\n", ", ") for cell in cells)
    figure.alt = f"{title}. {len(images)} images: {spoken}."
    return figure


@house_style()
def neighbours(
    images: Tensor,
    bands: Sequence[str],
    labels: NDArray[np.int64],
    class_names: Sequence[str],
    queries: NDArray[np.int64],
    found: NDArray[np.int64],
    similarity: NDArray[np.float32],
    *,
    title: str = "Nearest neighbours",
) -> AccessibleFigure:
    """Show images, one per row, and to the right what the network finds most alike.

    Args:
        images: (N, C, H, W), as `Dataset.images`.
        bands: names of the C channels.
        labels: (N,) true classes.
        class_names: K names.
        queries: (Q,) positions of the images asked about.
        found: (Q, k) positions of their neighbours, as `nearest` returns.
        similarity: (Q, k) cosines.
        title: heading of the figure.

    Raises:
        WorkshopError: the shapes do not fit together.
    """
    Q = len(queries)
    if found.ndim != 2 or found.shape != similarity.shape or not 0 < Q == len(found):
        raise WorkshopError(
            f"{Q} queries, found {found.shape}, similarity {similarity.shape}: give"
            " (Q,), (Q, k) and (Q, k), as `nearest` returns them."
        )
    check_equal(images=len(images), labels=len(labels))
    names = short_names(class_names, 17)
    pictures = to_display(images, bands)
    same = labels[found] == labels[queries][:, None]  # (Q, k)
    rows = []
    for row, q in enumerate(queries):
        cells = [Cell(pictures[q], f"{names[labels[q]]}\nasked")]
        for i, cosine, right in zip(
            found[row], similarity[row], same[row], strict=True
        ):
            words = f"{names[labels[i]]}\n{cosine:.2f}"
            cells.append(_verdict(pictures[i], right, words))
        rows.append(("", cells))
    figure = picture_table(rows, title)
    for axes in figure.axes[:: 1 + found.shape[1]]:
        axes.xaxis.label.set_fontweight("bold")
    spoken = "; ".join(
        f"{class_names[labels[q]]}: {own.sum()} of {len(own)}"
        for q, own in zip(queries, same, strict=True)
    )
    figure.alt = (
        f"{title}: an image per row, its neighbours beside it. Same class: {spoken}."
    )
    return figure


def _verdict(picture: NDArray[np.uint8], right: bool, words: str) -> Cell:
    """Frame a right or wrong answer; a sign tells it to readers who see no colours."""
    sign = "\N{CHECK MARK}" if right else "\N{BALLOT X}"
    return Cell(
        picture, f"{sign} {words}", colour=PALETTE["green" if right else "vermilion"]
    )
