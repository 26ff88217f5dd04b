"""What a network says about an image: its probabilities beside the picture."""

__all__ = ["ClassProbabilities", "class_probabilities"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.pictures import frame
from workshop_lib.plots.style import GREY, INK, PALETTE, AccessibleFigure, house_style

_ROW = 0.29  # inches that the bar of one class takes


@dataclass(frozen=True)
class ClassProbabilities:
    """One row of the figure: a picture, if there is one, and a bar per class.

    `probs` are K probabilities; `picture` (H, W, 3) uint8. `target` is the class that
    the opinion is to become, drawn as a dashed frame. `note` stands below the bars.
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
    """Draw opinions one below the other; the likeliest class of each stands out.

    With a threshold, a class that reaches it is hatched as well as coloured: an answer
    that counts must be told apart without colour.

    Args:
        rows: at least one opinion; all with a picture or all without.
        class_names: K names.
        title: heading of the figure.
        threshold: least confidence that counts, drawn as a dotted line if given.
        most: classes that are shown, those that matter in any of the opinions.

    Raises:
        WorkshopError: no opinion, or probabilities that are not K numbers in 0..1.
    """
    K = len(class_names)
    table = np.array([row.probs for row in rows if len(row.probs) == K], np.float64)
    if not rows or len(table) != len(rows) or not ((table >= 0) & (table <= 1)).all():
        raise WorkshopError(
            f"{len(rows)} opinions on {K} classes: give at least one, each with {K}"
            " probabilities from 0 to 1."
        )
    if len({row.picture is None for row in rows}) > 1:
        raise WorkshopError("give every opinion a picture, or none.")
    pictured = rows[0].picture is not None
    shown = _classes_that_matter(rows, table, most)
    height = len(rows) * (len(shown) * _ROW + 0.95) + 0.5
    figure = AccessibleFigure(
        figsize=(7.2 if pictured else 5.8, height),
    )
    widths = [1.0, 2.0] if pictured else [1.0]
    grid = figure.subplots(len(rows), len(widths), squeeze=False, width_ratios=widths)
    words = []
    for line, row in zip(grid, rows, strict=True):
        if row.picture is not None:
            frame(line[0], row.picture, INK)
        words.append(_draw(line[-1], row, class_names, shown, threshold))
    left_out = len(class_names) - len(shown)
    figure.suptitle(title, x=0.01, ha="left", fontsize=15, fontweight="bold")
    figure.alt = f"{title}. " + " ".join(words)
    if threshold is not None:
        figure.alt += f" Dotted line: the threshold, {threshold:.2f}."
    if left_out:
        figure.alt += f" The {left_out} classes with the lowest bars are left out."
    return figure


def _classes_that_matter(
    rows: Sequence[ClassProbabilities], table: NDArray[np.float64], most: int
) -> list[int]:
    """Choose the classes with the highest bars, and all targets, in their order."""
    highest = table.max(axis=0)
    highest[[row.target for row in rows if row.target is not None]] = 2
    return sorted(np.argsort(-highest, kind="stable")[:most].tolist())


def _draw(
    axes: Axes,
    row: ClassProbabilities,
    class_names: Sequence[str],
    shown: list[int],
    threshold: float | None,
) -> str:
    """Draw the bars of one opinion; return it in words."""
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
        weight = "bold" if best else "normal"
        end = 1 if k == row.target else probs[k]
        axes.text(
            end + 0.02, place, f"{probs[k]:.2f}", va="center", fontweight=weight,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8}, fontsize=12,
        )  # fmt: skip
    if threshold is not None:
        axes.axvline(threshold, color=INK, linestyle=":", linewidth=2)
    axes.set(xlim=(0, 1.2), ylim=(len(shown) - 0.4, -0.6), xticks=[])
    axes.set_yticks(range(len(shown)), [class_names[k] for k in shown], color=INK)
    axes.tick_params(axis="y", colors=INK, labelsize=12, length=0)
    axes.set_title(row.title, fontsize=13)
    axes.set_xlabel(row.note, fontsize=13, loc="left")
    said = f"{row.title}: {class_names[top]} {probs[top]:.2f}"
    if row.target is not None:
        name = class_names[row.target]
        said += f"; to become {name}, which has {probs[row.target]:.2f}"
    return f"{said}. {row.note}." if row.note else f"{said}."
