"""Comparison of methods: gains over baselines, seeds, sets of sensors."""

__all__ = ["Bar", "baselines", "modality_gains", "seed_plot"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.style import (
    GREY,
    INK,
    PALETTE,
    AccessibleFigure,
    house_style,
    light_grid,
    line_style,
    new_axes,
    sentence,
)

_PATCH = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}  # behind words
_HEIGHT = 0.36  # of a baseline's bar; the words above and below it fill its row


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
    if not bars:
        raise WorkshopError("no baselines: give at least one method's result.")
    for bar in bars:
        if not 0 <= bar.accuracy <= 1:
            raise WorkshopError(
                f"accuracy={bar.accuracy} of {bar.title!r}: an accuracy lies between"
                " 0 and 1; divide per cent by 100."
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
    edge: dict[str, Any] = {"edgecolor": INK, "lw": 0.8}
    axes.barh(row, kept, _HEIGHT, color=GREY, **edge)
    if gain > 0:
        new = {"color": PALETTE["sky"], "hatch": "//", **edge}
        axes.barh(row, gain, _HEIGHT, left=kept, **new)
    elif gain < 0:
        lost = {"fill": False, "linestyle": "--", **edge}
        axes.barh(row, -gain, _HEIGHT, left=kept, **lost)
    end, spread = max(before, value), ""
    if bar.low is not None and bar.high is not None:
        low, high = 100 * bar.low, 100 * bar.high
        sides = [[value - low], [high - value]]
        axes.errorbar(value, row, xerr=sides, color=INK, capsize=4, lw=1.6)
        end, spread = max(end, high), f" (from {low:.1f} to {high:.1f} over the seeds)"
    # Names above the bars, not beside them: the figure then fits a phone. The white
    # patch keeps the dotted line of guessing out of the words
    name = f"{bar.title} ({bar.note})" if bar.note else bar.title
    words: dict[str, Any] = {"va": "center", "bbox": _PATCH, "zorder": 4}
    axes.text(0.8, row - 0.31, name, fontweight="bold", **words)
    axes.text(end + 1, row, f"{value:.1f} %", va="center", fontweight="bold")
    said = f"{bar.title}: {value:.1f} %{spread}."
    if row and bar.worth:
        gained = f"{gain:+.1f} points: {bar.worth}"
        gained = gained.replace("-", "\N{MINUS SIGN}", 1) if gain < 0 else gained
        axes.text(0.8, row + 0.33, gained, fontsize=12, **words)
        said += f" {gained}."
    return said


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

    Raises:
        WorkshopError: nothing to draw, other methods, or not the same number of seeds.
    """
    runs = {name: 100 * np.asarray(v, np.float64) for name, v in accuracies.items()}
    numbers = sorted({len(one) for one in runs.values()})
    if len(numbers) != 1 or numbers == [0] or set(intervals) != set(runs):
        raise WorkshopError(
            f"{numbers} seeds of {', '.join(runs) or 'no method'}, intervals of"
            f" {', '.join(intervals) or 'none'}: give the same methods in both, and as"
            " many seeds of each, at least one."
        )
    figure, axes = new_axes(max(2.4 + 2.0 * len(runs), 6.0), 4.8)
    table = pd.DataFrame(runs)  # a row per seed, a column per method
    places = np.arange(len(runs))
    axes.plot(places - 0.1, table.T, color=GREY, linewidth=1.2, zorder=1)
    words = []
    for place, name in enumerate(runs):
        style = line_style(place)
        mean, low, high = (100 * end for end in intervals[name])
        dots = style | {"linestyle": "", "markersize": 7}
        axes.plot([place - 0.1] * len(table), table[name], **dots)
        axes.errorbar(
            place + 0.1, mean, [[mean - low], [high - mean]],
            color=style["color"], marker="_", markersize=22, capsize=7,
        )  # fmt: skip
        sure = "no interval" if np.isnan(low) else f"{low:.1f} to {high:.1f} %"
        words.append(f"{name}: mean {mean:.1f} %, {sure}.")
    axes.set_xticks(places, list(runs))
    # Intervals of two or three seeds may reach beyond what an accuracy can be
    least, most = float(table.min().min()), float(table.max().max())
    axes.set(
        xlim=(-0.5, len(runs) - 0.5), ylim=(max(least - 25, 0), min(most + 25, 100))
    )
    axes.set_ylabel("accuracy on test images (%)")
    axes.set_xlabel("method: a point per seed, beside them mean and 95 % interval")
    axes.set_title(title)
    light_grid(axes)
    figure.alt = f"{sentence(title)} {numbers[0]} seeds of each method. " + " ".join(
        words
    )
    return figure


@house_style()
def modality_gains(
    scenes: pd.DataFrame, maps: pd.DataFrame, *, against: str = "S2"
) -> AccessibleFigure:
    """Draw a row per set of modalities: F1 of scenes, IoU of maps; a point per seed.

    Sets that fall behind the one they are compared with differ in colour and marker.

    Args:
        scenes: a row per run, with its name, seed and f1 (0 to 1) of the scenes.
        maps: likewise with iou, of segmentation; without rows that panel is left out.
        against: the set whose mean is drawn as a line through each panel.

    Raises:
        WorkshopError: no rows, or none of the set to compare with.
    """
    import seaborn as sns

    studies = [(scenes, "f1", "Scenes: F1 (%)")]
    if len(maps):
        studies.append((maps, "iou", "Land-cover maps: mIoU (%)"))
    for rows, _, _ in studies:
        if against not in set(rows["name"]):
            raise WorkshopError(
                f"sets {', '.join(rows['name'].unique()) or '(none)'}: {against!r},"
                " which the others are compared with, is not among them."
            )
    names = list(dict.fromkeys([*scenes["name"], *maps["name"]]))
    figure = AccessibleFigure(figsize=(11, 1.4 + 0.45 * len(names)))
    panels = figure.subplots(1, len(studies), sharey=True, squeeze=False)[0]
    words = []
    for axes, (rows, column, title) in zip(panels, studies, strict=True):
        percent = rows.assign(value=100 * rows[column]).groupby("name")["value"]
        mean = percent.mean()
        axes.axvline(mean[against], color=GREY, linewidth=2, zorder=1)
        shown = rows.assign(value=100 * rows[column], gap=rows["name"].map(mean))
        for look, part in shown.groupby(shown["gap"] < mean[against]):
            style = line_style(int(bool(look)))
            common: dict[str, Any] = {"x": "value", "y": "name", "order": names}
            common |= {"data": part, "color": style["color"], "ax": axes}
            sns.stripplot(
                **common, marker=style["marker"], size=7, alpha=0.6, jitter=False
            )
            sns.pointplot(
                **common, marker="|", markersize=20, markeredgewidth=2.5,
                linestyle="none", errorbar=None,
            )  # fmt: skip
        words += [f"{title[:-4]} of {name}: {mean[name]:.1f} %." for name in mean.index]
        axes.set(title=title, ylabel="")
        count = int(percent.count().max())
        axes.set_xlabel(
            f"a point per seed ({count}); bar: mean; grey line: {against}", fontsize=11
        )
        light_grid(axes, "both")
    figure.alt = "A point per seed and set of modalities. " + " ".join(words)
    return figure
