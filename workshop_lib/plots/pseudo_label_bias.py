"""Which classes the pseudo-labels favour, while training."""

__all__ = ["pseudo_label_bias"]

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from numpy.typing import NDArray

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.style import INK, AccessibleFigure, house_style, new_axes

Floats = NDArray[np.float64]

_MOST = 4.0  # times as often: beyond, the colour stays the same
_COLUMNS = ("step", "class", "used", "correct", "true")
_TICKS = {0.25: "¼ or less", 0.5: "½", 1.0: "as often", 2.0: "2×", 4.0: "4× or more"}


@house_style()
def pseudo_label_bias(
    table: pd.DataFrame, *, title: str = "Which classes the pseudo-labels favour"
) -> AccessibleFigure:
    """Draw how often a class is a pseudo-label for how often it is really there.

    The share of a class among the pseudo-labels in use, divided by its share among the
    unlabelled images drawn: classes down, time to the right. With few labels a network
    soon prefers the classes it finds easy, and its pseudo-labels feed the preference: a
    row that stays dark orange is a class that training forgets. Hatched: no
    pseudo-label was in use, or no such image drawn.

    Args:
        table: `Run.pseudo_labels()`: columns step, class, used, correct, true, a row
            per step of the log and class.
        title: heading of the figure.

    Raises:
        WorkshopError: a column is missing, or the table is empty.
    """
    missing = [name for name in _COLUMNS if name not in table.columns]
    if missing or len(table) == 0:
        raise WorkshopError(
            f"no counts of pseudo-labels ({', '.join(missing) or 'no rows'}): draw"
            " Run.pseudo_labels() of a method with pseudo-labels, such as fixmatch."
        )
    names = list(dict.fromkeys(table["class"]))  # in the order of the classes
    wide = table.pivot(index="class", columns="step").reindex(names)
    used, true = (wide[c].to_numpy(np.float64) for c in ("used", "true"))  # (K, T)
    bias = _ratio(_shares(used), _shares(true))  # (K, T)
    steps = np.array(wide["used"].columns, dtype=np.float64)  # (T,)
    figure, axes = new_axes(8.4, min(2.4 + 0.28 * len(names), 16.0))
    # Each column reaches from the step before to its own
    edges = np.concatenate([[0.0], steps])
    axes.set_facecolor("white")
    axes.patch.set(hatch="///", edgecolor="#d5d9de")
    mesh = axes.pcolormesh(
        edges, np.arange(len(names) + 1), np.clip(bias, 1 / _MOST, _MOST),
        cmap="PuOr", norm=LogNorm(1 / _MOST, _MOST),
    )  # fmt: skip
    axes.hlines(np.arange(1, len(names)), 0, steps[-1], color="white", linewidth=2)
    bar = figure.colorbar(mesh, ax=axes, ticks=list(_TICKS), shrink=0.9)
    bar.ax.set_yticklabels(list(_TICKS.values()))
    bar.ax.minorticks_off()
    bar.set_label("share of pseudo-labels : share of images")
    _label(axes, names, title)
    figure.alt = _in_words(title, names, bias, steps)
    return figure


def _shares(counts: Floats) -> Floats:
    return _ratio(counts, counts.sum(axis=0, keepdims=True))


def _ratio(part: Floats, whole: Floats) -> Floats:
    whole = np.broadcast_to(whole, part.shape)
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def _label(axes: Axes, names: list[Any], title: str) -> None:
    short = [textwrap.shorten(str(name), 24, placeholder="…") for name in names]
    size = 12 if len(names) <= 30 else 8
    axes.set_yticks(np.arange(len(names)) + 0.5, short, fontsize=size)
    axes.invert_yaxis()
    axes.set_xlabel("optimiser steps")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_title(title)
    axes.tick_params(colors=INK)
    axes.spines[:].set_visible(False)


def _in_words(title: str, names: list[Any], bias: Floats, steps: Floats) -> str:
    text = (
        f"{title}: heat map of {len(names)} classes against optimiser steps, up to"
        f" {steps[-1]:,.0f}."
    )
    last = bias[:, -1]
    known = ~np.isnan(last)
    if not known.any():
        return f"{text} At the end no pseudo-label was in use."
    most, least = np.nanargmax(last), np.nanargmin(last)
    return (
        f"{text} At the end {names[most]} is the most favoured class, a pseudo-label"
        f" {last[most]:.1f} times as often as it is really there; {names[least]} the"
        f" least, {last[least]:.1f} times."
    )
