"""Maps of several tiles beside each other: truth, predictions, errors, over time."""

__all__ = ["cover_colours", "mask_grid"]

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from numpy.typing import ArrayLike
from torch import Tensor

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.display import to_display
from workshop_lib.plots.style import INK, PALETTE, AccessibleFigure, house_style

_NOTHING = 255  # in a map: drawn white
_COLOURS = (*PALETTE.values(), "#f0e442", "#8a8a8a", "#8b5a2b")
# What nobody should have to look up: water is blue. All are Okabe and Ito's
_EXPECTED = {
    "water": PALETTE["blue"],
    "trees": PALETTE["green"],
    "grassland": "#f0e442",
    "cropland": PALETTE["orange"],
    "building": PALETTE["vermilion"],
    "sealed": PALETTE["black"],
    "bare": PALETTE["purple"],
}


@house_style()
def mask_grid(
    maps: Mapping[str, ArrayLike],
    class_names: Sequence[str],
    *,
    images: Tensor | None = None,
    bands: Sequence[str] = (),
    row_names: Sequence[str] = (),
    colours: Sequence[str] = (),
    nothing: str = "not known",
    title: str = "Maps",
    side: float = 1.45,
) -> AccessibleFigure:
    """Draw a row for each tile and a column for each kind of map.

    For maps beside the truth, for border errors (`border_errors` gives their classes),
    for pseudo-labels over time (a column for each step, what is not sure left white).

    Args:
        maps: by the heading of the column, each (n, H, W) class numbers, 255 for none.
        class_names: K names.
        images: (n, C, H, W) of the same tiles, as a first column; None leaves it out.
        bands: names of their C channels.
        row_names: n names, left of the rows.
        colours: K colours; default those of the house.
        nothing: what white means, for the key.
        title: heading of the figure.
        side: of one map, in inches.

    Raises:
        WorkshopError: no map, maps of different shapes, a class without a name, or too
            few colours.
    """
    arrays = {name: np.asarray(one) for name, one in maps.items()}
    shapes = {one.shape for one in arrays.values()}
    if len(shapes) != 1 or any(len(shape) != 3 or 0 in shape for shape in shapes):
        raise WorkshopError(
            f"maps of shapes {sorted(shapes)}: give at least one, all (n, H, W) of the"
            " same tiles."
        )
    K = len(class_names)
    used = list(colours) or cover_colours(class_names)
    highest = max(int(one[one != _NOTHING].max(initial=0)) for one in arrays.values())
    if len(used) < K or highest >= K:
        raise WorkshopError(
            f"classes up to {highest}, {K} class names, {len(used)} colours: give a"
            " name and a colour for each class."
        )
    n = next(iter(shapes))[0]
    pictures = [] if images is None else list(to_display(images, bands))
    columns = len(arrays) + bool(pictures)
    size = (columns * side + 1.0, n * side + 1.6)
    figure = AccessibleFigure(figsize=size)
    grid = figure.subplots(n, columns, squeeze=False)
    look = ListedColormap([*used, "white"])
    for row in range(n):
        shown = [pictures[row]] if pictures else []
        for axes, picture in zip(grid[row], shown, strict=False):
            axes.imshow(picture, interpolation="nearest")
        for axes, one in zip(grid[row, len(shown) :], arrays.values(), strict=True):
            tile = np.where(one[row] == _NOTHING, K, one[row])
            axes.imshow(
                tile, cmap=look, vmin=-0.5, vmax=K + 0.5, interpolation="nearest"
            )
        for axes in grid[row]:
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set(visible=True, color=INK)
    headings = [*(["image"] if pictures else []), *arrays]
    for axes, name in zip(grid[0], headings, strict=True):
        axes.set_title(name, loc="center", fontsize=12, fontweight="normal")
    for axes, name in zip(grid[:, 0], row_names, strict=False):
        axes.set_ylabel(name, fontsize=11)
    present = [k for k in range(K) if any((one == k).any() for one in arrays.values())]
    keys = [str(class_names[k]) for k in present]
    patches = [Patch(facecolor=used[k], edgecolor=INK) for k in present]
    if any((one == _NOTHING).any() for one in arrays.values()):
        keys.append(nothing)
        patches.append(Patch(facecolor="white", edgecolor=INK))
    figure.legend(
        patches, keys, loc="outside lower center", ncols=max(2, min(4, columns)),
        fontsize=11,
    )  # fmt: skip
    figure.suptitle(title, fontsize=14, fontweight="bold")
    figure.alt = _in_words(title, arrays, class_names)
    return figure


def cover_colours(class_names: Sequence[str]) -> list[str]:
    """Give each class a colour: the expected one where there is one, then the others.

    Told apart with any colour vision up to seven classes; from the eleventh on there is
    none left.
    """
    taken = {_EXPECTED.get(name) for name in class_names}
    others = iter(colour for colour in _COLOURS if colour not in taken)
    found = [_EXPECTED.get(name) or next(others, "") for name in class_names]
    return [colour for colour in found if colour]


def _in_words(
    title: str, maps: Mapping[str, np.ndarray], class_names: Sequence[str]
) -> str:
    """Tell the tiles, the columns, and what each column mostly shows."""
    columns = []
    for name, one in maps.items():
        counts = np.bincount(one[one != _NOTHING].ravel(), minlength=len(class_names))
        blank = 1 - counts.sum() / one.size
        top = class_names[int(counts.argmax())] if counts.sum() else "nothing"
        share = 100 * counts.max() / max(1, counts.sum())
        white = f", {100 * blank:.0f} % white" if blank else ""
        columns.append(f"{name} ({share:.0f} % {top}{white})")
    n = len(next(iter(maps.values())))
    return f"{title}: {n} tiles, a column each for {'; '.join(columns)}."
