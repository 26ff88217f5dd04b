"""One scene, asked three questions: of the whole, of its objects, of its pixels."""

__all__ = ["task_levels"]

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch, Rectangle
from scipy import ndimage

from workshop_lib.data.scenes import Scenes
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.plots.display import to_display
from workshop_lib.plots.modalities import COVER_COLOURS
from workshop_lib.plots.style import AccessibleFigure, house_style

_SMALLEST = 4  # pixels of an object; less is the edge of one


@house_style()
def task_levels(
    scenes: Scenes, index: int, cover_names: Sequence[str], *, object_cover: str
) -> AccessibleFigure:
    """Show the labels of one image at scene level, object level and pixel level.

    Objects are the connected pieces of one cover, each in a box.

    Args:
        scenes: with masks, one label per image.
        index: position of the image.
        cover_names: names of the numbers in the masks.
        object_cover: the cover whose pieces are objects, e.g. "building".

    Raises:
        WorkshopError: there are no masks, or no cover of that name.
    """
    if scenes.masks is None:
        raise WorkshopError(f"{scenes} holds no masks, which tell the class of pixels.")
    if object_cover not in cover_names:
        raise unknown_name("cover", object_cover, cover_names)
    mask = scenes.masks[index].numpy()  # (H, W)
    pieces, count = ndimage.label(mask == list(cover_names).index(object_cover))
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    found = zip(ndimage.find_objects(pieces), sizes, strict=True)
    boxes = [box for box, size in found if size >= _SMALLEST]
    name = scenes.class_names[int(scenes.labels[index])]
    picture = to_display(scenes.images[index][None], scenes.bands)[0]

    figure = AccessibleFigure(figsize=(8.4, 4.3))
    whole, objects, pixels = figure.subplots(1, 3)
    for axes in (whole, objects):
        axes.imshow(picture, interpolation="nearest")
    for rows, columns in boxes:
        corner = (columns.start - 0.5, rows.start - 0.5)
        size = (columns.stop - columns.start, rows.stop - rows.start)
        # White around black: a box is seen on any ground
        for colour, width in (("white", 3.5), ("black", 1.5)):
            look: dict[str, Any] = {"edgecolor": colour, "linewidth": width}
            objects.add_patch(Rectangle(corner, *size, fill=False, **look))
    colours = [COVER_COLOURS.get(cover, "white") for cover in cover_names]
    pixels.imshow(
        mask, cmap=ListedColormap(colours), vmin=-0.5, vmax=len(colours) - 0.5,
        interpolation="nearest",
    )  # fmt: skip
    answers = (
        ("scene level", f'"{name}"\none class for the image'),
        ("object level", f"{len(boxes)} x {object_cover}\none box for each object"),
        ("pixel level", f"{mask.size:,} pixels\none cover for each pixel"),
    )
    for axes, (level, answer) in zip((whole, objects, pixels), answers, strict=True):
        axes.set(xticks=[], yticks=[])
        axes.set_title(level, fontsize=13, loc="center")
        axes.set_xlabel(answer, fontsize=12)
        axes.spines[:].set_visible(True)
    shown = np.unique(mask).tolist()
    figure.legend(
        [Patch(facecolor=colours[k], edgecolor="black") for k in shown],
        [cover_names[k] for k in shown],
        loc="outside lower center", ncols=4, fontsize=11,
    )  # fmt: skip
    title = "One image, three kinds of task"
    figure.suptitle(title, fontsize=15, fontweight="bold")
    covers = ", ".join(cover_names[k] for k in shown)
    figure.alt = (
        f"{title}, three panels. Scene level: the whole image is {name}. Object level:"
        f" {len(boxes)} boxes around {object_cover}. Pixel level: a map of {covers}."
    )
    return figure
