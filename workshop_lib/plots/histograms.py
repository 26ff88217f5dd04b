"""How often a number takes which value, for two or three groups of numbers."""

__all__ = ["histograms"]

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.style import (
    INK,
    AccessibleFigure,
    house_style,
    line_style,
    new_axes,
    sentence,
)

_HATCHES = ("", "///", "...")


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
        x_label: what the numbers are, with their unit.
        y_label: what is counted.
        bins: of equal width between the lowest and the highest number of all.

    Raises:
        WorkshopError: no group or more than three, or one that is empty or not finite.
    """
    groups = {name: np.asarray(v, np.float64).ravel() for name, v in values.items()}
    good = all(len(one) and np.isfinite(one).all() for one in groups.values())
    if not 1 <= len(groups) <= len(_HATCHES) or not good:
        sizes = ", ".join(f"{name} ({len(one)})" for name, one in groups.items())
        raise WorkshopError(
            f"histograms of {sizes or 'nothing'}: give one to {len(_HATCHES)} groups of"
            " at least one finite number."
        )
    everything = np.concatenate(list(groups.values()))
    edges = np.histogram_bin_edges(everything, bins).tolist()
    figure, axes = new_axes(8.0, 4.2)
    words = []
    for position, (name, one) in enumerate(groups.items()):
        style = line_style(position)
        axes.hist(
            one, edges, label=f"{name}: mean {one.mean():.3g}", alpha=0.55,
            color=style["color"], hatch=_HATCHES[position], edgecolor=INK, lw=0.6,
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
