"""Satellite images in rows: classes, views, seasons, predictions, neighbours."""

__all__ = ["class_samples", "gallery", "neighbours", "seasons", "view_rows"]

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workshop_lib.data.dataset import Dataset
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.plots.display import Cell, cells_of, picture_table, wrap
from workshop_lib.plots.style import PALETTE, AccessibleFigure, house_style, short_names

_YEAR, _PIECES = 365, 6  # days; pieces of a year that are shown


@house_style()
def class_samples(scenes: Dataset, *, per_class: int = 6) -> AccessibleFigure:
    """Show the first images of each class, one row per class.

    Args:
        scenes: a data set; a class without images gets an empty row.
        per_class: pictures per row.

    Raises:
        WorkshopError: there is no image.
    """
    rows, title = [], "Examples of each class"
    for k, name in enumerate(scenes.class_names):
        own = scenes.images[scenes.has_class(k)][:per_class]
        rows.append((name, cells_of(own, scenes.bands)))
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
        WorkshopError: there is no image.
    """
    *_, last = "", *rows  # has the captions; it may be shorter than the others
    shown = [
        (name, cells_of(images, bands, captions if name == last else ()))
        for name, images in rows.items()
    ]
    figure = picture_table(shown, title)
    columns = max(map(len, rows.values()))
    what = "one image" if columns == 1 else f"{columns} images"
    figure.alt = f"{title}. Rows of {what}, from above: {', '.join(rows)}."
    if captions:
        figure.alt += f" Columns: {', '.join(captions)}."
    return figure


@house_style()
def seasons(scenes: Dataset, classes: Sequence[str]) -> AccessibleFigure:
    """Show images of a few classes in the order of their dates, one class per row.

    The year is cut into six equal pieces; of each piece the image nearest to its middle
    is shown, with the day on which it was taken.

    Args:
        scenes: with the metadata "day_of_year" (1 to 365), one label per image.
        classes: names of the classes to show.

    Raises:
        WorkshopError: no dates, or an unknown class.
    """
    if "day_of_year" not in scenes.metadata:
        raise WorkshopError(f"{scenes} holds no day_of_year: its dates are not known.")
    middles = (torch.arange(_PIECES) + 0.5) * _YEAR / _PIECES  # (6,)
    days = scenes.metadata["day_of_year"]
    rows, told = [], []
    for name in classes:
        if name not in scenes.class_names:
            raise unknown_name("class", name, scenes.class_names)
        own = scenes.has_class(scenes.class_names.index(name)).nonzero().flatten()
        nearest = own[(days[own, None] - middles).abs().argmin(dim=0)]  # (6,)
        taken = [str(day) for day in days[nearest].int().tolist()]
        dated = [f"day {day}" for day in taken]
        rows.append((name, cells_of(scenes.images[nearest], scenes.bands, dated)))
        told.append(f"{name} on days {', '.join(taken)}")
    title = "The same classes through the year"
    figure = picture_table(rows, title)
    figure.alt = f"{title}: one row of satellite images per class: {'; '.join(told)}."
    return figure


@house_style()
def gallery(
    scenes: Dataset,
    index: Tensor,
    probs: Tensor,
    *,
    title: str = "True and predicted classes",
) -> AccessibleFigure:
    """Show images with their true class, the predicted one and the confidence.

    Args:
        scenes: one label per image.
        index: (n,) positions of the images to show.
        probs: (n, K) predicted probabilities of these, as `predict` returns.
        title: heading of the figure.

    Raises:
        WorkshopError: there is no image, or not one row of `probs` for each.
    """
    if len(probs) != len(index):
        raise WorkshopError(
            f"{len(index)} images and {len(probs)} predictions: give those of the same"
            " images, `probs[index]` if you have predicted all."
        )
    names = short_names(scenes.class_names, 17)
    confidence, predicted = (found.tolist() for found in probs.max(dim=1))  # (n,) each
    cells = cells_of(scenes.images[index], scenes.bands)
    for i, true in enumerate(scenes.labels[index].tolist()):
        words = f"{names[predicted[i]]}\n{100 * confidence[i]:.0f} %"
        if true != predicted[i]:
            words += f"\ntrue: {names[true]}"
        cells[i] = _verdict(cells[i], true == predicted[i], words)
    figure = picture_table(wrap(cells, 6), title)
    spoken = "; ".join(cell.caption.replace("\n", ", ") for cell in cells)
    figure.alt = f"{title}. {len(cells)} images: {spoken}."
    return figure


@house_style()
def neighbours(
    scenes: Dataset,
    queries: NDArray[np.int64],
    found: NDArray[np.int64],
    similarity: NDArray[np.float32],
    *,
    title: str = "Nearest neighbours by cosine",
) -> AccessibleFigure:
    """Show images, one per row, and to the right what the network finds most alike.

    Args:
        scenes: one label per image.
        queries: (Q,) positions of the images asked about.
        found: (Q, k) positions of their neighbours, as `nearest` returns.
        similarity: (Q, k) cosines.
        title: heading of the figure.

    Raises:
        WorkshopError: there is no query.
    """
    names = short_names(scenes.class_names, 17)
    rows, found_right = [], []
    for q, others, cosines in zip(queries, found, similarity, strict=True):
        own, *labels = scenes.labels[[q, *others]].tolist()
        asked = [f"{names[own]}\nasked"]
        cells = cells_of(scenes.images[[q, *others]], scenes.bands, asked)
        for i, (label, cosine) in enumerate(zip(labels, cosines, strict=True), 1):
            words = f"{names[label]}\n{cosine:.2f}"
            cells[i] = _verdict(cells[i], label == own, words)
        rows.append(("", cells))
        count = f"{labels.count(own)} of {len(labels)}"
        found_right.append(f"{scenes.class_names[own]}: {count}")
    figure = picture_table(rows, title)
    for axes in figure.axes[:: 1 + found.shape[1]]:
        axes.xaxis.label.set_fontweight("bold")
    figure.alt = (
        f"{title}: an image per row, its neighbours beside it. Same class:"
        f" {'; '.join(found_right)}."
    )
    return figure


def _verdict(cell: Cell, right: bool, words: str) -> Cell:
    """Frame a right or wrong answer; a sign tells it to readers who see no colours."""
    sign = "\N{CHECK MARK}" if right else "\N{BALLOT X}"
    colour = PALETTE["green" if right else "vermilion"]
    return cell._replace(caption=f"{sign} {words}", colour=colour)
