"""Values with how sure they are, one below the other."""

__all__ = ["ranges"]

import math
from collections.abc import Mapping

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.style import (
    INK,
    PALETTE,
    AccessibleFigure,
    house_style,
    new_axes,
    sentence,
)


@house_style()
def ranges(
    values: Mapping[str, tuple[float, float, float]],
    *,
    title: str,
    x_label: str,
    baseline: tuple[str, float] | None = None,
) -> AccessibleFigure:
    """Draw a point and a range per row, the first on top.

    Where two ranges overlap widely, the order of their points says little. A range that
    reaches over the baseline is drawn hollow: it may be no difference at all.

    Args:
        values: value, low and high, by name; low and high may be the ends of an
            interval, a deviation either way, or the extremes: say which in `x_label`.
        title: heading of the figure.
        x_label: what is shown, with its unit.
        baseline: name and value of a dashed line, such as no difference.

    Raises:
        WorkshopError: nothing to draw, or a value outside of its range.
    """
    good = all(
        math.isfinite(low) and math.isfinite(high) and low <= value <= high
        for value, low, high in values.values()
    )
    if not values or not good:
        raise WorkshopError(
            f"ranges of {dict(values)}: give at least one (value, low, high) of finite"
            " numbers, in that order of columns, with low <= value <= high."
        )
    figure, axes = new_axes(8.4, 1.6 + 0.36 * len(values))
    words = []
    for row, (name, (value, low, high)) in enumerate(values.items()):
        unsure = baseline is not None and low <= baseline[1] <= high
        axes.errorbar(
            value, row, xerr=[[value - low], [high - value]],
            color=PALETTE["blue"], marker="o", markersize=8, capsize=5,
            markerfacecolor="white" if unsure else PALETTE["blue"],
        )  # fmt: skip
        axes.axhline(row, color="#e4e7eb", linewidth=1, zorder=0)
        spoken = " ".join(name.split())
        words.append(f"{spoken}: {value:.1f} ({low:.1f} to {high:.1f}).")
    if baseline:
        axes.axvline(baseline[1], color=INK, linestyle="--", linewidth=1.5, zorder=0)
        axes.annotate(
            f" {baseline[0]}", (baseline[1], 1), xycoords=("data", "axes fraction"),
            va="bottom", fontsize=11,
        )  # fmt: skip
        words.append(f"Dashed line: {baseline[0]}, {baseline[1]:.1f}.")
    axes.set_yticks(range(len(values)), list(values))
    axes.set_ylim(len(values) - 0.5, -0.5)  # the first on top
    axes.set_xlabel(x_label)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    # Above the names, too: a title over the axes alone would run out of the figure
    figure.suptitle(title, x=0.01, ha="left", fontsize=15, fontweight="bold")
    figure.alt = f"{sentence(title)} Points with ranges, {x_label}. " + " ".join(words)
    return figure
