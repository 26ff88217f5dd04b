"""What scaling to length 1 does to vectors: before, and after on a circle."""

__all__ = ["l2_normalization"]

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from numpy.typing import ArrayLike, NDArray

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.style import (
    GREY,
    INK,
    AccessibleFigure,
    house_style,
    point_style,
)

Points = NDArray[np.float64]


@house_style()
def l2_normalization(
    before: ArrayLike,
    after: ArrayLike,
    labels: ArrayLike,
    class_names: Sequence[str],
    *,
    title: str = "What L2 normalisation does",
) -> AccessibleFigure:
    """Draw vectors of two numbers as lines from the origin, before and after.

    Directions stay, lengths go: afterwards all points lie on the circle of radius 1,
    and only the angle between two of them can still differ.

    Args:
        before, after: (N, 2).
        labels: (N,) classes, 0 to K-1.
        class_names: K names.
        title: heading of the figure.

    Raises:
        WorkshopError: the shapes do not fit, or there is no vector.
    """
    raw, unit = np.asarray(before, np.float64), np.asarray(after, np.float64)
    classes = np.asarray(labels, np.int64)
    N = len(classes)
    if N == 0 or raw.shape != (N, 2) or unit.shape != (N, 2):
        raise WorkshopError(
            f"vectors of shape {raw.shape} and {unit.shape} with labels of shape"
            f" {classes.shape}: give (N, 2) twice and (N,), of at least one vector."
        )
    figure = AccessibleFigure(figsize=(10.4, 4.8))
    left, right = figure.subplots(1, 2)
    _draw(left, raw, classes, "before: length and direction")
    _draw(right, unit, classes, "after: direction alone")
    shown = np.unique(classes).tolist()
    handles = [Line2D([], [], markersize=8, **point_style(k)) for k in shown]
    names = [class_names[k] for k in shown]
    figure.legend(handles, names, loc="outside right center", fontsize=11)
    figure.suptitle(title, fontsize=15, fontweight="bold")
    long, short = np.linalg.norm(raw, axis=1).max(), np.linalg.norm(raw, axis=1).min()
    lengths = np.linalg.norm(unit, axis=1)
    figure.alt = (
        f"{title}: {N} vectors of two numbers. Before, lengths from {short:.2f} to"
        f" {long:.2f}; after, from {lengths.min():.2f} to {lengths.max():.2f}, on a"
        " circle of radius 1."
    )
    return figure


def _draw(axes: Axes, points: Points, labels: NDArray[np.int64], title: str) -> None:
    for x, y in points:
        axes.plot([0, x], [0, y], color=GREY, linewidth=1, zorder=1)
    axes.add_patch(Circle((0, 0), 1, fill=False, edgecolor=INK, linewidth=1.2))
    for k in np.unique(labels).tolist():
        axes.plot(*points[labels == k].T, markersize=8, **point_style(k))
    reach = 1.1 * max(1.0, float(np.abs(points).max()))
    # Features after a ReLU are never negative: an empty half would waste the picture
    low = -reach if points.min() < 0 else -0.05 * reach
    axes.set(xlim=(low, reach), ylim=(low, reach), xlabel="first number of the vector")
    axes.set_ylabel("second number")
    axes.set_title(title, fontsize=13)
    axes.set_aspect("equal")
    axes.tick_params(colors=INK, labelsize=12)
