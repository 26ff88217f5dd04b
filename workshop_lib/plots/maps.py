"""Land-cover maps: of tiles, of predictions beside the truth, of one scene."""

__all__ = [
    "colour_key",
    "cover_colours",
    "cover_maps",
    "mask_grid",
    "show_classes",
    "task_levels",
]

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch, Rectangle
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from torch import Tensor

from workshop_lib.data.scenes import Scenes
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.plots.display import NATURAL, to_display
from workshop_lib.plots.style import GREY, INK, PALETTE, AccessibleFigure, house_style

_NOTHING = 255  # in a map: drawn white
_SIDE = 3.0  # inches of a map of `cover_maps`
_SMALLEST = 4  # pixels of an object; less is the edge of one
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


def show_classes(axes: Axes, classes: NDArray[Any], colours: Sequence[str]) -> None:
    """Draw a map (H, W) of class numbers; white where there is none."""
    K = len(colours)
    axes.imshow(
        np.where(classes == _NOTHING, K, classes), interpolation="nearest",
        cmap=ListedColormap([*colours, "white"]), vmin=-0.5, vmax=K + 0.5,
    )  # fmt: skip


def colour_key(
    figure: AccessibleFigure, entries: Mapping[str, str], columns: int, size: float = 11
) -> None:
    """Explain colours, by name, below a figure."""
    patches = [Patch(facecolor=c, edgecolor=INK) for c in entries.values()]
    place: dict[str, Any] = {"loc": "outside lower center", "ncols": columns}
    figure.legend(patches, list(entries), fontsize=size, **place)


def _present(
    maps: Sequence[NDArray[Any]], class_names: Sequence[str], colours: Sequence[str]
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
        WorkshopError: no map, maps of different shapes, a class without a name, or too
            few colours.
    """
    arrays = {name: np.asarray(one) for name, one in maps.items()}
    shapes = {one.shape for one in arrays.values()}
    if len(shapes) != 1 or any(len(shape) != 3 or 0 in shape for shape in shapes):
        raise WorkshopError(
            f"maps of shapes {sorted(shapes)}: give one or more, all (n, H, W) of the"
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
    pictures = [] if images is None else [("image", to_display(images, bands))]
    columns = [*pictures, *arrays.items()]
    figure = AccessibleFigure(figsize=(len(columns) * side + 1.0, n * side + 1.6))
    grid = figure.subplots(n, len(columns), squeeze=False)
    for column, (name, batch) in zip(grid.T, columns, strict=True):
        column[0].set_title(name, loc="center", fontsize=12, fontweight="normal")
        for axes, one in zip(column, batch, strict=True):
            if one.ndim == 3:  # a picture (H, W, 3)
                axes.imshow(one, interpolation="nearest")
            else:
                show_classes(axes, one, used[:K])
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set(visible=True, color=INK)
    for axes, name in zip(grid[:, 0], row_names, strict=False):
        axes.set_ylabel(name, fontsize=11)
    entries = _present(list(arrays.values()), class_names, used)
    if any((one == _NOTHING).any() for one in arrays.values()):
        entries[nothing] = "white"
    colour_key(figure, entries, max(2, min(4, len(columns))))
    figure.suptitle(title, fontsize=14)
    figure.alt = _in_words(title, arrays, class_names)
    return figure


def _in_words(
    title: str, maps: Mapping[str, NDArray[Any]], class_names: Sequence[str]
) -> str:
    """Describe the columns by their most common class."""
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
            numbers, and 255 for unknown (in the truth: not counted).
        class_names: K names.
        colours: K colours; default those of the house.
        picture: (H, W, 3) of the same ground, below the truth.
        title: heading of the figure.

    Raises:
        WorkshopError: no prediction, maps of different sizes, or too few colours.
    """
    used = list(colours) or cover_colours(class_names)
    truth, *others = maps.values()
    if not others or {one.shape for one in others} != {truth.shape}:
        raise WorkshopError(
            f"maps of shapes {[one.shape for one in maps.values()]}: give the truth and"
            " at least one prediction of the same ground."
        )
    K = len(class_names)
    if len(used) != K:
        raise WorkshopError(f"{len(used)} colours for {K} classes: give one per class.")
    known = truth != _NOTHING
    columns, wrong = {}, {}
    for name, one in maps.items():
        errors = np.where(known, K + (one != truth), _NOTHING)
        columns[name] = np.stack([one, errors])  # (2, H, W)
        wrong[name] = 100 * (errors == K + 1).sum() / known.sum()
    figure = mask_grid(
        columns, [*class_names, "right", "wrong"], colours=[*used, GREY, "black"],
        nothing="no data", title=title, side=_SIDE,
    )  # fmt: skip
    look: dict[str, Any] = {"loc": "center", "fontsize": 12, "fontweight": "normal"}
    first, *below = figure.axes[len(maps) :]
    first.clear()  # the truth has no errors: room for the picture
    first.axis("off")
    if picture is not None:
        first.imshow(picture, interpolation="nearest")
        first.set_title("the image", **look)
    words = []
    for axes, (name, share) in zip(below, list(wrong.items())[1:], strict=True):
        axes.set_title(f"wrong: {share:.1f} %", **look)
        words.append(f"{name}, wrong at {share:.1f} % of the pixels")
    covers = ", ".join(_present([truth, *others], class_names, used))
    figure.alt = f"{title}: a true map of {covers}; beside it {'; '.join(words)}."
    return figure


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
    pieces, most = ndimage.label(mask == list(cover_names).index(object_cover))
    sizes = np.bincount(pieces.ravel(), minlength=most + 1)[1:]
    found = zip(ndimage.find_objects(pieces), sizes, strict=True)
    boxes = [box for box, size in found if size >= _SMALLEST]
    count = len(boxes)
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
    colours = [NATURAL.get(cover, "white") for cover in cover_names]
    show_classes(pixels, mask, colours)
    for axes, level, answer in (
        (whole, "scene level", f'"{name}"\none class for the image'),
        (
            objects,
            "object level",
            f"{len(boxes)} x {object_cover}\none box for each object",
        ),
        (pixels, "pixel level", f"{mask.size:,} pixels\none cover for each pixel"),
    ):
        axes.set(xticks=[], yticks=[])
        axes.set_title(level, fontsize=13, loc="center")
        axes.set_xlabel(answer, fontsize=12)
        axes.spines[:].set_visible(True)
    covers = _present([mask], cover_names, colours)
    colour_key(figure, covers, 4)
    figure.suptitle(title := "One image, three kinds of task")
    figure.alt = (
        f"{title}, three panels. Scene level: the whole image is {name}. Object level:"
        f" {count} boxes around {object_cover}. Pixel level: a map of"
        f" {', '.join(covers)}."
    )
    return figure
