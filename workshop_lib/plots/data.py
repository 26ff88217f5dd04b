"""Content of a data set: spectra, splits, places, and what each sensor is worth."""

__all__ = ["WAVELENGTHS", "location_map", "modality_gains", "spectra", "split_bars"]

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from workshop_lib.data.dataset import Dataset
from workshop_lib.data.places import coordinates
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.plots.style import (
    GREY,
    INK,
    PALETTE,
    AccessibleFigure,
    house_style,
    line_style,
    new_axes,
    point_style,
)

# Centre of each band of Sentinel-2's instrument, in nanometres
WAVELENGTHS = {
    "B01": 443, "B02": 493, "B03": 560, "B04": 665, "B05": 704, "B06": 741, "B07": 783,
    "B08": 833, "B8A": 865, "B09": 945, "B11": 1614, "B12": 2202,
}  # fmt: skip
# Outlines of the continents, a ring of points each: Natural Earth at 1:110 million
# (public domain), thinned to a quarter of a degree
_LAND = Path(__file__).with_name("land.csv")
_AGAINST = "S2"  # what other sets of sensors are compared with
# Title and look of each part of a split, from left to right
_PARTS: dict[str, tuple[str, dict[str, Any]]] = {
    "labeled": ("labelled, in pool", {"color": PALETTE["vermilion"], "hatch": "xx"}),
    "unlabeled": ("the rest of the pool", {"color": PALETTE["sky"]}),
    "val": ("validation", {"color": "white", "hatch": "//"}),
    "test": ("test", {"color": GREY, "hatch": ".."}),
}


@house_style()
def spectra(scenes: Dataset) -> AccessibleFigure:
    """Draw each class in a panel of its own: the mean spectra of its images.

    The line is the median over images; the band about it holds eight images of ten. The
    medians of the other classes are drawn behind in grey. Where the bands of two
    classes overlap, colour alone cannot tell them apart.

    Args:
        scenes: of reflectance, one label per image.

    Raises:
        WorkshopError: photographs, several labels per image, a class without images,
            or a band that is not Sentinel-2's.
    """
    single = not scenes.multi_label and int(scenes.class_counts().min()) > 0
    if scenes.is_rgb or not single or not set(scenes.bands) <= set(WAVELENGTHS):
        raise WorkshopError(
            f"spectra of {scenes}, bands {', '.join(scenes.bands)}: give reflectance"
            " of Sentinel-2, one label per image, all classes."
        )
    names = scenes.class_names
    table = pd.DataFrame(
        100 * scenes.images.mean(dim=(2, 3)).numpy(),  # (N, C) per cent
        columns=[WAVELENGTHS[band] for band in scenes.bands],
    ).sort_index(axis=1)
    labels = scenes.labels.numpy()
    low, medians, high = (table.groupby(labels).quantile(q).T for q in (0.1, 0.5, 0.9))
    columns, blue = min(5, len(names)), PALETTE["blue"]
    rows = -(-len(names) // columns)
    figure = AccessibleFigure(figsize=(2.4 * columns, 2.2 * rows + 0.9))
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    for k, axes in zip(medians, grid.flat, strict=False):
        axes.plot(medians, color=GREY, linewidth=0.8)
        axes.plot(medians[k], color=blue, marker="o", markersize=4, mew=0)
        axes.fill_between(table.columns, low[k], high[k], color=blue, alpha=0.3, lw=0)
        axes.set_title(names[k], fontsize=12)
        axes.tick_params(labelsize=10)
    grid[0, 0].set_ylim(bottom=0)  # all panels share it; only now is the top known
    figure.supxlabel("wavelength (nm)", fontsize=13)
    figure.supylabel("reflectance (% of the light)", fontsize=13)
    figure.suptitle("Spectra of the classes")
    peaks = [
        f"{names[k]} highest at {medians[k].idxmax():g} nm ({medians[k].max():.0f} %)"
        for k in medians
    ]
    figure.alt = (
        "Spectra of the classes: a panel for each, reflectance in per cent against"
        f" wavelength from {medians.index[0]:g} to {medians.index[-1]:g} nm."
        f" {'; '.join(peaks)}."
    )
    return figure


@house_style()
def split_bars(scenes: Dataset, split: Split) -> AccessibleFigure:
    """Draw a bar per class, cut into labelled, unlabelled, validation and test.

    Labelled images are in the unlabelled pool as well; here they are counted once.

    Args:
        scenes: one label per image.
        split: of these scenes.

    Raises:
        WorkshopError: several labels per image.
    """
    if scenes.multi_label:
        raise WorkshopError(f"{scenes} with several labels each: a bar needs one.")
    K = scenes.num_classes
    figure, axes = new_axes(8.0, 1.8 + 0.33 * K)
    left = np.zeros(K)
    words = []
    for part, (name, look) in _PARTS.items():
        index = getattr(split, part)
        if part == "unlabeled":
            index = index[~torch.isin(index, split.labeled)]
        labels = scenes.labels[index]
        counts = labels[labels >= 0].bincount(minlength=K).numpy()  # (K,)
        look = look | {"label": f"{name} ({len(index):,})", "edgecolor": INK, "lw": 0.8}
        axes.barh(scenes.class_names, counts, left=left, **look)
        left += counts
        low, high = counts.min(), counts.max()
        each = f"{low if low == high else f'{low} to {high}'} of each class"
        words.append(f"{name}: {len(index):,} images, {each}")
    axes.invert_yaxis()
    axes.set(xlabel="images", title="Where each image goes")
    figure.legend(loc="outside lower center", ncols=2, fontsize=12)
    figure.alt = f"Where each image goes, a bar per class. {'; '.join(words)}."
    return figure


@house_style()
def location_map(
    scenes: Dataset, grouping: str, group_names: Sequence[str]
) -> AccessibleFigure:
    """Draw each image as a point at its longitude and latitude, over the land.

    A degree of longitude is drawn as short as it is on the ground in the middle of the
    map, so that distances can be compared in all directions. The coastline is
    simplified, to some 20 km: it is there to recognise places by.

    Args:
        scenes: with the metadata "lat" and "lon", in degrees north and east.
        grouping: the metadata that holds the number of each image's group ("region").
        group_names: names of the groups.

    Raises:
        WorkshopError: no coordinates, or no such groups.
    """
    lat, lon = np.asarray(coordinates(scenes.metadata)).T
    if grouping not in scenes.metadata:
        raise unknown_name("metadata", grouping, scenes.metadata)
    groups = scenes.metadata[grouping].numpy()
    figure, axes = new_axes(5.6, 6.6)
    axes.set(xlim=(lon.min() - 4, lon.max() + 4), ylim=(lat.min() - 3, lat.max() + 3))
    for _, ring in pd.read_csv(_LAND).groupby("ring"):
        axes.fill(ring["lon"], ring["lat"], facecolor="#f0ede4", edgecolor=GREY, lw=1)
    words = []
    for k in np.unique(groups).astype(int).tolist():
        name, north, east = group_names[k], lat[groups == k], lon[groups == k]
        style = {"markersize": 4, **point_style(k)}
        axes.plot(east, north, label=f"{name} ({len(east):,})", **style)
        words.append(
            f"{name}: {len(east):,} images,"
            f" latitude {north.min():.0f} to {north.max():.0f},"
            f" longitude {east.min():.0f} to {east.max():.0f}"
        )
    middle = np.radians((float(lat.min()) + float(lat.max())) / 2)
    axes.set_aspect(1 / max(float(np.cos(middle)), 0.1))
    axes.set(xlabel="longitude (degrees east)", ylabel="latitude (degrees north)")
    axes.set_title("Where the images are")
    axes.grid()
    figure.legend(loc="outside lower center", ncols=2, fontsize=11, markerscale=1.6)
    figure.alt = f"Map of points: where the images are. {'; '.join(words)}."
    return figure


@house_style()
def modality_gains(scenes: pd.DataFrame, maps: pd.DataFrame) -> AccessibleFigure:
    """Draw a row per set of modalities: F1 of scenes, IoU of maps; a point per seed.

    A line marks the mean of Sentinel-2 alone ("S2"); sets that fall behind it differ in
    colour and marker.

    Args:
        scenes: a row per run, with its name, seed and f1 (0 to 1) of the scenes.
        maps: likewise with iou, of segmentation; without rows that panel is left out.

    Raises:
        WorkshopError: no run is named "S2".
    """
    import seaborn as sns

    studies = {"Scenes: F1 (%)": scenes.assign(value=100 * scenes["f1"])}
    if len(maps):
        studies["Land-cover maps: mIoU (%)"] = maps.assign(value=100 * maps["iou"])
    names = list(dict.fromkeys([*scenes["name"], *maps["name"]]))
    size = (11, 1.4 + 0.45 * len(names))
    figure, grid = new_axes(*size, 1, len(studies), sharey=True, squeeze=False)
    words = []
    for axes, (title, rows) in zip(grid[0], studies.items(), strict=True):
        mean = rows.groupby("name")["value"].mean()
        if _AGAINST not in mean:
            raise WorkshopError(f"no row is named {_AGAINST!r}: {[*mean.index]}.")
        axes.axvline(mean[_AGAINST], color=GREY, linewidth=2, zorder=1)
        for behind, part in rows.groupby(rows["name"].map(mean) < mean[_AGAINST]):
            style = line_style(int(behind))
            common: dict[str, Any] = {"x": "value", "y": "name", "order": names}
            common |= {"data": part, "color": style["color"], "ax": axes}
            dots = {"marker": style["marker"], "size": 7, "alpha": 0.6}
            sns.stripplot(**common, **dots, jitter=False)
            bar = {"marker": "|", "markersize": 20, "markeredgewidth": 2.5}
            sns.pointplot(**common, **bar, linestyle="none", errorbar=None)
        words += [f"{title[:-4]} of {name}: {mean[name]:.1f} %." for name in mean.index]
        axes.set(title=title, ylabel="")
        count = int(rows["name"].value_counts().max())
        axes.set_xlabel(
            f"a point per seed ({count}); bar: mean; grey line: {_AGAINST}", fontsize=11
        )
        axes.grid()
    figure.alt = "A point per seed and set of modalities. " + " ".join(words)
    return figure
