"""Course of a training: learning curves, pseudo-labels, agreement of the tasks."""

__all__ = ["gradient_conflict", "growing_curve", "learning_curves", "pseudo_labels"]

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

# Names of the columns of a log; what is named in per cent is a fraction in the log
_NAMES = {
    "val_accuracy": "accuracy on validation images (%)",
    "val_miou": "mean IoU on validation tiles (%)",
    "val_f1_micro": "micro F1 on validation images (%)",
    "val_accuracy_online": "accuracy on validation images, online weights (%)",
    "val_knn": "validation images whose nearest images tell their class (%)",
    "matched": "views nearest to the other view of their image (%)",
    "spread": "spread of the embeddings, of an even one (%)",
    "mask_rate": "unlabelled images used (%)",
    "pseudo_accuracy": "pseudo-labels right, of those used (%)",
    "val_r2": "R² on validation images",
    "val_mae": "mean absolute error on validation images",
    "val_loss": "loss on validation images",
    "loss": "training loss",
    "supervised": "supervised term of the loss",
    "unsupervised": "unsupervised term of the loss",
}
# The shares of a training: in few words; colour, dash and marker of the line
_SHARES = {
    "val_accuracy": ("validation right", "black", "-", "o"),
    "val_miou": ("mean IoU", "green", ":", "D"),
    "val_f1_micro": ("micro F1", "black", "-", "o"),
    "val_knn": ("nearest images right", "black", "-", "o"),
    "matched": ("views matched", "blue", "-.", "^"),
    "spread": ("spread", "vermilion", "--", "s"),
    "mask_rate": ("unlabelled used", "blue", "-.", "^"),
    "pseudo_accuracy": ("of these right", "vermilion", "--", "s"),
}


@house_style()
def learning_curves(
    logs: pd.DataFrame | Mapping[str, pd.DataFrame],
    *,
    column: str = "val_accuracy",
    title: str = "Accuracy while training",
) -> AccessibleFigure:
    """Draw the validation accuracy of one or several methods against optimiser steps.

    Equal steps, not equal epochs, make the comparison fair: an epoch over 40 labelled
    images is three steps, one over the unlabelled images a hundred. Logs of several
    seeds in one table (`pd.concat`) become their mean, in a band from the lowest to the
    highest.

    Args:
        logs: the log of a run (`Run.log`), or of each run by the name to show; columns
            `step` and `column`; rows without a value are skipped.
        column: the column to draw: a fraction in 0..1, drawn in per cent; or
            "val_r2", "val_mae", "val_loss" or a term of the loss, drawn as it is.
        title: heading of the figure.

    Raises:
        WorkshopError: no log has a value in that column.
    """
    if isinstance(logs, pd.DataFrame):
        logs = {"validation": logs}
    figure, axes = new_axes(7.2, 5.2)
    label = _label(column)
    digits, unit = (1, " %") if label.endswith("(%)") else (3, "")
    ends = []
    for position, (name, log) in enumerate(logs.items()):
        mean, runs = _draw_line(axes, log, column, label=name, **line_style(position))
        if len(mean):
            who = f"{name}, mean of {runs} seeds," if runs > 1 else name
            best = mean.max() if unit or column.endswith("r2") else mean.min()
            end = f"{mean.iloc[-1]:.{digits}f}{unit}"
            ends.append(f"{who} ends at {end} (best {best:.{digits}f}{unit}).")
    if not ends:
        raise WorkshopError(
            f"no log holds a value of {column!r}: train eval_every steps or more."
        )
    _finish(figure, axes, title, label)
    figure.alt = f"{title}: {label} against optimiser steps. " + " ".join(ends)
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
        WorkshopError: the log holds neither, as of a supervised run.
    """
    used = {"mask_rate": "used (mask rate)", "pseudo_accuracy": "right, of those used"}
    return _draw_shares(log, used, title, 4.9)


@house_style()
def growing_curve(log: pd.DataFrame, *, steps: int, title: str) -> AccessibleFigure:
    """Draw one training so far, on axes that show all of it.

    For a picture that is drawn again and again: the axes never move, so that the eye
    sees the lines grow, and the empty part shows how much is still to come.

    Args:
        log: `Run.log`, or its first rows; see `learning_curves` and `pseudo_labels`.
        steps: of the whole training.
        title: heading of the figure.

    Raises:
        WorkshopError: the log holds no values.
    """
    labels = {column: label for column, (label, *_) in _SHARES.items()}
    figure = _draw_shares(log, labels, title, 3.4)
    figure.axes[0].set_xlim(0, steps)
    return figure


@house_style()
def gradient_conflict(log: pd.DataFrame) -> AccessibleFigure:
    """Draw the cosine between the heads' gradients of the encoder they share.

    Above 0 a step for one task helps the other as well, at 0 they do not touch each
    other, and below 0 each undoes part of the other's step. See `gradient_cosines`.

    Args:
        log: `Run.log` of a training with several heads; of several seeds in one table
            (`pd.concat`) the mean is drawn, in a band from the lowest to the highest.

    Raises:
        WorkshopError: a log of a single head.
    """
    pairs = [column for column in log if str(column).startswith("cosine/")]
    if not pairs:
        raise WorkshopError("no cosines in this log: give that of several heads.")
    figure, axes = new_axes(7.2, 4.9)
    words = []
    for position, column in enumerate(pairs):
        label = " and ".join(column.split("/")[1:])
        mean, _ = _draw_line(axes, log, column, label=label, **line_style(position))
        words.append(f"{label}: mean {mean.mean():.2f}, lowest {mean.min():.2f}.")
    title = "Do the tasks agree?"
    _finish(figure, axes, title, "cosine of the gradients")
    axes.axhline(0, color=PALETTE["black"], linewidth=1)
    most = 1.1 * max(map(abs, axes.get_ylim()))
    axes.set_ylim(-most, most)  # 0 in the middle: below it the tasks are in conflict
    figure.alt = f"{title} Cosine of the gradients against steps. " + " ".join(words)
    return figure


def _draw_shares(
    log: pd.DataFrame, labels: Mapping[str, str], title: str, height: float
) -> AccessibleFigure:
    """Draw those columns of a log that have values, in per cent, by their labels."""
    figure, axes = new_axes(7.2, height)
    words = []
    for column, label in labels.items():
        _, colour, dash, marker = _SHARES[column]
        look = {"color": PALETTE[colour], "linestyle": dash, "marker": marker}
        mean, _ = _draw_line(axes, log, column, label=label, **look)
        if len(mean):
            words.append(f"{label}: from {mean.iloc[0]:.1f} to {mean.iloc[-1]:.1f} %.")
    if not words:
        raise WorkshopError(
            f"this log has no {' or '.join(labels)}: give that of fixmatch or a similar"
            " method, with at least one row."
        )
    _finish(figure, axes, title, "share (%)")
    figure.alt = f"{title}, in per cent against optimiser steps. " + " ".join(words)
    return figure


def _label(column: str) -> str:
    """Name a column of a log in words, that of another head after the head."""
    head, _, name = column.rpartition("/")
    if head.startswith(("cosine", "weight")):
        return head.partition("/")[0]
    return ": ".join(filter(None, (head, _NAMES.get(name, f"{name} (%)"))))


def _draw_line(
    axes: Axes, log: pd.DataFrame, column: str, **style: Any
) -> tuple[pd.Series, int]:
    """Draw a column of a log, if it has values; fractions in per cent.

    Returns:
        The mean of each step, empty without values, and the number of seeds.
    """
    import seaborn as sns

    rows = log.reindex(columns=["step", column]).dropna().astype({column: float})
    rows[column] *= 100 if _label(column).endswith("(%)") else 1
    steps = rows.groupby("step")[column]
    mean, seeds = steps.mean(), int(steps.size().max()) if len(rows) else 0
    if len(mean):
        sns.lineplot(
            rows, x="step", y=column, ax=axes, legend=False, markeredgewidth=1,
            errorbar=("pi", 100) if seeds > 1 else None,
            # About ten markers however long the log is: enough to tell the lines apart
            markevery=max(1, len(mean) // 10), markeredgecolor=style["color"], **style,
        )  # fmt: skip
    return mean, seeds


def _finish(figure: AccessibleFigure, axes: Axes, title: str, y_label: str) -> None:
    """Label axes of per cent or numbers against steps, with the legend below them."""
    axes.set(title=title, xlabel="optimiser steps", ylabel=y_label)
    axes.set_xlim(left=0)
    if y_label.endswith("(%)"):
        axes.set_ylim(0, 102)
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.grid(axis="y")
    # Inside the axes no corner is free of lines in every training
    lines = len(axes.lines)
    columns = 2 if lines == 4 else min(lines, 3)
    size = 11 if columns == 3 else 13  # three long names fit side by side
    figure.legend(loc="outside lower center", ncols=columns, fontsize=size)
