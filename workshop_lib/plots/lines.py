"""A few quantities against another one."""

__all__ = ["lines"]

from collections.abc import Mapping

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.style import AccessibleFigure, house_style, line_style, new_axes


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

    For the learning curves of a log, `learning_curves` knows more.

    Args:
        series: horizontal and vertical values, equally many, by the name to show.
        title: heading of the figure.
        x_label, y_label: what is on the axes, with the unit.
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
    axes.grid(axis="y", color="#e4e7eb", linewidth=1)
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=min(len(both), 3))
    figure.alt = f"{title}: lines, {y_label} against {x_label}. " + " ".join(words)
    return figure
