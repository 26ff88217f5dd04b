"""The picture to remember: what augmentation was worth, what unlabelled images were."""

__all__ = ["Bar", "baselines"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.style import (
    GREY,
    INK,
    PALETTE,
    AccessibleFigure,
    house_style,
    new_axes,
)

_BAR = 0.36  # height of a bar; the rest of the row holds the words above and below it


@dataclass(frozen=True)
class Bar:
    """One bar of the ladder.

    `accuracy` lies in 0..1, and so do `low` and `high`, the range over several seeds if
    there were several. `note` stands beside the title ("40 labels"). `worth` says what
    the step up to this rung tells ("what the unlabelled images were worth").
    """

    title: str
    accuracy: float
    note: str = ""
    worth: str = ""
    low: float | None = None
    high: float | None = None


@house_style()
def baselines(
    rungs: Sequence[Bar],
    *,
    title: str = "What the unlabelled images were worth",
    chance: float | None = None,
) -> AccessibleFigure:
    """Draw methods as bars, from the weakest start to the ceiling, with each gain.

    A gain counts against the best rung before it, not the last: a baseline that fell
    back must not make the next method look better.

    Args:
        rungs: in the order of the story; the first is drawn on top.
        title: heading of the figure.
        chance: accuracy of guessing, in 0..1; drawn as a dotted line if given.

    Raises:
        WorkshopError: there is no rung, or an accuracy is not in 0..1.
    """
    _check(rungs)
    figure, axes = new_axes(7.2, 1.0 + 1.15 * len(rungs))
    sentences = [_draw_rung(axes, row, rungs) for row in range(len(rungs))]
    if chance is not None:
        axes.axvline(100 * chance, color=INK, linestyle=":", linewidth=1.4, zorder=3)
        sentences.append(f"Guessing gives {100 * chance:.1f} % (dotted line).")
    axes.set_yticks([])
    axes.set_ylim(len(rungs) - 0.45, -0.55)  # the first rung on top
    axes.set_xlim(0, 113)  # room for the number after a full bar
    axes.set_xticks(range(0, 101, 20))
    dotted = "" if chance is None else "; dotted: guessing"
    axes.set_xlabel(f"accuracy on test images (%){dotted}")
    axes.set_title(title)
    figure.alt = f"Bars, one below the other: {title}. " + " ".join(sentences)
    return figure


def _check(rungs: Sequence[Bar]) -> None:
    if not rungs:
        raise WorkshopError(
            "a ladder without rungs: give at least one method's result."
        )
    for rung in rungs:
        if not 0 <= rung.accuracy <= 1:
            raise WorkshopError(
                f"accuracy={rung.accuracy} of {rung.title!r}: an accuracy lies between"
                " 0 and 1; divide per cent by 100."
            )


def _draw_rung(axes: Axes, row: int, rungs: Sequence[Bar]) -> str:
    """Draw one bar with its numbers; return the same in words."""
    rung = rungs[row]
    value = 100 * rung.accuracy
    before = max((100 * r.accuracy for r in rungs[:row]), default=value)
    gain = value - before
    _draw_bar(axes, row, before, value)
    end, spread = max(before, value), ""
    if rung.low is not None and rung.high is not None:
        low, high = 100 * rung.low, 100 * rung.high
        sides = [[value - low], [high - value]]
        axes.errorbar(value, row, xerr=sides, color=INK, capsize=4, lw=1.6)
        end, spread = max(end, high), f" (from {low:.1f} to {high:.1f} over the seeds)"
    # Names above the bars, not beside them: the figure then fits a phone
    name = f"{rung.title} ({rung.note})" if rung.note else rung.title
    _write(axes, 0.8, row - 0.31, name, fontweight="bold")
    axes.text(end + 1, row, f"{value:.1f} %", va="center", fontweight="bold")

    sentence = f"{rung.title}: {value:.1f} %{spread}."
    if row and rung.worth:
        words = f"{gain:+.1f} points: {rung.worth}"
        words = words.replace("-", "\N{MINUS SIGN}", 1) if gain < 0 else words
        _write(axes, 0.8, row + 0.33, words, fontsize=12)
        sentence += f" {words}."
    return sentence


def _draw_bar(axes: Axes, row: int, before: float, value: float) -> None:
    """Draw grey what was reached before, hatched what is new, dashed what is lost."""
    kept, gain = min(before, value), value - before
    axes.barh(row, kept, _BAR, color=GREY, edgecolor=INK, lw=0.8)
    if gain > 0:
        new: dict[str, Any] = {"color": PALETTE["sky"], "hatch": "//"}
        axes.barh(row, gain, _BAR, left=kept, edgecolor=INK, lw=0.8, **new)
    elif gain < 0:
        lost: dict[str, Any] = {"fill": False, "linestyle": "--"}
        axes.barh(row, -gain, _BAR, left=kept, edgecolor=INK, lw=0.8, **lost)


def _write(axes: Axes, x: float, y: float, text: str, **style: Any) -> None:
    """Write over the dotted line of guessing, on a white patch."""
    patch = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    axes.text(x, y, text, va="center", bbox=patch, zorder=4, **style)
