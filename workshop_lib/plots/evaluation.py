"""Evaluation of models: confusion, accuracy and bias per class, calibration, seeds."""

__all__ = [
    "confusion_matrix",
    "per_class",
    "pseudo_label_bias",
    "reliability",
    "seed_plot",
]

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm
from numpy.typing import ArrayLike

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.style import (
    GREY,
    AccessibleFigure,
    house_style,
    line_style,
    new_axes,
    short_names,
)

_MOST = 4.0  # times as often: beyond, the colour stays the same
_TICKS = {0.25: "¼ or less", 0.5: "½", 1.0: "as often", 2.0: "2×", 4.0: "4× or more"}
_MOST_NUMBERS = 25  # with more classes the counts would be smaller than a pixel


@house_style()
def confusion_matrix(
    matrix: Any, class_names: Sequence[str] = (), *, title: str = "Confusion matrix"
) -> AccessibleFigure:
    """Draw a confusion matrix: counts as numbers, the share of each row as colour.

    Colour shows shares, so that a rare class is as easy to read as a common one.

    Args:
        matrix: an evaluation, which has all else; or (K, K) counts, rows are the true
            class, columns the predicted one.
        class_names: K names.
        title: heading of the figure.

    Raises:
        WorkshopError: the matrix is not square or not of K classes.

    >>> confusion_matrix([[8, 2], [0, 9]], ("Lake", "River")).alt.split(" The")[0]
    'Confusion matrix: 17 of 19 images on the diagonal (right).'
    """
    import seaborn as sns

    if hasattr(matrix, "scores"):
        matrix, class_names = matrix.scores.confusion, matrix.scores.class_names
    counts = np.asarray(matrix)
    K = len(class_names)
    if counts.shape != (K, K):
        raise WorkshopError(
            f"confusion matrix {counts.shape} of {K} class names: give ({K}, {K})."
        )
    # An absent class gives an empty row
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    written = np.where(counts > 0, counts.astype(str), "")  # empty cells stay empty
    side = min(4.2 + 0.42 * K, 16.0)
    figure, axes = new_axes(side + 1.0, side)
    sns.heatmap(
        100 * shares, vmin=0, vmax=100, cmap="Blues", square=True, ax=axes,
        annot=written if K <= _MOST_NUMBERS else None, fmt="",
        annot_kws={"fontsize": 12 if K <= 12 else 9},
        cbar_kws={"label": "share of the true class (%)", "shrink": 0.75},
    )  # fmt: skip
    names, places = short_names(class_names), np.arange(K) + 0.5
    axes.set_xticks(places, names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(places, names, rotation=0)
    axes.set(xlabel="predicted class", ylabel="true class", title=title)
    right, total = np.trace(counts), counts.sum()
    figure.alt = f"{title}: {right} of {total} images on the diagonal (right)."
    mistakes = counts - np.diag(np.diag(counts))
    row, column = divmod(int(mistakes.argmax()), K)
    if mistakes[row, column] > 0:
        figure.alt += (
            f" The most common mistake: {mistakes[row, column]} images of"
            f" {class_names[row]} predicted as {class_names[column]}."
        )
    return figure


@house_style()
def per_class(
    values: Mapping[str, ArrayLike],
    class_names: Sequence[str],
    *,
    title: str = "Accuracy of each class",
    x_label: str = "images of the class that are right (%)",
) -> AccessibleFigure:
    """Draw the share of each class that is right: a line per class, a point per method.

    One accuracy for all classes hides the class that a method gave up. The classes are
    sorted by the last method's value, the worst at the bottom.

    Args:
        values: (K,) shares, 0 to 1, by the name to show; NaN, for a class without
            images, is left out.
        class_names: K names.
        title: heading of the figure.
        x_label: name of the share, in per cent.
    """
    K = len(class_names)
    # A row per class
    table = pd.DataFrame({name: 100 * np.asarray(v) for name, v in values.items()})
    order = table.iloc[:, -1].fillna(-1).sort_values(kind="stable").index  # worst first
    figure, axes = new_axes(8.0, min(1.8 + 0.34 * K, 16.0))
    for place, (name, one) in enumerate(table.loc[order].items()):
        look = line_style(place) | {"linestyle": "", "markersize": 8}
        # A little above each other: equal values would hide one another
        rise = 0.16 * ((len(values) - 1) / 2 - place)
        axes.plot(one, np.arange(K) + rise, label=name, **look)
    names = short_names(class_names[k] for k in order)
    axes.set_yticks(range(K), names, fontsize=12 if K <= 30 else 8)
    axes.set(xlim=(-2, 102), ylim=(-0.5, K - 0.5), xlabel=x_label, title=title)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="y")
    figure.legend(loc="outside lower center", ncols=min(len(values), 3))
    words = [
        f"{name}: best {class_names[int(one.idxmax())]} {one.max():.0f} %,"
        f" worst {class_names[int(one.idxmin())]} {one.min():.0f} %."
        for name, one in table.items()
        if one.notna().any()
    ]
    figure.alt = f"{title}, in per cent, {K} classes. " + " ".join(words)
    return figure


@house_style()
def reliability(
    tables: Mapping[str, pd.DataFrame],
    *,
    title: str = "May one believe the confidence?",
) -> AccessibleFigure:
    """Draw accuracy against confidence, bin by bin, above the spread of the confidence.

    On the diagonal a model is right as often as it says. Below it, it is overconfident,
    as networks trained on few labels usually are. The area of a point is the share of
    the images: the place of a small one is mostly chance.

    Args:
        tables: `Reliability.bins` by the name to show, usually before and after the
            temperature: columns low, high, count, confidence, accuracy.
        title: heading of the figure.
    """
    shared = {"sharex": True, "height_ratios": [3, 1]}
    figure, (above, below) = new_axes(6.6, 7.2, 2, 1, **shared)
    words = []
    for position, (name, table) in enumerate(tables.items()):
        percent = 100 * table.assign(count=table["count"] / table["count"].sum())
        full = percent[table["count"] > 0]
        sure, right, weight = full["confidence"], full["accuracy"], full["count"] / 100
        style = line_style(position) | {"linewidth": 1.2, "markersize": 4}
        above.plot(sure, right, label=name, **style)
        colour, marker = style["color"], style["marker"]
        above.scatter(sure, right, 1200 * weight, color=colour, marker=marker)
        edges = np.append(percent["low"], percent["high"].iloc[-1])
        thick = {"color": colour, "linestyle": style["linestyle"], "linewidth": 2.2}
        below.stairs(percent["count"], edges, baseline=None, **thick)
        words.append(
            f"{name}: {(weight * sure).sum():.1f} % sure on average,"
            f" {(weight * right).sum():.1f} % right,"
            f" calibration error {(weight * (right - sure).abs()).sum():.1f} points."
        )
    line = {"color": GREY, "linewidth": 2.0, "zorder": 1}
    above.plot([0, 100], [0, 100], label="right as often as it says", **line)
    above.set(xlim=(0, 100), ylim=(0, 102), title=title, ylabel="right (%)")
    above.legend(loc="upper left")
    below.set(xlabel="confidence in the predicted class (%)", ylabel="images (%)")
    for axes in (above, below):
        axes.grid()
    figure.alt = f"Accuracy against confidence, '{title}'. " + " ".join(words)
    return figure


@house_style()
def seed_plot(
    accuracies: Mapping[str, Sequence[float]],
    intervals: Mapping[str, tuple[float, float, float]],
    *,
    title: str = "Is the difference real?",
) -> AccessibleFigure:
    """Draw one point per run, the runs of a seed joined, beside mean and interval.

    Seeds draw the labels: what is hard for one method is hard for all. So look at the
    grey lines, not only at the intervals: if all of them rise, the difference is real
    although the intervals may overlap.

    Args:
        accuracies: 0 to 1, by the name of the method; the seeds in the same order.
        intervals: mean, low and high of the same methods, 0 to 1; low and high are
            NaN for one seed. Ends far from all runs are cut off.
        title: heading of the figure.
    """
    table = 100 * pd.DataFrame(accuracies)  # a row per seed, a column per method
    K = len(table.columns)
    figure, axes = new_axes(max(2.4 + 2.0 * K, 6.0), 4.8)
    axes.plot(np.arange(K) - 0.1, table.T, color=GREY, linewidth=1.2, zorder=1)
    words = []
    for place, (name, runs) in enumerate(table.items()):
        style = line_style(place)
        mean, low, high = (100 * end for end in intervals[name])
        dots = style | {"linestyle": "", "markersize": 7}
        axes.plot([place - 0.1] * len(runs), runs, **dots)
        axes.errorbar(
            place + 0.1, mean, [[mean - low], [high - mean]],
            color=style["color"], marker="_", markersize=22, capsize=7,
        )  # fmt: skip
        sure = "no interval" if np.isnan(low) else f"{low:.1f} to {high:.1f} %"
        words.append(f"{name}: mean {mean:.1f} %, {sure}.")
    axes.set_xticks(range(K), table.columns)
    # Intervals of two or three seeds may reach beyond what an accuracy can be
    least, most = table.min(axis=None), table.max(axis=None)
    axes.set(xlim=(-0.5, K - 0.5), ylim=(max(least - 25, 0), min(most + 25, 100)))
    axes.set(title=title, ylabel="accuracy on test images (%)")
    axes.set_xlabel("method: a point per seed, beside them mean and 95 % interval")
    axes.grid(axis="y")
    figure.alt = f"'{title}': {len(table)} seeds of each method. " + " ".join(words)
    return figure


@house_style()
def pseudo_label_bias(
    table: pd.DataFrame | None, *, title: str = "Which classes the pseudo-labels favour"
) -> AccessibleFigure:
    """Draw how often a class is a pseudo-label, relative to how often it occurs.

    The share of a class among the pseudo-labels in use, divided by its share among the
    unlabelled images drawn: classes down, time to the right. With few labels a network
    soon prefers the classes it finds easy, and its pseudo-labels feed the preference: a
    row that stays dark orange is a class that training forgets. Hatched: no
    pseudo-label was in use, or no such image drawn.

    Args:
        table: `Run.pseudo_labels()`: columns step, class, used, correct, true, a row
            per step of the log and class.
        title: heading of the figure.

    Raises:
        WorkshopError: there is no table, as of a supervised run, or it is empty.
    """
    import seaborn as sns

    if table is None or table.empty:
        raise WorkshopError(
            "no table of pseudo-labels: give Run.pseudo_labels() of fixmatch or a"
            " similar method."
        )
    names = list(dict.fromkeys(table["class"]))  # in the order of the classes
    wide = table.pivot(index="class", columns="step").reindex(names).astype(float)
    used, true = wide["used"], wide["true"]  # (K, T) each
    bias = (used / used.sum()) / (true / true.sum())  # NaN or infinite where unknown
    bias = bias.where(np.isfinite(bias)).rename(columns="{:,}".format)
    figure, axes = new_axes(8.4, min(2.4 + 0.28 * len(names), 16.0))
    axes.patch.set(facecolor="white", hatch="///", edgecolor="#d5d9de")
    sns.heatmap(
        bias.clip(1 / _MOST, _MOST), cmap="PuOr", norm=LogNorm(1 / _MOST, _MOST),
        vmin=1 / _MOST, vmax=_MOST,  # else all-NaN counts would make seaborn warn
        xticklabels=-(-bias.shape[1] // 5), ax=axes,  # at most five, side by side
        cbar_kws={"ticks": list(_TICKS), "shrink": 0.9},
    )  # fmt: skip
    axes.tick_params(axis="x", rotation=0)
    axes.hlines(range(1, len(names)), 0, bias.shape[1], color="white", linewidth=2)
    scale = figure.axes[1]
    scale.set_yticklabels(list(_TICKS.values()))
    scale.set_ylabel("share of pseudo-labels : share of images")
    scale.minorticks_off()
    places = np.arange(len(names)) + 0.5
    size = 12 if len(names) <= 30 else 8
    axes.set_yticks(places, short_names(names), fontsize=size, rotation=0)
    axes.set(title=title, xlabel="optimiser steps", ylabel="")
    last = bias.iloc[:, -1].dropna()
    words = " At the end no pseudo-label was in use."
    if len(last):
        words = (
            f" At the end {last.idxmax()} is the most favoured class, a pseudo-label"
            f" {last.max():.1f} times as often as it is really there; {last.idxmin()}"
            f" the least, {last.min():.1f} times."
        )
    figure.alt = (
        f"{title}: heat map of {len(names)} classes against optimiser steps, up to"
        f" {bias.columns[-1]}.{words}"
    )
    return figure
