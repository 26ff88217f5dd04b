"""Predictions beside their images: galleries and neighbours."""

__all__ = ["gallery", "neighbours"]

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.display import Cell, picture_table, to_display
from workshop_lib.plots.style import (
    PALETTE,
    AccessibleFigure,
    check_equal,
    house_style,
)


def _verdict(right: bool, words: str) -> tuple[str, str]:
    """Return a caption and the colour of its frame, for a right or a wrong answer."""
    # A sign as well as a colour, for readers who cannot tell the two colours apart
    sign = "\N{CHECK MARK}" if right else "\N{BALLOT X}"
    return f"{sign} {words}", PALETTE["green" if right else "vermilion"]


def _short(name: str, most: int = 17) -> str:
    """Cut a name that would run into the next picture's."""
    return name if len(name) <= most else name[: most - 1] + "…"


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
    check_equal(images=len(images), labels=len(labels), predictions=len(probs))
    confidence, predicted = probs.max(dim=1)  # (N,), (N,)
    cells = []
    for picture, true, guess, sure in zip(
        to_display(images, bands), labels.tolist(), predicted.tolist(),
        confidence.tolist(), strict=True,
    ):  # fmt: skip
        words = f"{_short(class_names[guess])}\n{100 * sure:.0f} %"
        if true != guess:
            words += f"\ntrue: {_short(class_names[true])}"
        cells.append(Cell(picture, *_verdict(true == guess, words)))
    rows = [("", cells[k : k + columns]) for k in range(0, len(cells), columns)]
    figure = picture_table(rows, title)
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
        images: (N, C, H, W), as `Scenes.images`.
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
            f"{Q} queries, neighbours of shape {found.shape} and similarities of shape"
            f" {similarity.shape}: give (Q,), (Q, k) and (Q, k); `nearest` makes them."
        )
    check_equal(images=len(images), labels=len(labels))
    same = labels[found] == labels[queries][:, None]  # (Q, k)
    rows = []
    for q, near, cosines, right in zip(queries, found, similarity, same, strict=True):
        shown = to_display(images[[int(q), *near.tolist()]], bands)
        cells = [Cell(shown[0], f"{_short(class_names[labels[q]])}\nasked")]
        for one, i, cosine, ok in zip(shown[1:], near, cosines, right, strict=True):
            words = f"{_short(class_names[labels[i]])}\n{cosine:.2f}"
            cells.append(Cell(one, *_verdict(bool(ok), words)))
        rows.append(("", cells))
    figure = picture_table(rows, title)
    for axes in figure.axes[:: 1 + found.shape[1]]:
        axes.xaxis.label.set_fontweight("bold")
    spoken = "; ".join(
        f"{class_names[labels[q]]}: {int(n)} of {found.shape[1]}"
        for q, n in zip(queries, same.sum(axis=1), strict=True)
    )
    figure.alt = (
        f"{title}: an image per row, its neighbours beside it. Same class: {spoken}."
    )
    return figure
