"""What a model says of its confidence, beside what is true of it."""

__all__ = ["reliability"]

from collections.abc import Mapping

import numpy as np
import pandas as pd

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.style import (
    GREY,
    INK,
    AccessibleFigure,
    house_style,
    line_style,
    sentence,
)


@house_style()
def reliability(
    tables: Mapping[str, pd.DataFrame],
    *,
    title: str = "May one believe the confidence?",
) -> AccessibleFigure:
    """Draw accuracy against confidence, bin by bin, over how the confidence is spread.

    On the diagonal a model is right as often as it says. Below it, it is too sure of
    itself, as networks trained on few labels usually are. The area of a point is the
    share of the images: where a small one lies is mostly chance.

    Args:
        tables: `Reliability.table()` by the name to show, usually before and after the
            temperature: columns low, high, count, confidence, accuracy.
        title: heading of the figure.

    Raises:
        WorkshopError: nothing to draw, or a table without images.
    """
    if not tables:
        raise WorkshopError("no table to draw: give {'as it is': found.table()}.")
    figure = AccessibleFigure(figsize=(6.6, 7.2))
    above, below = figure.subplots(
        2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1]}
    )
    words = []
    for position, (name, table) in enumerate(tables.items()):
        total = int(table["count"].sum())
        if total == 0:
            raise WorkshopError(f"the table of {name!r} holds no images.")
        style = line_style(position)
        full = table[table["count"] > 0]
        sure, right = 100 * full["confidence"], 100 * full["accuracy"]
        above.plot(
            sure, right, label=name, **{**style, "linewidth": 1.2, "markersize": 4}
        )
        above.scatter(  # the area of a point is the share of the images
            sure, right, 1200 * full["count"] / total,
            color=style["color"], marker=style["marker"],
        )  # fmt: skip
        edges = 100 * np.append(table["low"], table["high"].iloc[-1])
        share = 100 * table["count"] / total
        plain = {"color": style["color"], "linestyle": style["linestyle"]}
        below.stairs(share, edges, baseline=None, linewidth=2.2, **plain)
        gap = float((full["count"] * (right - sure).abs()).sum() / total)
        mean_sure = float((full["count"] * sure).sum() / total)
        mean_right = float((full["count"] * right).sum() / total)
        words.append(
            f"{name}: {mean_sure:.1f} % sure on average, {mean_right:.1f} % right,"
            f" calibration error {gap:.1f} points."
        )
    line = {"color": GREY, "linewidth": 2.0, "zorder": 1}
    above.plot([0, 100], [0, 100], label="right as often as it says", **line)
    above.set(xlim=(0, 100), ylim=(0, 102), title=title, ylabel="right (%)")
    above.legend(loc="upper left")
    below.set(xlabel="confidence in the predicted class (%)", ylabel="images (%)")
    for axes in (above, below):
        axes.tick_params(colors=INK, labelsize=12)
        axes.grid(color="#e4e7eb", linewidth=1)
        axes.set_axisbelow(True)
    figure.alt = f"{sentence(title)} Accuracy against confidence. " + " ".join(words)
    return figure
