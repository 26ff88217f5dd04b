"""Evaluation of a model: confusion matrix, accuracy per class, calibration."""

__all__ = ["confusion_matrix", "per_class", "reliability", "tsne"]

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.embedding import Panel, embedding_grid
from workshop_lib.plots.style import (
    GREY,
    AccessibleFigure,
    house_style,
    light_grid,
    line_style,
    new_axes,
    sentence,
    short_names,
)

_MOST_NUMBERS = 25  # with more classes the counts would be smaller than a pixel


@house_style()
def confusion_matrix(
    matrix: Any,
    class_names: Sequence[str] = (),
    *,
    title: str = "Confusion matrix",
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
            f"a confusion matrix of shape {counts.shape} for {K} class names: rows and"
            " columns must both be the classes."
        )
    totals = counts.sum(axis=1, keepdims=True)  # (K, 1)
    shares = counts / np.maximum(totals, 1)  # an absent class gives an empty row
    # Empty cells stay empty: less to read
    written = np.where(counts > 0, counts.astype(str), "")
    names = short_names(class_names)
    side = min(4.2 + 0.42 * K, 16.0)
    figure, axes = new_axes(side + 1.0, side)
    sns.heatmap(
        100 * shares, vmin=0, vmax=100, cmap="Blues", square=True, ax=axes,
        annot=written if K <= _MOST_NUMBERS else None, fmt="",
        annot_kws={"fontsize": 12 if K <= 12 else 9},
        cbar_kws={"label": "share of the true class (%)", "shrink": 0.75},
    )  # fmt: skip
    places = np.arange(K) + 0.5
    axes.set_xticks(places, names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(places, names, rotation=0)
    axes.set(xlabel="predicted class", ylabel="true class", title=title)
    right, total = int(np.trace(counts)), int(counts.sum())
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

    Raises:
        WorkshopError: nothing to draw, or not K values.
    """
    import seaborn as sns

    K = len(class_names)
    arrays = {name: np.asarray(v, np.float64) for name, v in values.items()}
    if not arrays or any(one.shape != (K,) for one in arrays.values()):
        shapes = ", ".join(str(one.shape) for one in arrays.values()) or "none"
        raise WorkshopError(
            f"values of shape {shapes} for {K} class names: give at least one method,"
            " and a value for each class."
        )
    table = 100 * pd.DataFrame(arrays)  # a row per class
    worst_last = table.iloc[:, -1].fillna(-1).sort_values(kind="stable").index[::-1]
    figure, axes = new_axes(8.0, min(1.8 + 0.34 * K, 16.0))
    styles = [line_style(position) for position in range(len(arrays))]
    long = table.rename_axis("class").reset_index().melt("class", var_name="method")
    sns.pointplot(
        long, x="value", y="class", order=worst_last, hue="method", orient="h",
        # A little above each other: equal values would hide one another
        dodge=0.16 * (len(arrays) - 1) or False, errorbar=None, linestyle="none",
        palette=[style["color"] for style in styles], markersize=8,
        markers=[style["marker"] for style in styles], legend=False, ax=axes,
    )  # fmt: skip
    names = short_names(class_names[k] for k in worst_last)
    axes.set_yticks(range(K), names, fontsize=12 if K <= 30 else 8)
    axes.set(xlim=(-2, 102), xlabel=x_label, ylabel="", title=title)
    axes.spines["left"].set_visible(False)
    light_grid(axes)
    figure.legend(
        axes.lines, list(arrays), loc="outside lower center", ncols=min(len(arrays), 3)
    )
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

    Raises:
        WorkshopError: nothing to draw, or a table without images.
    """
    if not tables:
        raise WorkshopError("no table to draw: give {'as it is': found.bins}.")
    figure = AccessibleFigure(figsize=(6.6, 7.2))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    words = []
    for position, (name, table) in enumerate(tables.items()):
        total = int(table["count"].sum())
        if total == 0:
            raise WorkshopError(f"the table of {name!r} holds no images.")
        style = line_style(position)
        full = table[table["count"] > 0]
        sure, right = 100 * full["confidence"], 100 * full["accuracy"]
        weight = full["count"] / total  # (bins,) shares of the images
        thin = {**style, "linewidth": 1.2, "markersize": 4}
        above.plot(sure, right, label=name, **thin)
        above.scatter(
            sure, right, 1200 * weight, color=style["color"], marker=style["marker"]
        )
        edges = 100 * np.append(table["low"], table["high"].iloc[-1])
        plain = {"color": style["color"], "linestyle": style["linestyle"]}
        share = 100 * table["count"] / total
        below.stairs(share, edges, baseline=None, linewidth=2.2, **plain)
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
        light_grid(axes, "both")
    figure.alt = f"{sentence(title)} Accuracy against confidence. " + " ".join(words)
    return figure


def tsne(
    embeddings: Any, *, perplexity: float = 30.0, title: str = "t-SNE of the images"
) -> AccessibleFigure:
    """Draw a map of embeddings in which neighbours stay neighbours.

    Distances between groups and their sizes mean nothing in such a map (van der Maaten
    and Hinton 2008); `evaluation.projection` has maps to compare and to save.

    Args:
        embeddings: `vectors` (N, D), `labels` (N,) and `class_names`, as `embed` gives.
        perplexity: how many neighbours count; at most a third of the images.
        title: heading of the figure.
    """
    from sklearn.manifold import TSNE

    nearest = min(perplexity, max(1.0, (len(embeddings.vectors) - 1) / 3))
    points = TSNE(
        init="pca", metric="cosine", perplexity=nearest, random_state=0
    ).fit_transform(embeddings.vectors)
    panel = Panel("", points, embeddings.labels)
    return embedding_grid([panel], embeddings.class_names, title=title)
