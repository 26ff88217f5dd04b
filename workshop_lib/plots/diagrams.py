"""Diagrams: the parts of a network as boxes, joined by arrows."""

__all__ = ["Box", "flow"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.patches import FancyBboxPatch

from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.plots.style import (
    INK,
    PALETTE,
    AccessibleFigure,
    house_style,
    new_axes,
    sentence,
)

# Face, width of the rim, dash: a kind is told by more than its colour
_LOOKS: dict[str, tuple[str, float, str]] = {
    "data": ("white", 1.4, "-"),
    "network": ("#cfe5f4", 2.6, "-"),
    "answer": ("#fdebd0", 1.8, "--"),
    "word": ("none", 0.0, "-"),
}


@dataclass(frozen=True)
class Box:
    """A box of a diagram.

    Args:
        text: in it, with line breaks where wanted.
        x, y: its middle, in inches from the lower left corner.
        width, height: in inches.
        kind: "data", a "network" that learns, an "answer", or a bare "word".
    """

    text: str
    x: float
    y: float
    width: float = 1.5
    height: float = 0.7
    kind: Literal["data", "network", "answer", "word"] = "network"


@house_style()
def flow(
    boxes: Mapping[str, Box],
    arrows: Sequence[tuple[str, str] | tuple[str, str, float]],
    *,
    title: str,
) -> AccessibleFigure:
    """Draw boxes and the arrows between them.

    Args:
        boxes: by a name that arrows and the alt text use.
        arrows: from and to, and how far the arrow bows out to the left of its way, as a
            share of its length; straight by default.
        title: heading of the figure.

    Raises:
        WorkshopError: no box, one of an unknown kind, or an arrow to or from nowhere.
    """
    if not boxes:
        raise WorkshopError("a diagram of nothing: give at least one box.")
    for box in boxes.values():
        if box.kind not in _LOOKS:
            raise unknown_name("kind of box", box.kind, _LOOKS)
    for end in (end for arrow in arrows for end in arrow[:2]):
        if end not in boxes:
            raise unknown_name("box", end, boxes)
    middle = np.array([(box.x, box.y) for box in boxes.values()])
    half = np.array([(box.width, box.height) for box in boxes.values()]) / 2
    (left, low), (right, high) = (middle - half).min(0), (middle + half).max(0)
    figure, axes = new_axes(right - left + 0.2, high - low + 0.7)
    axes.set(xlim=(left - 0.1, right + 0.1), ylim=(low - 0.1, high + 0.1))
    axes.axis("off")
    patches: dict[str, Any] = {}
    for name, box in boxes.items():
        face, rim, dash = _LOOKS[box.kind]
        corner = (box.x - box.width / 2 + 0.06, box.y - box.height / 2 + 0.06)
        patches[name] = FancyBboxPatch(
            corner, box.width - 0.12, box.height - 0.12, facecolor=face, edgecolor=INK,
            boxstyle="round,pad=0.06", linewidth=rim, linestyle=dash, zorder=2,
        )  # fmt: skip
        axes.add_patch(patches[name])
        axes.text(box.x, box.y, box.text, ha="center", va="center", zorder=3)
    for first, last, *bow in arrows:
        axes.annotate(
            "", (boxes[last].x, boxes[last].y), (boxes[first].x, boxes[first].y),
            arrowprops={
                "arrowstyle": "-|>", "color": PALETTE["blue"], "lw": 2.2,
                "mutation_scale": 18, "patchA": patches[first], "patchB": patches[last],
                "shrinkA": 1, "shrinkB": 2,
                "connectionstyle": f"arc3,rad={-bow[0] if bow else 0}",
            },
        )  # fmt: skip
    figure.suptitle(title)
    ways = "; ".join(f"from {first} to {last}" for first, last, *_ in arrows)
    parts = "; ".join(f"{k} ({' '.join(b.text.split())})" for k, b in boxes.items())
    figure.alt = f"{sentence(title)} A diagram of {parts}."
    if ways:
        figure.alt += f" Arrows {ways}."
    return figure
