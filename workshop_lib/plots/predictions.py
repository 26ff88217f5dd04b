"""Predictions beside their images: galleries, neighbours, class probabilities."""

__all__ = ["ClassProbabilities", "class_probabilities", "gallery", "neighbours"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from torch import Tensor

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.display import Cell, frame, picture_table, to_display
from workshop_lib.plots.style import (
    GREY,
    INK,
    PALETTE,
    AccessibleFigure,
    check_equal,
    house_style,
)

_ROW = 0.29  # inches that the bar of one class takes


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


@dataclass(frozen=True)
class ClassProbabilities:
    """One row of `class_probabilities`: a bar per class, beside a picture or not.

    `probs` are K probabilities; `picture` (H, W, 3) uint8. `target` is the class that
    the prediction should become, drawn as a dashed frame. `note` is written below.
    """

    title: str
    probs: Sequence[float]
    picture: NDArray[np.uint8] | None = None
    target: int | None = None
    note: str = ""


@house_style()
def class_probabilities(
    rows: Sequence[ClassProbabilities],
    class_names: Sequence[str],
    *,
    title: str,
    threshold: float | None = None,
    most: int = 5,
) -> AccessibleFigure:
    """Draw predictions one below the other; the likeliest class of each stands out.

    With a threshold, a class that reaches it is hatched as well as coloured: a
    pseudo-label that counts must be told apart without colour.

    Args:
        rows: at least one prediction; all with a picture or all without.
        class_names: K names.
        title: heading of the figure.
        threshold: lowest confidence that counts, drawn as a dotted line if given.
        most: classes that are shown: those with the highest bars, and all targets.

    Raises:
        WorkshopError: no prediction, or probabilities that are not K numbers in 0..1.
    """
    K = len(class_names)
    table = np.array([row.probs for row in rows if len(row.probs) == K], np.float64)
    if not rows or len(table) != len(rows) or not ((table >= 0) & (table <= 1)).all():
        raise WorkshopError(
            f"{len(rows)} predictions of {K} classes: give at least one, each with {K}"
            " probabilities from 0 to 1."
        )
    if len({row.picture is None for row in rows}) > 1:
        raise WorkshopError("give every prediction a picture, or none.")
    highest = table.max(axis=0)  # (K,)
    highest[[row.target for row in rows if row.target is not None]] = 2
    shown = sorted(np.argsort(-highest, kind="stable")[:most].tolist())
    pictured = rows[0].picture is not None
    height = len(rows) * (len(shown) * _ROW + 0.95) + 0.5
    figure = AccessibleFigure(figsize=(7.2 if pictured else 5.8, height))
    widths = [1.0, 2.0] if pictured else [1.0]
    grid = figure.subplots(len(rows), len(widths), squeeze=False, width_ratios=widths)
    words = []
    for line, row in zip(grid, rows, strict=True):
        if row.picture is not None:
            frame(line[0], row.picture)
        words.append(_draw(line[-1], row, class_names, shown, threshold))
    figure.suptitle(title, x=0.01, ha="left")
    figure.alt = f"{title}. " + " ".join(words)
    if threshold is not None:
        figure.alt += f" Dotted line: the threshold, {threshold:.2f}."
    if left_out := K - len(shown):
        figure.alt += f" The {left_out} classes with the lowest bars are left out."
    return figure


def _draw(
    axes: Axes,
    row: ClassProbabilities,
    class_names: Sequence[str],
    shown: list[int],
    threshold: float | None,
) -> str:
    """Draw the bars of one prediction; return it in words."""
    probs = np.asarray(row.probs, np.float64)
    top = int(probs.argmax())
    sure = threshold is not None and probs[top] >= threshold
    for place, k in enumerate(shown):
        best = k == top
        colour = PALETTE["orange" if sure else "sky"] if best else GREY
        hatch = "//" if best and sure else None
        axes.barh(
            place, probs[k], 0.66, color=colour, hatch=hatch, edgecolor=INK, lw=0.8
        )
        if k == row.target:
            axes.barh(place, 1, 0.86, fill=False, linestyle="--", edgecolor=INK, lw=1.8)
        axes.text(
            (1 if k == row.target else probs[k]) + 0.02, place, f"{probs[k]:.2f}",
            va="center", fontweight="bold" if best else "normal", fontsize=12,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        )  # fmt: skip
    if threshold is not None:
        axes.axvline(threshold, color=INK, linestyle=":", linewidth=2)
    axes.set(xlim=(0, 1.2), ylim=(len(shown) - 0.4, -0.6), xticks=[])
    axes.set_yticks(range(len(shown)), [class_names[k] for k in shown], color=INK)
    axes.tick_params(axis="y", length=0)
    axes.set_title(row.title, fontsize=13)
    axes.set_xlabel(row.note, fontsize=13, loc="left")
    said = f"{row.title}: {class_names[top]} {probs[top]:.2f}"
    if row.target is not None:
        name = class_names[row.target]
        said += f"; to become {name}, which has {probs[row.target]:.2f}"
    return f"{said}. {row.note}." if row.note else f"{said}."
