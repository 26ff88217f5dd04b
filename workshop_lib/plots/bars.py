"""A few quantities side by side, each with its number."""

__all__ = ["bars"]

import math
from collections.abc import Mapping

from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.style import (
    INK,
    PALETTE,
    AccessibleFigure,
    house_style,
    new_axes,
)


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
        WorkshopError: there is no value, or one that is negative or no number.
    """
    good = all(math.isfinite(v) and v >= 0 for v in values.values())
    if not values or not good:
        raise WorkshopError(
            f"bars of {dict(values)}: give at least one value, all finite and not"
            " below 0."
        )
    most = max([*values.values(), limit[1] if limit else 0.0]) or 1.0
    figure, axes = new_axes(7.2, 1.3 + 0.55 * len(values))
    words = []
    for row, (name, value) in enumerate(values.items()):
        over = limit is not None and value > limit[1]
        axes.barh(
            row, value, 0.6, edgecolor=INK, linewidth=0.8,
            color=PALETTE["orange" if over else "sky"], hatch="//" if over else None,
        )  # fmt: skip
        axes.text(
            value + 0.01 * most, row, _number(value), va="center", color=INK,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )  # fmt: skip
        words.append(f"{name}: {_number(value)}{' (too much)' if over else ''}.")
    if limit:
        axes.axvline(limit[1], color=INK, linestyle="--", linewidth=1.5)
        axes.text(limit[1], -0.62, f" {limit[0]}", ha="left", va="bottom", fontsize=11)
        words.append(f"Dashed line: {limit[0]}, {_number(limit[1])}.")
    axes.set_yticks(range(len(values)), list(values))
    axes.set_ylim(len(values) - 0.5, -0.95 if limit else -0.6)  # the first on top
    axes.set_xlim(0, 1.15 * most)
    axes.set_xlabel(unit)
    if most >= 10_000:  # few enough that "150,000" and its neighbours do not touch
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    # Above the names, too: a title over the axes alone would run out of the figure
    figure.suptitle(title, x=0.01, ha="left", fontsize=15, fontweight="bold")
    figure.alt = f"Bars: {title}, in {unit}. " + " ".join(words)
    return figure


def _number(value: float) -> str:
    """Write three digits, as nobody reads more off a bar."""
    digits = 0 if value == 0 else max(0, 2 - math.floor(math.log10(value)))
    return f"{value:,.{min(digits, 4)}f}"
