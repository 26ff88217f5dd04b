"""Content of a data set: sensors, spectra, places and splits."""

__all__ = ["WAVELENGTHS", "location_map", "modality_samples", "spectra", "split_bars"]

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.plots.display import NATURAL, sar_to_display, to_display
from workshop_lib.plots.maps import colour_key, show_classes
from workshop_lib.plots.style import (
    GREY,
    INK,
    PALETTE,
    AccessibleFigure,
    check_equal,
    house_style,
    light_grid,
    new_axes,
    point_style,
)

# Centre of each band of Sentinel-2's instrument, in nanometres
WAVELENGTHS = {
    "B01": 443, "B02": 493, "B03": 560, "B04": 665, "B05": 704, "B06": 741, "B07": 783,
    "B08": 833, "B8A": 865, "B09": 945, "B11": 1614, "B12": 2202,
}  # fmt: skip
# Title and look of each part of a split, from left to right
_PARTS: dict[str, tuple[str, dict[str, Any]]] = {
    "labeled": ("labelled", {"color": PALETTE["vermilion"], "hatch": "xx"}),
    "unlabeled": ("for training, without label", {"color": PALETTE["sky"]}),
    "val": ("validation", {"color": "white", "hatch": "//"}),
    "test": ("test", {"color": GREY, "hatch": ".."}),
}


@house_style()
def modality_samples(
    scenes: Scenes, cover_names: Sequence[str], *, which: int = 7
) -> AccessibleFigure:
    """Show true colour, false colour, radar, elevation and land cover side by side.

    Args:
        scenes: with bands B04, B03, B02, B08, the modalities s1 and dem, and masks.
        cover_names: names of the numbers in the masks.
        which: which image of each class is shown, counted from 0.

    Raises:
        WorkshopError: a modality or the masks are missing, or a class has too few.
    """
    if scenes.masks is None or not {"s1", "dem"} <= set(scenes.modalities):
        raise WorkshopError(
            f"these scenes hold {', '.join(scenes.modalities) or 'no modalities'}"
            f" {'and masks' if scenes.masks is not None else 'and no masks'}: s1, dem"
            " and masks are needed."
        )
    K = scenes.num_classes
    if int(scenes.labels.bincount(minlength=K).min()) <= which:
        raise WorkshopError(f"which={which}: some class has fewer images than that.")
    chosen = torch.stack([(scenes.labels == k).nonzero()[which, 0] for k in range(K)])
    columns: dict[str, Any] = {
        "true colour": to_display(scenes.images[chosen], scenes.bands),
        "false colour": to_display(scenes.images[chosen], scenes.bands, "false colour"),
        "radar VV, VH": sar_to_display(scenes.modalities["s1"][chosen]),
        "elevation": scenes.modalities["dem"][chosen, 0].numpy(),
        "land cover": scenes.masks[chosen].numpy(),
    }
    colours = [NATURAL.get(name, "white") for name in cover_names]
    figure = AccessibleFigure(figsize=(8.4, 1.55 * K + 1))
    grid = figure.subplots(K, len(columns), squeeze=False)
    for row, name in enumerate(scenes.class_names):
        for axes, (title, pictures) in zip(grid[row], columns.items(), strict=True):
            if title == "land cover":
                show_classes(axes, pictures[row], colours)
            else:
                axes.imshow(pictures[row], cmap="cividis", interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            if row == 0:
                axes.set_title(title, fontsize=12)
        grid[row][0].set_ylabel(name, fontsize=11)
    colour_key(figure, dict(zip(cover_names, colours, strict=True)), 4)
    figure.alt = (
        "A grid of pictures: a row for each of "
        f"{', '.join(scenes.class_names)}; columns: {', '.join(columns)}."
    )
    return figure


@house_style()
def spectra(
    scenes: Scenes,
    *,
    wavelengths: Mapping[str, float] = WAVELENGTHS,
    title: str = "Spectra of the classes",
    columns: int = 5,
) -> AccessibleFigure:
    """Draw each class in a panel of its own: the mean spectra of its images.

    The line is the median over images; the band about it holds eight images of ten. The
    medians of the other classes are drawn behind in grey. Where the bands of two
    classes overlap, colour alone cannot tell them apart.

    Args:
        scenes: of reflectance, one label per image.
        wavelengths: of each band, in nanometres.
        title: heading of the figure.
        columns: at most so many panels in a row.

    Raises:
        WorkshopError: photographs, several labels per image, a class without images,
            or a band of unknown wavelength.
    """
    import seaborn as sns

    unknown = [band for band in scenes.bands if band not in wavelengths]
    if scenes.is_rgb or unknown:
        raise WorkshopError(
            f"{scenes} with bands {', '.join(scenes.bands)}: spectra are drawn of"
            " reflectance, in bands whose wavelength is known; give `wavelengths`."
        )
    if scenes.multi_label or int(scenes.class_counts().min()) == 0:
        raise WorkshopError(f"{scenes}: each class needs images with one label each.")
    names = scenes.class_names
    table = pd.DataFrame(
        100 * scenes.images.mean(dim=(2, 3)).numpy(),  # (N, C) per cent
        columns=[wavelengths[band] for band in scenes.bands],
    ).sort_index(axis=1)
    labels = scenes.labels.numpy()
    of_class = [table[labels == k] for k in range(len(names))]
    medians = pd.DataFrame({k: own.median() for k, own in enumerate(of_class)})
    columns = min(columns, len(names))
    rows = -(-len(names) // columns)
    figure = AccessibleFigure(figsize=(2.4 * columns, 2.2 * rows + 0.9))
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    for k, axes in zip(medians, grid.flat, strict=False):
        axes.plot(medians, color=GREY, linewidth=0.8)
        sns.lineplot(
            of_class[k].melt(var_name="nm"), x="nm", y="value", ax=axes,
            estimator="median", errorbar=("pi", 80), color=PALETTE["blue"], marker="o",
            markersize=4, markeredgewidth=0, err_kws={"alpha": 0.3, "linewidth": 0},
        )  # fmt: skip
        axes.set_title(names[k], fontsize=12)
        axes.set(xlabel="", ylabel="")
        axes.tick_params(labelsize=10)
    grid[0, 0].set_ylim(bottom=0)  # all panels share it; only now is the top known
    figure.supxlabel("wavelength (nm)", fontsize=13)
    figure.supylabel("reflectance (% of the light)", fontsize=13)
    figure.suptitle(title)
    peaks = [
        f"{names[k]} highest at {medians[k].idxmax():g} nm ({medians[k].max():.0f} %)"
        for k in medians
    ]
    figure.alt = (
        f"{title}: a panel per class, reflectance in per cent against wavelength from"
        f" {medians.index[0]:g} to {medians.index[-1]:g} nm. {'; '.join(peaks)}."
    )
    return figure


@house_style()
def location_map(
    lat: NDArray[np.float32],
    lon: NDArray[np.float32],
    groups: NDArray[np.int64],
    group_names: Sequence[str],
    *,
    title: str = "Where the images are",
) -> AccessibleFigure:
    """Draw each image as a point at its longitude and latitude.

    A degree of longitude is drawn as short as it is on the ground in the middle of the
    map, so that distances can be compared in all directions.

    Args:
        lat, lon: (N,) degrees north and east.
        groups: (N,) numbers of regions, classes, or parts of a split.
        group_names: names of the groups.
        title: heading of the figure.

    Raises:
        WorkshopError: no image, lengths that differ, or a group without name.
    """
    check_equal(latitudes=len(lat), longitudes=len(lon), groups=len(groups))
    if groups.min() < 0 or groups.max() >= len(group_names):
        raise WorkshopError(
            f"groups {groups.min()} to {groups.max()} with {len(group_names)} names:"
            " name each group."
        )
    figure, axes = new_axes(5.6, 6.6)
    words = []
    for k in np.unique(groups).astype(int).tolist():
        own, name = groups == k, group_names[k]
        style = {"markersize": 5, **point_style(k)}
        axes.plot(lon[own], lat[own], label=f"{name} ({own.sum():,})", **style)
        words.append(
            f"{name}: {own.sum():,} images, latitude {lat[own].min():.0f} to"
            f" {lat[own].max():.0f}, longitude {lon[own].min():.0f} to"
            f" {lon[own].max():.0f}"
        )
    middle = np.radians((float(lat.min()) + float(lat.max())) / 2)
    axes.set_aspect(1 / max(float(np.cos(middle)), 0.1))
    axes.set(xlabel="longitude (degrees east)", ylabel="latitude (degrees north)")
    axes.set_title(title)
    light_grid(axes, "both")
    figure.legend(loc="outside lower center", ncols=2, fontsize=11, markerscale=1.6)
    figure.alt = f"Map of points: {title}. {'; '.join(words)}."
    return figure


@house_style()
def split_bars(
    scenes: Scenes, split: Split, *, title: str = "Where each image goes"
) -> AccessibleFigure:
    """Draw a bar per class, cut into labelled, unlabelled, validation and test.

    Labelled images are in the unlabelled pool as well; here they are counted once.

    Args:
        scenes: one label per image.
        split: of these scenes.
        title: heading of the figure.

    Raises:
        WorkshopError: several labels per image.
    """
    if scenes.multi_label:
        raise WorkshopError(f"{scenes} with several labels each: a bar needs one.")
    K = scenes.num_classes
    figure, axes = new_axes(8.0, 1.8 + 0.33 * K)
    left = torch.zeros(K)
    words = []
    for part, (name, look) in _PARTS.items():
        index = getattr(split, part)
        if part == "unlabeled":
            index = index[~torch.isin(index, split.labeled)]
        labels = scenes.labels[index]
        counts = labels[labels >= 0].bincount(minlength=K)  # (K,)
        axes.barh(
            range(K), counts.numpy(), left=left.numpy(), edgecolor=INK, linewidth=0.8,
            label=f"{name} ({len(index):,})", **look,
        )  # fmt: skip
        left = left + counts
        low, high = int(counts.min()), int(counts.max())
        each = f"{low if low == high else f'{low} to {high}'} of each class"
        words.append(f"{name}: {len(index):,} images, {each}")
    axes.set_yticks(range(K), scenes.class_names)
    axes.invert_yaxis()
    axes.set_xlabel("images")
    axes.set_title(title)
    figure.legend(loc="outside lower center", ncols=2, fontsize=12)
    figure.alt = f"Bars, one per class: {title}. {'; '.join(words)}."
    return figure
