"""Charts of a few numbers: bars, lines, histograms, ranges."""

__all__ = ["bars", "histograms", "lines", "ranges"]

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from numpy.typing import ArrayLike

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.style import (
    INK,
    PALETTE,
    AccessibleFigure,
    house_style,
    light_grid,
    line_style,
    new_axes,
    sentence,
)

_HATCHES = ("", "///", "...")


@house_style()
def bars(
    values: Mapping[str, float],
    *,
    title: str,
    unit: str,
    limit: tuple[str, float] | None = None,
) -> AccessibleFigure:
    """Draw one bar per quantity, the first on top, with its number at the end.

    Bars above a limit are hatched as well as coloured.

    Args:
        values: what is compared, by name; none below 0.
        title: heading of the figure.
        unit: of the values, for the axis: "images per second".
        limit: name and value of a line that bars should not reach.

    Raises:
        WorkshopError: there is no value, or one that is negative or not finite.

    >>> bars({"CPU": 310, "GPU": 9200}, title="Speed", unit="images per second").alt
    'Bars: Speed, in images per second. CPU: 310. GPU: 9,200.'
    """
    import seaborn as sns

    good = all(math.isfinite(v) and v >= 0 for v in values.values())
    if not values or not good:
        raise WorkshopError(
            f"bars of {dict(values)}: give at least one value, all finite and not"
            " below 0."
        )
    ceiling = limit[1] if limit else math.inf
    most = max([*values.values(), limit[1] if limit else 0.0]) or 1.0
    figure, axes = new_axes(7.2, 1.3 + 0.55 * len(values))
    sns.barplot(
        x=list(values.values()), y=list(values), orient="h", ax=axes, width=0.6,
        color=PALETTE["sky"], saturation=1, edgecolor=INK, linewidth=0.8,
    )  # fmt: skip
    words = []
    for bar, (name, value) in zip(axes.patches, values.items(), strict=True):
        if value > ceiling:
            bar.set(facecolor=PALETTE["orange"], hatch="//")
        note = " (too much)" if value > ceiling else ""
        words.append(f"{name}: {_number(value)}{note}.")
    axes.bar_label(
        axes.containers[0],  # type: ignore[arg-type]
        [_number(value) for value in values.values()],
        padding=3, color=INK, bbox={"color": "white", "pad": 1},
    )  # fmt: skip
    if limit:
        axes.axvline(limit[1], color=INK, linestyle="--", linewidth=1.5)
        axes.text(limit[1], -0.62, f" {limit[0]}", ha="left", va="bottom", fontsize=11)
        words.append(f"Dashed line: {limit[0]}, {_number(limit[1])}.")
    axes.set(xlabel=unit, xlim=(0, 1.15 * most))
    axes.set_ylim(len(values) - 0.5, -0.95 if limit else -0.6)  # the first on top
    if most >= 10_000:  # few enough that "150,000" and its neighbours do not touch
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    # Above the names, too: a title over the axes alone would run out of the figure
    figure.suptitle(title, x=0.01, ha="left")
    figure.alt = f"Bars: {title}, in {unit}. " + " ".join(words)
    return figure


def _number(value: float) -> str:
    """Write three digits, as nobody reads more off a bar."""
    digits = 0 if value == 0 else max(0, 2 - math.floor(math.log10(value)))
    return f"{value:,.{min(digits, 4)}f}"


@house_style()
def lines(
    series: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    title: str,
    x_label: str,
    y_label: str,
    y_limits: tuple[float, float] | None = None,
) -> AccessibleFigure:
    """Draw one line per name, each with a colour, a dash and a marker of its own.

    For the log of a training, `learning_curves` knows more.

    Args:
        series: horizontal and vertical values, equally many, by the name to show.
        title: heading of the figure.
        x_label, y_label: of the axes, with the unit.
        y_limits: lowest and highest value of the vertical axis; None for those drawn.

    Raises:
        WorkshopError: nothing to draw, or values that are not equally many.
    """
    both = {
        name: (np.asarray(x, np.float64), np.asarray(y, np.float64))
        for name, (x, y) in series.items()
    }
    if not both or any(x.shape != y.shape or not x.size for x, y in both.values()):
        raise WorkshopError(
            f"lines of {', '.join(both) or 'nothing'}: give at least one, with as many"
            " horizontal as vertical values."
        )
    figure, axes = new_axes(8.0, 4.2)
    words = []
    for position, (name, (x, y)) in enumerate(both.items()):
        axes.plot(x, y, label=name, **line_style(position))
        words.append(
            f"{name}: from {y[0]:.1f} at {x[0]:g} to {y[-1]:.1f} at {x[-1]:g}."
        )
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    if all((x % 1 == 0).all() for x, _ in both.values()):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if y_limits:
        axes.set_ylim(*y_limits)
    light_grid(axes)
    figure.legend(loc="outside lower center", ncols=min(len(both), 3))
    figure.alt = f"{title}: lines, {y_label} against {x_label}. " + " ".join(words)
    return figure


@house_style()
def histograms(
    values: Mapping[str, ArrayLike],
    *,
    title: str,
    x_label: str,
    y_label: str = "how often",
    bins: int = 40,
) -> AccessibleFigure:
    """Draw the histograms of several groups over each other, in the same bins.

    Groups differ in colour and hatching; a line marks the mean of each.

    Args:
        values: one to three groups of numbers, by the name to show.
        title: heading of the figure.
        x_label: name and unit of the numbers.
        y_label: what is counted.
        bins: of equal width between the lowest and the highest number of all.

    Raises:
        WorkshopError: no group or more than three, or one that is empty or not finite.
    """
    import seaborn as sns

    groups = {name: np.asarray(v, np.float64).ravel() for name, v in values.items()}
    good = all(len(one) and np.isfinite(one).all() for one in groups.values())
    if not 1 <= len(groups) <= len(_HATCHES) or not good:
        sizes = ", ".join(f"{name} ({len(one)})" for name, one in groups.items())
        raise WorkshopError(
            f"histograms of {sizes or 'nothing'}: give one to {len(_HATCHES)} groups of"
            " at least one finite number."
        )
    edges = np.histogram_bin_edges(np.concatenate(list(groups.values())), bins)
    figure, axes = new_axes(8.0, 4.2)
    words = []
    for position, (name, one) in enumerate(groups.items()):
        style = line_style(position)
        sns.histplot(
            one, bins=edges.tolist(), ax=axes, label=f"{name}: mean {one.mean():.3g}",
            color=style["color"], hatch=_HATCHES[position], alpha=0.55,
            edgecolor=to_rgba(INK, 0.55), linewidth=0.6,
        )  # fmt: skip
        axes.axvline(one.mean(), color=style["color"], linestyle=style["linestyle"])
        words.append(
            f"{name}: {len(one):,} numbers from {one.min():.4g} to {one.max():.4g},"
            f" mean {one.mean():.3g}."
        )
    axes.set(xlabel=x_label, ylabel=y_label, title=title)
    figure.legend(loc="outside lower center", ncols=len(groups))
    figure.alt = f"{sentence(title)} Histograms: {x_label}. " + " ".join(words)
    return figure


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
        x_label: name and unit of the values.
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
    light_grid(axes)
    figure.suptitle(title, x=0.01, ha="left")
    figure.alt = f"{sentence(title)} Points with ranges, {x_label}. " + " ".join(words)
    return figure
