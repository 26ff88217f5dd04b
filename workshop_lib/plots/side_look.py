"""How a radar sees a hill: from the side, and what a mirror makes of that."""

__all__ = ["sar_geometry"]

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.style import GREY, INK, PALETTE, AccessibleFigure, house_style

Line = NDArray[np.float64]

_X = np.linspace(0, 10, 4001)  # kilometres on the ground
_TOP = 4.5  # where the hill is highest
_HILL = 1.3 * np.exp(-(((_X - _TOP) / 1.1) ** 2))  # its height, kilometres


@house_style()
def sar_geometry(
    *, degrees: float = 40.0, title: str = "The same hill, and its mirror image"
) -> AccessibleFigure:
    """Draw a hill under a radar on the left, the picture it takes, and the mirrored.

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
    strip = _picture(angle)
    figure = AccessibleFigure(figsize=(9.4, 4.0))
    left, right = figure.subplots(2, 2, height_ratios=[2.4, 1]).T
    _draw(left, _X, angle, strip)
    _draw(right, 10 - _X, angle, strip[::-1])
    left[0].set_title("what the radar saw", fontsize=13)
    right[0].set_title("mirrored: seen from the other side", fontsize=13)
    left[1].set_ylabel("picture", fontsize=12)
    figure.suptitle(title, x=0.01, ha="left", fontsize=15, fontweight="bold")
    bright = 10 * (float(strip.argmax()) + 0.5) / len(strip)
    figure.alt = (
        f"{title}. Left: a hill with its top at {_TOP} of 10 km, radar beams from the"
        f" upper left at {degrees:.0f} degrees, and the picture they give: brightest at"
        f" {bright:.1f} km, where the slope faces the radar, dark behind. The top"
        f" appears at {_TOP - _HILL.max() / np.tan(angle):.1f} km: the hill leans to"
        " the radar. Right: all of it mirrored, with beams from the upper right."
    )
    return figure


def _picture(angle: float, pixels: int = 100) -> Line:
    """Return the power that comes back from each distance, (pixels,); 1 if flat."""
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


def _draw(cell: Sequence[Axes], x: Line, angle: float, strip: Line) -> None:
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
