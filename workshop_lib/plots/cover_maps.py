"""Maps of land cover side by side, and where they are wrong."""

__all__ = ["cover_maps"]

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from numpy.typing import NDArray

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.style import GREY, PALETTE, AccessibleFigure, house_style

_UNKNOWN = 255
_NO_DATA = "white"
# Classes in order of the palette, which is told apart with any colour vision.
_COLOURS = (*PALETTE.values(), "#f0e442", "#999999", "#ffffff")


@house_style()
def cover_maps(
    maps: Mapping[str, NDArray[np.uint8]],
    class_names: Sequence[str],
    *,
    colours: Sequence[str] = (),
    picture: NDArray[np.uint8] | None = None,
    title: str = "Land cover",
) -> AccessibleFigure:
    """Draw the true map, beside it the predicted ones, and below them their errors.

    Args:
        maps: the truth first, then at least one prediction; (H, W) each with class
            numbers, and 255 where nobody knows (in the truth: not counted).
        class_names: K names.
        colours: K colours; default those of the house.
        picture: (H, W, 3) of the same ground, below the truth.
        title: heading of the figure.

    Raises:
        WorkshopError: no prediction, maps of different sizes, or too few colours.
    """
    used = list(colours) or list(_COLOURS[: len(class_names)])
    truth, *others = maps.values()
    if not others or {one.shape for one in others} != {truth.shape}:
        raise WorkshopError(
            f"maps of shapes {[one.shape for one in maps.values()]}: give the truth and"
            " at least one prediction of the same ground."
        )
    if len(used) != len(class_names):
        raise WorkshopError(
            f"{len(used)} colours for {len(class_names)} classes: give one per class."
        )
    look: dict[str, Any] = {
        "cmap": ListedColormap([*used, _NO_DATA]), "vmin": -0.5,
        "vmax": len(used) + 0.5, "interpolation": "nearest",
    }  # fmt: skip
    height, width = truth.shape
    each = 4.0
    figure = AccessibleFigure(
        figsize=(each * len(maps), 2 * each * height / width + 1.6),
    )
    axes = figure.subplots(2, len(maps), squeeze=False)
    known, words = truth != _UNKNOWN, []
    for column, (name, one) in enumerate(maps.items()):
        shown = np.where(one == _UNKNOWN, len(used), one)
        axes[0, column].imshow(shown, **look)
        axes[0, column].set_title(name, loc="center", fontsize=14)
        if column == 0:
            continue
        wrong = known & (one != truth)
        share = 100 * wrong.sum() / known.sum()
        errors = np.where(known, wrong, 2)
        axes[1, column].imshow(
            errors, cmap=ListedColormap([GREY, "black", _NO_DATA]), vmin=0, vmax=2,
            interpolation="nearest",
        )  # fmt: skip
        axes[1, column].set_title(f"wrong: {share:.1f} %", loc="center", fontsize=13)
        words.append(f"{name}, wrong at {share:.1f} % of the pixels")
    if picture is not None:
        axes[1, 0].imshow(picture, interpolation="nearest")
        axes[1, 0].set_title("the image", loc="center", fontsize=13)
    for one in axes.flat:
        one.set(xticks=[], yticks=[])
        one.spines[:].set_visible(bool(one.images))
    present = [
        k for k in range(len(used)) if any((m == k).any() for m in maps.values())
    ]
    patches = [Patch(facecolor=used[k], edgecolor="black") for k in present]
    keys = [class_names[k] for k in present]
    patches += [Patch(facecolor="black"), Patch(facecolor=_NO_DATA, edgecolor="black")]
    keys += ["wrong", "no data"]
    figure.legend(
        patches, keys, loc="outside lower center", ncols=min(len(keys), 5), fontsize=13
    )
    figure.suptitle(title, fontsize=16, fontweight="bold")
    names = ", ".join(class_names[k] for k in present)
    figure.alt = f"{title}: a true map of {names}; beside it {'; '.join(words)}."
    return figure
