"""Embeddings: maps of many images, and the effect of L2 normalisation."""

__all__ = ["Panel", "embedding_grid", "l2_normalization", "tsne"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.patheffects
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
    new_axes,
    point_style,
)

_SIDE = 4.2  # inches of one map
_LINE = 0.25  # inches of one line of the legend


@dataclass(frozen=True, eq=False)
class Panel:
    """One map: points in two or three dimensions, and the class of each.

    Args:
        title: such as "FixMatch" or "PCA".
        points: (N, 2) or (N, 3).
        labels: (N,) classes.
        axis_names: of a 2-D map whose axes mean something ("PC 1", "PC 2").
        note: a line below the map, such as "kNN 83 %".
        azimuth: from where a 3-D map is seen, in degrees round its vertical axis.
    """

    title: str
    points: NDArray[np.float32]
    labels: NDArray[np.int64]
    axis_names: tuple[str, ...] = ()
    note: str = ""
    azimuth: float = -60.0


@house_style()
def embedding_grid(
    panels: Sequence[Panel],
    class_names: Sequence[str],
    *,
    title: str = "Where the network puts the images",
    columns: int = 3,
) -> AccessibleFigure:
    """Draw maps side by side with one legend: methods, or before and after training.

    A class looks the same in every map. Its number is written near the middle of its
    points in a 2-D map, and before its name in the legend, which is beside the maps
    and covers no point. Each map has a scale of its own.

    Args:
        panels: at least one.
        class_names: K names.
        title: heading of the figure.
        columns: at most so many maps in a row.

    Raises:
        WorkshopError: a label is no class; points have more than three numbers.
    """
    labels = np.concatenate([panel.labels for panel in panels])
    if labels.min() < 0 or labels.max() >= len(class_names):
        raise WorkshopError(
            f"labels from {labels.min()} to {labels.max()}, {len(class_names)} class"
            " names: leave out images of unknown class, and name every other class."
        )
    rows = -(-len(panels) // columns)
    columns = -(-len(panels) // rows)  # four maps of which three fit in a row: 2 x 2
    # A figure space is as wide as a digit: the names stand below each other
    shown = np.unique(labels).tolist()
    names = {k: f"{k + 1:\N{FIGURE SPACE}>2}  {class_names[k]}" for k in shown}
    height = rows * (_SIDE + 0.5) + 0.5
    legend_columns = -(-len(names) // int(height / _LINE - 2))
    legend_width = legend_columns * (0.5 + 0.1 * max(map(len, names.values())))
    figure = AccessibleFigure(figsize=(columns * _SIDE + legend_width, height))
    for i, panel in enumerate(panels, start=1):
        solid = panel.points.shape[1] == 3
        projection = "3d" if solid else None
        _draw_panel(figure.add_subplot(rows, columns, i, projection=projection), panel)
    _class_legend(figure, names, legend_columns)
    figure.suptitle(title)
    figure.alt = _in_words(title, panels, class_names)
    return figure


def _class_legend(
    figure: AccessibleFigure, names: dict[int, str], columns: int
) -> None:
    handles = [Line2D([], [], markersize=8, **point_style(k)) for k in names]
    place: dict[str, Any] = {"loc": "outside right center", "ncols": columns}
    figure.legend(handles, list(names.values()), fontsize=11, **place)


def _draw_panel(axes: Any, panel: Panel) -> None:
    size = float(np.clip(150 / len(panel.points) ** 0.5, 4, 7))  # few points: larger
    _draw_classes(axes, panel.points, panel.labels, size)
    axes.set(xticks=[], yticks=[])
    if axes.name == "3d":
        axes.set(zticks=[])
        axes.view_init(elev=20, azim=panel.azimuth)
        axes.set_box_aspect((1, 1, 1), zoom=1.1)
    else:
        _number_classes(axes, panel)
        axes.spines[:].set(visible=True, color=GREY)
        axes.set_box_aspect(1)
    axes.set_title(panel.title, fontsize=13)
    if panel.axis_names:
        axes.set(xlabel=panel.axis_names[0], ylabel=panel.axis_names[1])
    if panel.note:
        below = (0.5, -0.1 if panel.axis_names else -0.03)
        place = {"xycoords": "axes fraction", "ha": "center", "va": "top"}
        axes.annotate(panel.note, below, fontsize=12, **place)


def _draw_classes(
    axes: Any, points: NDArray[Any], labels: NDArray[np.int64], size: float
) -> None:
    dims = 3 if axes.name == "3d" else 2
    if points.shape[1:] != (dims,):
        raise WorkshopError(
            f"points {points.shape}: give a map of vectors, (N, {dims})."
        )
    for k in np.unique(labels).tolist():
        style = point_style(k)
        width = size - style["markeredgewidth"]  # hollow ones would look larger
        axes.plot(*points[labels == k].T, markersize=width, **style)


def _number_classes(axes: Axes, panel: Panel) -> None:
    """Write each class's number beside its most central point."""
    halo = [matplotlib.patheffects.withStroke(linewidth=3, foreground="white")]
    for k in np.unique(panel.labels).tolist():
        own = panel.points[panel.labels == k]
        # The median alone may fall between two groups, on another class
        middle = own[np.abs(own - np.median(own, axis=0)).sum(axis=1).argmin()]
        axes.annotate(
            str(k + 1), (float(middle[0]), float(middle[1])),
            (6, 6), textcoords="offset points", color=INK, fontsize=11,
            fontweight="bold", ha="center", va="center", path_effects=halo, zorder=5,
        )  # fmt: skip


def _in_words(title: str, panels: Sequence[Panel], class_names: Sequence[str]) -> str:
    """Report how well each map separates the classes, and which two mix most."""
    from sklearn.neighbors import NearestNeighbors

    sentences = []
    for panel in panels:
        search = NearestNeighbors(n_neighbors=1).fit(panel.points)
        labels = panel.labels
        other = labels[search.kneighbors()[1][:, 0]]  # (N,) class of the next point
        text = f"{panel.title}: {len(labels):,} points in {panel.points.shape[1]}-D"
        if len(class_names) > 1:  # true of all points of a single class
            near = (other == labels).mean()
            text += f"; {100 * near:.0f} % lie next to one of their class"
        K = len(class_names)
        low, high = np.minimum(labels, other), np.maximum(labels, other)
        pairs = np.bincount((low * K + high)[low != high], minlength=K * K)
        if pairs.any():
            a, b = divmod(int(pairs.argmax()), K)
            text += f"; most mixed: {class_names[a]} and {class_names[b]}"
        sentences.append(f"{text}{f' ({panel.note})' if panel.note else ''}.")
    return f"Scatter plot: {title}. " + " ".join(sentences)


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
        WorkshopError: vectors of more than two numbers.
    """
    raw, unit = (np.asarray(points, np.float64) for points in (before, after))
    classes = np.asarray(labels, np.int64)
    figure, (left, right) = new_axes(10.4, 4.8, 1, 2)
    _draw_vectors(left, raw, classes, "before: length and direction")
    _draw_vectors(right, unit, classes, "after: direction alone")
    names = {k: class_names[k] for k in np.unique(classes).tolist()}
    _class_legend(figure, names, columns=1)
    figure.suptitle(title)
    old, new = (np.linalg.norm(points, axis=1) for points in (raw, unit))  # (N,)
    figure.alt = (
        f"{title}: {len(raw)} vectors of two numbers. Before, lengths from"
        f" {old.min():.2f} to {old.max():.2f}; after, from {new.min():.2f} to"
        f" {new.max():.2f}, on a circle of radius 1."
    )
    return figure


def _draw_vectors(
    axes: Axes, points: NDArray[np.float64], labels: NDArray[np.int64], title: str
) -> None:
    rays = np.stack([np.zeros_like(points), points])  # (2, N, 2): from, to
    axes.plot(*rays.transpose(2, 0, 1), color=GREY, linewidth=1, zorder=1)
    axes.add_patch(Circle((0, 0), 1, fill=False, edgecolor=INK, linewidth=1.2))
    _draw_classes(axes, points, labels, 8)
    reach = 1.1 * max(1.0, float(np.abs(points).max()))
    # Features after a ReLU are never negative: an empty half would waste the picture
    low = -reach if points.min() < 0 else -0.05 * reach
    axes.set(xlim=(low, reach), ylim=(low, reach), xlabel="first number of the vector")
    axes.set(ylabel="second number", aspect="equal")
    axes.set_title(title, fontsize=13)


def tsne(embeddings: Any, *, perplexity: float = 30.0) -> AccessibleFigure:
    """Draw a map of embeddings in which neighbours stay neighbours.

    Distances between groups and their sizes mean nothing in such a map (van der Maaten
    and Hinton 2008); `evaluation.projection` has maps to compare and to save.

    Args:
        embeddings: `vectors` (N, D), `labels` (N,) and `class_names`, as `embed` gives.
        perplexity: how many neighbours count; at most a third of the images.
    """
    from sklearn.manifold import TSNE

    nearest = min(perplexity, max(1.0, (len(embeddings.vectors) - 1) / 3))
    points = TSNE(
        init="pca", metric="cosine", perplexity=nearest, random_state=0
    ).fit_transform(embeddings.vectors)
    panel = Panel("", points, embeddings.labels)
    names = embeddings.class_names
    return embedding_grid([panel], names, title="t-SNE of the images")
