"""Diagrams: parts of a network, an image's forward pass, a radar's view of a hill."""

__all__ = ["Box", "flow", "forward_diagram", "sar_geometry"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.gridspec import GridSpec
from matplotlib.patches import FancyBboxPatch
from numpy.typing import ArrayLike, NDArray

from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.plots.style import (
    GREY,
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
_WIDTHS = (3.6, 3.6, 1.2, 4.2)  # of picture, maps, features, classes
_X = np.linspace(0, 10, 4001)  # kilometres on the ground
_TOP = 4.5  # where the hill is highest
_HILL = 1.3 * np.exp(-(((_X - _TOP) / 1.1) ** 2))  # its height, kilometres


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


@house_style()
def forward_diagram(
    picture: NDArray[np.uint8],
    maps: ArrayLike,
    features: ArrayLike,
    probs: ArrayLike,
    class_names: Sequence[str],
    *,
    title: str = "From an image to a vector to a class",
) -> AccessibleFigure:
    """Draw an image, some maps of a layer, the features, and what the classifier says.

    Args:
        picture: (H, W, 3) uint8, as `to_display` gives.
        maps: (n, h, w) what some channels of the last layer with positions answer.
        features: (D,) the vector that the classifier reads.
        probs: (K,) probabilities.
        class_names: K names.
        title: heading of the figure.

    Raises:
        WorkshopError: the shapes do not fit.
    """
    some, vector, shares = (np.asarray(a, np.float64) for a in (maps, features, probs))
    if some.ndim != 3 or vector.ndim != 1 or shares.shape != (len(class_names),):
        raise WorkshopError(
            f"maps of shape {some.shape}, features of {vector.shape} and probabilities"
            f" of {shares.shape} for {len(class_names)} names: give (n, h, w), (D,) and"
            " a probability per name."
        )
    figure = AccessibleFigure(figsize=(12.4, 4.4))
    grid = GridSpec(1, 4, figure, width_ratios=_WIDTHS)
    image = figure.add_subplot(grid[0])
    image.imshow(picture, interpolation="nearest")
    _frame(image, f"image\n{picture.shape[0]} x {picture.shape[1]} pixels")
    mosaic = figure.add_subplot(grid[1])
    mosaic.imshow(_mosaic(some), cmap="cividis", interpolation="nearest")
    _frame(
        mosaic, f"{len(some)} of {len(vector)} maps\n{some.shape[1]} x {some.shape[2]}"
    )
    mosaic.spines[:].set_visible(False)
    strip = figure.add_subplot(grid[2])
    strip.imshow(vector[:, None], cmap="cividis", aspect="auto")
    _frame(strip, f"features\n{len(vector)} numbers")
    _classes(figure.add_subplot(grid[3]), shares, class_names)
    figure.suptitle(title)
    most = int(shares.argmax())
    figure.alt = (
        f"{title}: an image, {len(some)} small maps of what the network sees in it, a"
        f" column of {len(vector)} numbers (the features), and bars of what the"
        f" classifier says: {class_names[most]}, {100 * shares[most]:.0f} %."
    )
    return figure


def _classes(
    axes: Axes, shares: NDArray[np.float64], class_names: Sequence[str]
) -> None:
    rows = np.arange(len(shares))
    bars = axes.barh(rows, 100 * shares, color=GREY, edgecolor=INK, linewidth=0.6)
    bars[int(shares.argmax())].set(color=PALETTE["sky"], hatch="//", edgecolor=INK)
    axes.set_yticks(rows, class_names)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("probability (%)\nby the classifier")


def _mosaic(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lay maps (n, h, w) out as one picture, with gaps of NaN, which stay white."""
    n, h, w = maps.shape
    side = int(np.ceil(n**0.5))
    whole = np.full((side * (h + 1), side * (w + 1)), np.nan)
    for i, one in enumerate(maps):
        y, x = (i // side) * (h + 1), (i % side) * (w + 1)
        whole[y : y + h, x : x + w] = one
    return whole[:-1, :-1]


def _frame(axes: Axes, text: str) -> None:
    axes.set(xticks=[], yticks=[], xlabel=text)
    axes.spines[:].set(visible=True, color=GREY)


@house_style()
def sar_geometry(
    *, degrees: float = 40.0, title: str = "The same hill, and its mirror image"
) -> AccessibleFigure:
    """Draw a hill under a radar, the image that it gives, and both mirrored.

    The picture is computed: each piece of ground sends back the more the more it faces
    the radar, nothing where the hill hides it, and it is drawn where its distance from
    the radar puts it. So the slope that faces the radar is bright and short, and the
    other one dark and long. Mirrored, it is the picture of a radar on the other side.

    Args:
        degrees: between the radar's beam and straight down; 30 to 45 for Sentinel-1.
        title: heading of the figure.

    Raises:
        WorkshopError: not between 20 and 60 degrees.
    """
    if not 20 <= degrees <= 60:
        raise WorkshopError(
            f"degrees={degrees}: a radar's beam is drawn from 20 to 60 degrees off"
            " straight down."
        )
    angle = np.deg2rad(degrees)
    strip = radar_image(angle)
    figure = AccessibleFigure(figsize=(9.4, 4.0))
    left, right = figure.subplots(2, 2, height_ratios=[2.4, 1]).T
    _draw_hill(left, _X, angle, strip)
    _draw_hill(right, 10 - _X, angle, strip[::-1])
    left[0].set_title("what the radar saw", fontsize=13)
    right[0].set_title("mirrored: seen from the other side", fontsize=13)
    left[1].set_ylabel("picture", fontsize=12)
    figure.suptitle(title, x=0.01, ha="left")
    bright = 10 * (float(strip.argmax()) + 0.5) / len(strip)
    figure.alt = (
        f"{title}. Left: a hill with its top at {_TOP} of 10 km, radar beams from the"
        f" upper left at {degrees:.0f} degrees, and the picture they give: brightest at"
        f" {bright:.1f} km, where the slope faces the radar, dark behind. The top"
        f" appears at {_TOP - _HILL.max() / np.tan(angle):.1f} km: the hill leans to"
        " the radar. Right: all of it mirrored, with beams from the upper right."
    )
    return figure


def radar_image(angle: float, pixels: int = 100) -> NDArray[np.float64]:
    """Compute the backscatter at each distance, (pixels,); flat ground gives 1."""
    slope = np.gradient(_HILL, _X)
    toward = np.sin(angle) * slope + np.cos(angle)  # of the ground's normal, not unit
    # Along a beam h + x / tan(angle) is constant: hidden is what lies below the highest
    beam = _HILL + _X / np.tan(angle)
    hidden = beam < np.maximum.accumulate(beam)
    power = np.where(hidden, 0, np.clip(toward / np.cos(angle), 0, None))
    distance = _X - _HILL / np.tan(angle)  # from the radar, as if the ground were flat
    edges = np.linspace(_X[0], _X[-1], pixels + 1)
    total, _ = np.histogram(distance, edges, weights=power)
    return np.asarray(total / (len(_X) / pixels), np.float64)


def _draw_hill(
    cell: Sequence[Axes],
    x: NDArray[np.float64],
    angle: float,
    strip: NDArray[np.float64],
) -> None:
    """Draw the ground, three beams, and the picture below; `x` may run backwards."""
    ground, picture = cell
    few = slice(None, None, 40)  # smooth enough for the eye
    ground.fill_between(x[few], _HILL[few], -0.3, color=GREY)
    ground.plot(x[few], _HILL[few], color=INK, linewidth=1.5)
    for at in (0.37, 0.28, 0.17):  # of the line, from the top of the hill down
        k, away = int(at * len(x)), np.sign(x[0] - x[-1])
        start = (x[k] + away * 1.7 * np.tan(angle), _HILL[k] + 1.7)
        ground.annotate(
            "", xy=(x[k], _HILL[k]), xytext=start,
            arrowprops={"arrowstyle": "->", "color": PALETTE["vermilion"], "lw": 2.2},
        )  # fmt: skip
    ground.text(*start, "radar", fontsize=13, ha="center", va="bottom")
    ground.set(xlim=(0, 10), ylim=(-0.3, 3.1), xticks=[], yticks=[])
    ground.spines[:].set_visible(False)
    picture.imshow(
        strip[None], cmap="gray", aspect="auto", vmin=0, vmax=2.2, extent=(0, 10, 0, 1)
    )
    # The picture puts the top where its distance from the radar puts it
    top = np.interp(_TOP - _HILL.max() / np.tan(angle), _X, x)
    picture.plot(top, 0.88, "v", color=PALETTE["vermilion"], markersize=10)
    picture.annotate(
        "top of the hill", (top, 0.87), xytext=(-10 * away, 0), va="center",
        textcoords="offset points", ha="left" if away < 0 else "right",
        color="white", fontsize=12,
    )  # fmt: skip
    picture.set(xticks=[], yticks=[])
    picture.spines[:].set(visible=True, color=INK)
