"""The way of one image through a network: maps, a vector, a class."""

__all__ = ["forward_diagram"]

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.gridspec import GridSpec
from numpy.typing import ArrayLike, NDArray

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.style import GREY, INK, PALETTE, AccessibleFigure, house_style

_WIDTHS = (3.6, 3.6, 1.2, 4.2)  # of picture, maps, features, classes


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
    figure.suptitle(title, fontsize=17, fontweight="bold")
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
    axes.tick_params(colors=INK)


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
