"""Which classes are taken for which."""

__all__ = ["confusion_matrix"]

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.style import INK, AccessibleFigure, house_style, new_axes

_MOST_NUMBERS = 25  # with more classes the counts would be smaller than a pixel


@house_style()
def confusion_matrix(
    matrix: NDArray[np.int64],
    class_names: Sequence[str],
    *,
    title: str = "Confusion matrix",
) -> AccessibleFigure:
    """Draw a confusion matrix: counts as numbers, the share of each row as colour.

    Colour shows shares, so that a rare class is as easy to read as a common one.

    Args:
        matrix: (K, K) counts; rows are the true class, columns the predicted one.
        class_names: K names.
        title: heading of the figure.

    Raises:
        WorkshopError: the matrix is not square or not of K classes.
    """
    matrix = np.asarray(matrix)
    K = len(class_names)
    if matrix.shape != (K, K):
        raise WorkshopError(
            f"a confusion matrix of shape {matrix.shape} for {K} class names: rows and"
            " columns must both be the classes."
        )
    totals = matrix.sum(axis=1, keepdims=True)  # (K, 1)
    shares = matrix / np.maximum(totals, 1)  # an absent class gives an empty row

    side = min(4.2 + 0.42 * K, 16.0)
    figure, axes = new_axes(side + 1.0, side)
    image = axes.imshow(100 * shares, cmap="Blues", vmin=0, vmax=100)
    bar = figure.colorbar(image, ax=axes, shrink=0.75)
    bar.set_label("share of the true class (%)")
    if K <= _MOST_NUMBERS:
        _write_counts(axes, matrix, shares)
    names = [textwrap.shorten(str(name), 24, placeholder="…") for name in class_names]
    axes.set_xticks(range(K), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(K), names)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title(title)
    axes.spines[:].set_visible(False)
    figure.alt = _in_words(title, matrix, class_names)
    return figure


def _write_counts(
    axes: Axes, matrix: NDArray[np.int64], shares: NDArray[np.float64]
) -> None:
    size = 12 if len(matrix) <= 12 else 9
    for row, column in np.argwhere(matrix > 0):  # empty cells stay empty: less to read
        colour = "white" if shares[row, column] > 0.5 else INK
        axes.text(
            column, row, f"{matrix[row, column]}",
            ha="center", va="center", color=colour, fontsize=size,
        )  # fmt: skip


def _in_words(title: str, matrix: NDArray[np.int64], class_names: Sequence[str]) -> str:
    right, total = int(np.trace(matrix)), int(matrix.sum())
    text = f"{title}: {right} of {total} images on the diagonal (right)."
    off = matrix - np.diag(np.diag(matrix))
    row, column = divmod(int(off.argmax()), len(off))
    if off[row, column] > 0:
        text += (
            f" The most common mistake: {off[row, column]} images of"
            f" {class_names[row]} predicted as {class_names[column]}."
        )
    return text
