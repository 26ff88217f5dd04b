"""Several seeds of several methods: each run, the means, and how sure they are."""

__all__ = ["seed_plot"]

from collections.abc import Mapping, Sequence

import numpy as np

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.style import (
    GREY,
    INK,
    AccessibleFigure,
    house_style,
    line_style,
    new_axes,
    sentence,
)


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
            NaN for one seed. What lies far from all runs is cut off.
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
    places = np.arange(len(runs), dtype=np.float64)
    table = np.array(list(runs.values()))  # (methods, seeds)
    axes.plot(places - 0.1, table, color=GREY, linewidth=1.2, zorder=1)
    words = []
    for position, (name, one) in enumerate(runs.items()):
        style = line_style(position)
        mean, low, high = (100 * end for end in intervals[name])
        dots = style | {"linestyle": "", "markersize": 7}
        axes.plot(np.full(len(one), places[position] - 0.1), one, **dots)
        axes.errorbar(
            places[position] + 0.1, mean, [[mean - low], [high - mean]],
            color=style["color"], marker="_", markersize=22, capsize=7,
        )  # fmt: skip
        sure = "no interval" if np.isnan(low) else f"{low:.1f} to {high:.1f} %"
        words.append(f"{name}: mean {mean:.1f} %, {sure}.")
    axes.set_xticks(places, list(runs))
    axes.set_xlim(-0.5, len(runs) - 0.5)
    # Intervals of two or three seeds may reach beyond what an accuracy can be
    axes.set_ylim(max(table.min() - 25, 0), min(table.max() + 25, 100))
    axes.set_ylabel("accuracy on test images (%)")
    axes.set_xlabel("method: a point per seed, beside them mean and 95 % interval")
    axes.set_title(title)
    axes.tick_params(colors=INK)
    axes.grid(axis="y", color="#e4e7eb", linewidth=1)
    axes.set_axisbelow(True)
    figure.alt = f"{sentence(title)} {numbers[0]} seeds of each method. " + " ".join(
        words
    )
    return figure
