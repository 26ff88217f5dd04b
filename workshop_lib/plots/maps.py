"""Land-cover maps: of tiles, beside the truth, and beside what each sensor sees."""

__all__ = ["cover_colours", "mask_grid", "modality_samples", "task_levels"]

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.colors import ListedColormap
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from torch import Tensor

from workshop_lib.data.dataset import Dataset
from workshop_lib.errors import WorkshopError
from workshop_lib.pixels import IGNORE
from workshop_lib.plots.display import (
    Cell,
    cells_of,
    picture_table,
    sar_to_display,
    to_display,
)
from workshop_lib.plots.style import PALETTE, AccessibleFigure, house_style

_SMALLEST = 4  # pixels of an object; less is the edge of one
_COLOURS = (*PALETTE.values(), "#f0e442", "#8a8a8a", "#8b5a2b")
# Water is blue, as everybody expects. All are Okabe and Ito's
_EXPECTED = {
    "water": PALETTE["blue"], "trees": PALETTE["green"], "grassland": "#f0e442",
    "cropland": PALETTE["orange"], "building": PALETTE["vermilion"],
    "sealed": PALETTE["black"], "bare": PALETTE["purple"],
}  # fmt: skip
# Land cover in the colours of printed maps, beside pictures of the same ground
_NATURAL = {
    "cropland": "#e8c872", "grassland": "#9bd17b", "trees": "#1f6b3a",
    "water": "#2f6fc4", "sealed": "#8c8c8c", "building": "#c0392b", "bare": "#b08a5b",
}  # fmt: skip


def cover_colours(class_names: Sequence[str]) -> list[str]:
    """Choose a colour for each class: the expected one if there is one, then others.

    Up to seven can be told apart with any colour vision; there are ten in all.

    >>> cover_colours(("field", "water"))[1]
    '#0072b2'
    """
    taken = {_EXPECTED.get(name) for name in class_names}
    others = iter(colour for colour in _COLOURS if colour not in taken)
    found = [_EXPECTED.get(name) or next(others, "") for name in class_names]
    return [colour for colour in found if colour]


def _map_cell(classes: NDArray[Any], colours: Sequence[str]) -> Cell:
    """Make a picture of a map (H, W) of class numbers; white where there is none."""
    K = len(colours)
    look = {"cmap": ListedColormap([*colours, "white"]), "vmin": -0.5, "vmax": K + 0.5}
    return Cell(np.where(classes == IGNORE, K, classes), look=look)


def _present(
    maps: Iterable[NDArray[Any]], class_names: Sequence[str], colours: Sequence[str]
) -> dict[str, str]:
    """Return the colours, by name, of the classes that occur in any of the maps."""
    found = set().union(*(np.unique(one).tolist() for one in maps))
    return {str(n): colours[k] for k, n in enumerate(class_names) if k in found}


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

    For maps beside the truth, for `border_errors`, for pseudo-labels over time (a
    column for each step, uncertain pixels left white).

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
        WorkshopError: a class without a name, or too few colours.
    """
    arrays = {name: np.asarray(one) for name, one in maps.items()}
    K = len(class_names)
    used = list(colours) or cover_colours(class_names)
    highest = max(int(one[one != IGNORE].max(initial=0)) for one in arrays.values())
    if len(used) < K or highest >= K:
        raise WorkshopError(
            f"classes up to {highest}, {K} class names, {len(used)} colours: give each"
            " class a name and a colour."
        )
    columns = [[_map_cell(tile, used[:K]) for tile in one] for one in arrays.values()]
    headings = list(arrays)
    if images is not None:
        columns.insert(0, cells_of(images, bands))
        headings.insert(0, "image")
    names = row_names or [""] * len(columns[0])
    rows = list(zip(names, zip(*columns, strict=True), strict=True))
    key = _present(arrays.values(), class_names, used)
    if any((one == IGNORE).any() for one in arrays.values()):
        key[nothing] = "white"
    figure = picture_table(rows, title, headings=headings, side=side, key=key)
    words = "; ".join(_most_common(*item, class_names) for item in arrays.items())
    figure.alt = f"{title}: {len(rows)} tiles, a column each for {words}."
    return figure


def _most_common(name: str, one: NDArray[Any], class_names: Sequence[str]) -> str:
    """Describe a column by its most common class, and how much of it is white."""
    counts = np.bincount(one[one != IGNORE].ravel(), minlength=len(class_names))
    blank = 1 - counts.sum() / one.size
    top = class_names[int(counts.argmax())] if counts.sum() else "nothing"
    share = 100 * counts.max() / max(1, counts.sum())
    white = f", {100 * blank:.0f} % white" if blank else ""
    return f"{' '.join(name.split())} ({share:.0f} % {top}{white})"


@house_style()
def modality_samples(scenes: Dataset, *, which: int = 7) -> AccessibleFigure:
    """Show true colour, false colour, radar, elevation and land cover side by side.

    Args:
        scenes: with bands B04, B03, B02, B08, the modalities s1 and dem, and masks.
        which: which image of each class is shown, counted from 0.

    Raises:
        WorkshopError: there are no masks.
    """
    K, masks = scenes.num_classes, _masks(scenes)
    chosen = torch.stack([(scenes.labels == k).nonzero()[which, 0] for k in range(K)])
    some = scenes.subset(chosen)
    colours = [_NATURAL.get(name, "white") for name in scenes.mask_names]
    heights = some.modalities["dem"][:, 0].numpy()  # (K, H, W)
    columns = {
        "true colour": cells_of(some.images, some.bands),
        "false colour": map(Cell, to_display(some.images, some.bands, "false colour")),
        "radar VV, VH": map(Cell, sar_to_display(some.modalities["s1"])),
        "elevation": [Cell(one, look={"cmap": "cividis"}) for one in heights],
        "land cover": [_map_cell(mask, colours) for mask in masks[chosen].numpy()],
    }
    cells = zip(*columns.values(), strict=True)
    rows = list(zip(scenes.class_names, cells, strict=True))
    key = dict(zip(scenes.mask_names, colours, strict=True))
    figure = picture_table(rows, "", headings=list(columns), key=key)
    figure.alt = (
        "A grid of pictures: a row for each of "
        f"{', '.join(scenes.class_names)}; columns: {', '.join(columns)}."
    )
    return figure


@house_style()
def task_levels(scenes: Dataset, index: int, *, object_cover: str) -> AccessibleFigure:
    """Show the labels of one image at scene level, object level and pixel level.

    Objects are the connected pieces of one cover, each in a box.

    Args:
        scenes: with masks, one label per image.
        index: position of the image.
        object_cover: the cover whose pieces are objects, e.g. "building".

    Raises:
        WorkshopError: there are no masks.
    """
    mask = _masks(scenes)[index].numpy()  # (H, W)
    covers = scenes.mask_names
    pieces, _ = ndimage.label(mask == covers.index(object_cover))
    found = enumerate(ndimage.find_objects(pieces), start=1)
    boxes = [box for i, box in found if (pieces == i).sum() >= _SMALLEST]
    name = scenes.class_names[int(scenes.labels[index])]
    (image,) = cells_of(scenes.images[index][None], scenes.bands)
    colours = [_NATURAL.get(cover, "white") for cover in covers]
    pixels = _map_cell(mask, colours)
    objects = f"{len(boxes)} x {object_cover}"
    cells = (
        image._replace(caption=f'"{name}"\none class for the image'),
        image._replace(caption=f"{objects}\none box for each object"),
        pixels._replace(caption=f"{mask.size:,} pixels\none cover for each pixel"),
    )
    title = "One image, three kinds of task"
    key = _present([mask], covers, colours)
    levels = ("scene level", "object level", "pixel level")
    figure = picture_table(
        [("", cells)], title, headings=levels, side=2.8, size=12, key=key
    )
    for rows, columns in boxes:
        corner = (columns.start - 0.5, rows.start - 0.5)
        size = (columns.stop - columns.start, rows.stop - rows.start)
        # White around black: a box is seen on any ground
        for colour, width in (("white", 3.5), ("black", 1.5)):
            look: dict[str, Any] = {"edgecolor": colour, "linewidth": width}
            figure.axes[1].add_patch(Rectangle(corner, *size, fill=False, **look))
    figure.alt = (
        f"{title}, three panels. Scene level: the whole image is {name}. Object level:"
        f" {len(boxes)} boxes around {object_cover}. Pixel level: a map of"
        f" {', '.join(key)}."
    )
    return figure


def _masks(scenes: Dataset) -> Tensor:
    """Return the class of each pixel: (N, H, W)."""
    if scenes.masks is None:
        raise WorkshopError(f"{scenes} holds no masks, which tell the class of pixels.")
    return scenes.masks
