"""How a training went: accuracy against steps, and what became of the pseudo-labels."""

__all__ = ["growing_curve", "learning_curves", "pseudo_labels"]

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import StrMethodFormatter

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.style import (
    PALETTE,
    AccessibleFigure,
    house_style,
    line_style,
    new_axes,
)

# What the columns of a log are called on an axis
_WORDS = {
    "val_accuracy": "accuracy on validation images",
    "val_miou": "mean IoU on validation tiles",
    "val_accuracy_online": "accuracy on validation images, online weights",
    "mask_rate": "unlabelled images used",
    "pseudo_accuracy": "pseudo-labels right, of those used",
}


@house_style()
def learning_curves(
    logs: Mapping[str, pd.DataFrame],
    *,
    column: str = "val_accuracy",
    title: str = "Accuracy while training",
) -> AccessibleFigure:
    """Draw the validation accuracy of several methods against optimiser steps.

    Equal steps, not equal epochs, make the comparison fair: an epoch over 40 labelled
    images is three steps, one over the unlabelled images a hundred.

    Args:
        logs: the log of each run (`Run.log`) by the name to show; columns `step` and
            `column`, the latter in 0..1; rows without a value are skipped.
        column: what to draw.
        title: heading of the figure.

    Raises:
        WorkshopError: no log has a value in that column.
    """
    figure, axes = new_axes(7.2, 5.2)
    ends = []
    for position, (name, log) in enumerate(logs.items()):
        steps, values = _series(log, column)
        if len(steps) == 0:
            continue
        _line(axes, steps, values, label=name, **line_style(position))
        ends.append(f"{name} ends at {values[-1]:.1f} % (best {max(values):.1f} %).")
    if not ends:
        raise WorkshopError(
            f"no log holds a value of {column!r}: was the training shorter than"
            " eval_every steps? Lower eval_every in the recipe."
        )
    _percent_axes(axes, title, f"{_WORDS.get(column, column)} (%)")
    _legend_below(figure, len(ends))
    figure.alt = f"{title}, in per cent against optimiser steps. " + " ".join(ends)
    return figure


@house_style()
def pseudo_labels(
    log: pd.DataFrame, *, title: str = "Pseudo-labels while training"
) -> AccessibleFigure:
    """Draw how many pseudo-labels a method used and how many of those were right.

    The two numbers pull against each other: a low threshold uses many and worse ones.
    The truth is known to this figure only; the method never saw it.

    Args:
        log: `Run.log` with `step`, `mask_rate` (share of unlabelled images above the
            threshold) and `pseudo_accuracy` (share of those whose pseudo-label is
            right), both in 0..1.
        title: heading of the figure.

    Raises:
        WorkshopError: the log holds no mask rate, as of a supervised run.
    """
    figure, axes = new_axes(7.2, 4.9)
    words = []
    for column, label, colour, dash, marker in (
        ("mask_rate", "used (mask rate)", "blue", "-", "o"),
        ("pseudo_accuracy", "right, of those used", "vermilion", "--", "s"),
    ):
        steps, values = _series(log, column)
        if len(steps) == 0:
            continue
        style = {"color": PALETTE[colour], "linestyle": dash, "marker": marker}
        _line(axes, steps, values, label=label, **style)
        words.append(f"{label}: from {values[0]:.1f} to {values[-1]:.1f} %.")
    if not words:
        raise WorkshopError(
            "the log holds no mask rate: draw the run of a method with pseudo-labels,"
            " such as fixmatch."
        )
    _percent_axes(axes, title, "share (%)")
    _legend_below(figure, len(words))
    figure.alt = f"{title}, in per cent against optimiser steps. " + " ".join(words)
    return figure


@house_style()
def growing_curve(log: pd.DataFrame, *, steps: int, title: str) -> AccessibleFigure:
    """Draw one training up to where it is, on axes that show all of it.

    For a picture that is drawn again and again: the axes never move, so that the eye
    sees the lines grow, and the empty part tells how much is still to come.

    Args:
        log: `Run.log`, or its first rows; see `learning_curves` and `pseudo_labels`.
        steps: of the whole training.
        title: heading of the figure.

    Raises:
        WorkshopError: the log holds no validation accuracy.
    """
    figure, axes = new_axes(7.2, 3.4)
    words = []
    for column, label, colour, dash, marker in (
        ("val_accuracy", "validation right", "black", "-", "o"),
        ("val_miou", "mean IoU", "green", ":", "D"),
        ("mask_rate", "unlabelled used", "blue", "-.", "^"),
        ("pseudo_accuracy", "of these right", "vermilion", "--", "s"),
    ):
        at, values = _series(log, column)
        if len(at) == 0:
            continue
        style = {"color": PALETTE[colour], "linestyle": dash, "marker": marker}
        _line(axes, at, values, label=label, **style)
        words.append(f"{label}: {values[-1]:.1f} %.")
    if not words or "val_accuracy" not in log.columns:
        raise WorkshopError(
            "this log holds no validation accuracy: give the log of a training."
        )
    _percent_axes(axes, title, "share (%)")
    axes.set_xlim(0, steps)
    _legend_below(figure, len(words))
    figure.alt = f"{title}. Lines in per cent against optimiser steps. At the end " + (
        " ".join(words)
    )
    return figure


def _legend_below(figure: AccessibleFigure, lines: int) -> None:
    # Inside the axes no corner is free of lines in every training
    columns = 2 if lines == 4 else min(lines, 3)
    size = 11 if columns == 3 else 13  # three long names fit side by side
    figure.legend(loc="outside lower center", ncols=columns, fontsize=size)


def _series(log: pd.DataFrame, column: str) -> tuple[list[float], list[float]]:
    """Return the steps and the values in per cent of the rows that hold a value."""
    if column not in log.columns or "step" not in log.columns:
        return [], []
    rows = log[["step", column]].dropna()
    return rows["step"].tolist(), [100 * float(v) for v in rows[column]]


def _line(axes: Axes, steps: list[float], values: list[float], **style: Any) -> None:
    # About ten markers however long the log is: enough to tell the lines apart
    axes.plot(steps, values, markevery=max(1, len(steps) // 10), **style)


def _percent_axes(axes: Axes, title: str, y_label: str) -> None:
    axes.set_title(title)
    axes.set_xlabel("optimiser steps")
    axes.set_ylabel(y_label)
    axes.set_xlim(left=0)
    axes.set_ylim(0, 102)
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.grid(axis="y", color="#e4e7eb", linewidth=1)
