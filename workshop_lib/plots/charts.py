"""Charts of a few numbers: bars, lines, histograms, gains over baselines; diagrams."""

__all__ = ["Bar", "bars", "baselines", "flow", "histograms", "lines"]

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from numpy.typing import ArrayLike

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.style import (
    GREY,
    INK,
    MINUS,
    PALETTE,
    AccessibleFigure,
    house_style,
    line_style,
    new_axes,
)

_HATCHES = ("", "///", "...", "xx")  # of histograms
_BINS = 40
_BAR: dict[str, Any] = {"edgecolor": INK, "linewidth": 0.8}
_HEIGHT = 0.36  # of a baseline's bar; the words above and below it fill its row


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
    if not values or not all(0 <= value < math.inf for value in values.values()):
        raise WorkshopError(
            f"bars of {dict(values)}: give at least one value, finite and not below 0."
        )
    figure, axes = new_axes(7.2, 1.3 + 0.55 * len(values))
    most, words, behind = max(values.values()), [], {"color": "white", "pad": 1}
    for name, value in values.items():
        much, number = limit is not None and value > limit[1], _three_digits(value)
        colour, hatch = ("orange", "//") if much else ("sky", None)
        bar = axes.barh(name, value, 0.6, color=PALETTE[colour], hatch=hatch, **_BAR)
        axes.bar_label(bar, [number], padding=3, color=INK, bbox=behind)
        words.append(f"{name}: {number}{' (too much)' if much else ''}.")
    if limit:
        most = max(most, limit[1])
        axes.axvline(limit[1], color=INK, linestyle="--", linewidth=1.5)
        axes.text(limit[1], -0.62, f" {limit[0]}", ha="left", va="bottom", fontsize=11)
        words.append(f"Dashed line: {limit[0]}, {_three_digits(limit[1])}.")
    axes.set(xlabel=unit, xlim=(0, 1.15 * (most or 1)))
    axes.set_ylim(len(values) - 0.5, -0.95 if limit else -0.6)  # the first on top
    if most >= 10_000:  # few enough that "150,000" and its neighbours do not touch
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    # Above the names, too: a title over the axes alone would run out of the figure
    figure.suptitle(title, x=0.01, ha="left")
    figure.alt = f"Bars: {title}, in {unit}. " + " ".join(words)
    return figure


def _three_digits(value: float) -> str:
    """Write three significant digits: a bar cannot be read more precisely."""
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
    """
    figure, axes = new_axes(8.0, 4.2)
    words, whole = [], True
    for position, (name, pair) in enumerate(series.items()):
        x, y = (np.asarray(each, np.float64) for each in pair)
        axes.plot(x, y, label=name, **line_style(position))
        words.append(
            f"{name}: from {y[0]:.1f} at {x[0]:g} to {y[-1]:.1f} at {x[-1]:g}."
        )
        whole &= bool((x % 1 == 0).all())
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    if whole:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if y_limits:
        axes.set_ylim(*y_limits)
    axes.grid(axis="y")
    figure.legend(loc="outside lower center", ncols=min(len(series), 3))
    figure.alt = f"{title}: lines, {y_label} against {x_label}. " + " ".join(words)
    return figure


@house_style()
def histograms(
    values: Mapping[str, ArrayLike],
    *,
    title: str,
    x_label: str,
    y_label: str = "how often",
) -> AccessibleFigure:
    """Draw the histograms of several groups over each other, in the same bins.

    Groups differ in colour and hatching; a line marks the mean of each.

    Args:
        values: groups of numbers, by the name to show; up to four look different.
        title: heading of the figure.
        x_label: name and unit of the numbers.
        y_label: what is counted.
    """
    groups = {name: np.asarray(v, np.float64).ravel() for name, v in values.items()}
    edges = np.histogram_bin_edges(np.concatenate(list(groups.values())), _BINS)
    figure, axes = new_axes(8.0, 4.2)
    words = []
    for position, (name, one) in enumerate(groups.items()):
        style = line_style(position)
        axes.hist(
            one, edges.tolist(), label=f"{name}: mean {one.mean():.3g}", alpha=0.55,
            color=style["color"], hatch=_HATCHES[position % 4],
            edgecolor=to_rgba(INK, 0.55), linewidth=0.6,
        )  # fmt: skip
        axes.axvline(one.mean(), color=style["color"], linestyle=style["linestyle"])
        words.append(
            f"{name}: {len(one):,} numbers from {one.min():.4g} to {one.max():.4g},"
            f" mean {one.mean():.3g}."
        )
    axes.set(xlabel=x_label, ylabel=y_label, title=title)
    figure.legend(loc="outside lower center", ncols=len(groups))
    figure.alt = f"Histograms '{title}': {x_label}. " + " ".join(words)
    return figure


@house_style()
def flow(
    boxes: Mapping[str, tuple[str, float, float, str]],
    paths: Sequence[str],
    *,
    title: str,
) -> AccessibleFigure:
    """Draw boxes joined by arrows: which result goes where in a method.

    Args:
        boxes: by a short name, the text of a box, its column and row from the upper
            left, and its colour: a pale one of `PALETTE`, or any of matplotlib's.
        paths: short names from box to box, "a b c" for two arrows.
        title: heading of the figure.

    >>> boxes = {"a": ("image", 0, 0, "white"), "b": ("network", 1, 0, "sky")}
    >>> flow(boxes, ["a b"], title="Prediction").alt
    'Diagram: Prediction. image -> network.'
    """
    right, below = np.max([box[1:3] for box in boxes.values()], axis=0)
    figure, axes = new_axes(1.55 * (right + 1), 0.5 + 0.95 * (below + 1))
    axes.set(xlim=(-0.5, right + 0.5), ylim=(below + 0.5, -0.5), title=title)
    axes.axis("off")
    drawn: dict[str, Any] = {}
    for name, (text, column, row, colour) in boxes.items():
        pale = to_rgba(PALETTE[colour], 0.45) if colour in PALETTE else colour
        look = {"boxstyle": "round,pad=0.4", "facecolor": pale, "edgecolor": INK}
        drawn[name] = axes.text(column, row, text, ha="center", va="center", bbox=look)
    words = []
    for names in map(str.split, paths):
        for a, b in pairwise(names):
            ends = (drawn[one].get_bbox_patch() for one in (a, b))
            arrow = dict(zip(("patchA", "patchB"), ends, strict=True), arrowstyle="-|>")
            axes.annotate("", boxes[b][1:3], boxes[a][1:3], arrowprops=arrow)
        words.append(" -> ".join(" ".join(boxes[n][0].split()) for n in names))
    figure.alt = f"Diagram: {title}. {'; '.join(words)}."
    return figure


@dataclass(frozen=True)
class Bar:
    """One bar of `baselines`.

    `accuracy` is in 0..1, and so are `low` and `high`, the range over several seeds if
    there were several. `note` is written beside the title ("40 labels"). `worth` names
    the gain over the best bar before ("what the unlabelled images were worth").
    """

    title: str
    accuracy: float
    note: str = ""
    worth: str = ""
    low: float | None = None
    high: float | None = None


@house_style()
def baselines(
    bars: Sequence[Bar],
    *,
    title: str = "What the unlabelled images were worth",
    chance: float | None = None,
) -> AccessibleFigure:
    """Draw methods as bars, from the weakest baseline to the ceiling, with each gain.

    A gain counts against the best bar before it, not the last: a baseline that fell
    back must not make the next method look better.

    Args:
        bars: in the order of the story; the first is drawn on top.
        title: heading of the figure.
        chance: accuracy of guessing, in 0..1; drawn as a dotted line if given.

    Raises:
        WorkshopError: there is no bar, or an accuracy is not in 0..1.
    """
    if not bars or not all(0 <= bar.accuracy <= 1 for bar in bars):
        given = {bar.title: bar.accuracy for bar in bars}
        raise WorkshopError(
            f"accuracies {given}: give at least one, all in 0..1 (per cent / 100)."
        )
    figure, axes = new_axes(7.2, 1.0 + 1.15 * len(bars))
    sentences = [_draw_bar(axes, row, bars) for row in range(len(bars))]
    if chance is not None:
        axes.axvline(100 * chance, color=INK, linestyle=":", linewidth=1.4, zorder=3)
        sentences.append(f"Guessing gives {100 * chance:.1f} % (dotted line).")
    axes.set_ylim(len(bars) - 0.45, -0.55)  # the first bar on top
    # Room for the number after a full bar
    axes.set(yticks=[], xlim=(0, 113), xticks=range(0, 101, 20), title=title)
    dotted = "" if chance is None else "; dotted: guessing"
    axes.set_xlabel(f"accuracy on test images (%){dotted}")
    figure.alt = f"Bars, one below the other: {title}. " + " ".join(sentences)
    return figure


def _draw_bar(axes: Axes, row: int, bars: Sequence[Bar]) -> str:
    """Draw one bar with its numbers; return the same in words.

    Grey is what an earlier bar reached, hatched is new, dashed is lost.
    """
    bar = bars[row]
    value = 100 * bar.accuracy
    before = max((100 * b.accuracy for b in bars[:row]), default=value)
    kept, gain = min(before, value), value - before
    axes.barh(row, kept, _HEIGHT, color=GREY, **_BAR)
    new = {"color": PALETTE["sky"], "hatch": "//"}
    change = new if gain > 0 else {"fill": False, "linestyle": "--"}
    if gain:
        axes.barh(row, abs(gain), _HEIGHT, left=kept, **change, **_BAR)
    end, said = max(before, value), f"{bar.title}: {value:.1f} %"
    if bar.low is not None and bar.high is not None:
        low, high = 100 * bar.low, 100 * bar.high
        sides = [[value - low], [high - value]]
        axes.errorbar(value, row, xerr=sides, color=INK, capsize=4, lw=1.6)
        end = max(end, high)
        said += f" (from {low:.1f} to {high:.1f} over the seeds)"
    # Names above the bars, not beside them: the figure then fits a phone. The white
    # patch keeps the dotted line of guessing out of the words
    patch = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    words: dict[str, Any] = {"va": "center", "bbox": patch, "zorder": 4}
    name = f"{bar.title} ({bar.note})" if bar.note else bar.title
    axes.text(0.8, row - 0.31, name, fontweight="bold", **words)
    axes.text(end + 1, row, f"{value:.1f} %", va="center", fontweight="bold")
    if not row or not bar.worth:
        return f"{said}."
    sign = "+" if gain >= 0 else MINUS
    gained = f"{sign}{abs(gain):.1f} points: {bar.worth}"
    axes.text(0.8, row + 0.33, gained, fontsize=12, **words)
    return f"{said}. {gained}."
