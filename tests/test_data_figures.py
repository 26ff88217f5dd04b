"""Figures of the data: what is drawn is what is there, and bad input is named."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from workshop_lib import plots
from workshop_lib.data.mini_eo import BANDS, CLASSES, COVERS, REGIONS, mini_eo
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.plots.spectra import WAVELENGTHS


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return mini_eo(count=120, bands=BANDS)


def white_and_described(figure: plots.AccessibleFigure, *words: str) -> None:
    assert to_hex(figure.get_facecolor()) == "#ffffff"
    figure.draw_without_rendering()
    alt = plots.describe(figure)
    for word in words:
        assert word in alt


# ---- panels


def test_panels_give_sizes_and_ranges() -> None:
    shown = {
        "picture": np.zeros((4, 6, 3), np.uint8),
        "map": np.array([[-2.0, 0.5], [1.0, 0.0]]),
        "positive": np.array([[3.0, 7.0]]),
    }
    figure = plots.panels(shown, title="Three", columns=2)
    notes = [axes.get_xlabel() for axes in figure.axes if axes.get_visible()]
    assert notes == ["4 x 6", "2 x 2, \N{MINUS SIGN}2 to 1", "1 x 2, 3 to 7"]
    white_and_described(figure, "Three", "picture (4 x 6)")
    # White stands at 0 although the map reaches further down than up
    (signed,) = figure.axes[1].images
    assert signed.get_clim() == (-2.0, 2.0)
    assert figure.axes[2].images[0].get_clim() == (3.0, 7.0)


def test_panels_write_numbers_into_small_maps_only() -> None:
    shown = {"filter": np.array([[-1.0, 0.0, 1.5]]), "large": np.zeros((9, 9))}
    small, large = plots.panels(shown, title="t", numbers=True).axes
    assert [t.get_text() for t in small.texts] == ["\N{MINUS SIGN}1", "0", "1.5"]
    assert not large.texts


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((2, 2, 4), np.uint8),
        np.zeros((2, 2, 3)),
        np.zeros(3),
        np.array([[0.0, np.nan]]),
    ],
)
def test_panels_refuse_what_is_neither_picture_nor_map(values: np.ndarray) -> None:
    with pytest.raises(WorkshopError, match="panel 'odd' of shape"):
        plots.panels({"odd": values}, title="t")
    with pytest.raises(WorkshopError, match="no panels"):
        plots.panels({}, title="t")


# ---- task levels


def test_objects_are_the_pieces_of_a_cover() -> None:
    mask = torch.zeros(1, 12, 12, dtype=torch.uint8)
    mask[0, 1:4, 1:4] = mask[0, 6:10, 5:11] = 1
    mask[0, 11, 0] = 1  # one pixel: the edge of an object, not one
    made = Scenes(
        images=torch.zeros(1, 3, 12, 12, dtype=torch.uint8),
        labels=torch.tensor([0]),
        class_names=("Town",),
        names=("a",),
        masks=mask,
    )
    figure = plots.task_levels(made, 0, ("grass", "house"), object_cover="house")
    boxes = {
        (*box.get_xy(), box.get_width(), box.get_height())
        for axes in figure.axes
        for box in axes.patches
        if isinstance(box, Rectangle)
    }
    assert boxes == {(0.5, 0.5, 3, 3), (4.5, 5.5, 6, 4)}
    white_and_described(figure, "2 boxes around house", "whole image is Town")
    with pytest.raises(WorkshopError, match="no masks"):
        plots.task_levels(replace(made, masks=None), 0, COVERS, object_cover="water")
    with pytest.raises(WorkshopError, match="unknown cover 'hose'"):
        plots.task_levels(made, 0, ("grass", "house"), object_cover="hose")


# ---- spectra


def test_spectra_show_the_median_of_the_images_by_wavelength() -> None:
    images = torch.zeros(6, 2, 4, 4)
    images[:3, 0], images[:3, 1] = 0.5, 0.1
    images[2] = 0.9  # an outlier, which a mean would follow
    made = Scenes(
        images=images,
        labels=torch.tensor([0, 0, 0, 1, 1, 1]),
        class_names=("Bright", "Dark"),
        names=tuple("abcdef"),
        bands=("B08", "B02"),  # not in the order of wavelength
    )
    figure = plots.spectra(made)
    line = figure.axes[0].lines[-1]
    assert list(line.get_xdata()) == [WAVELENGTHS["B02"], WAVELENGTHS["B08"]]
    assert np.allclose(line.get_ydata(), [10, 50])
    white_and_described(figure, "Bright highest at 833 nm (50 %)")


def test_every_panel_of_spectra_holds_its_lines(scenes: Scenes) -> None:
    figure = plots.spectra(scenes)
    assert [axes.get_title("left") for axes in figure.axes] == list(CLASSES)
    low, high = figure.axes[0].get_ylim()
    tops = [line.get_ydata().max() for axes in figure.axes for line in axes.lines]
    assert low == 0 and max(tops) <= high
    white_and_described(figure, "443 to 2202 nm")


def test_spectra_need_reflectance_of_known_bands(scenes: Scenes) -> None:
    named = replace(scenes, bands=tuple(f"x{i}" for i in range(12)))
    with pytest.raises(WorkshopError, match="wavelength"):
        plots.spectra(named)
    lacking = scenes.subset((scenes.labels != 3).nonzero().flatten())
    with pytest.raises(WorkshopError, match="each class needs images"):
        plots.spectra(lacking)


# ---- places


def test_places_count_each_group(scenes: Scenes) -> None:
    region = scenes.metadata["region"].numpy()
    lat, lon = scenes.metadata["lat"].numpy(), scenes.metadata["lon"].numpy()
    figure = plots.location_map(lat, lon, region, REGIONS)
    (axes,) = figure.axes
    drawn = {line.get_label(): len(line.get_xdata()) for line in axes.lines}
    wanted = {f"{n} ({(region == k).sum()})": (region == k).sum()
              for k, n in enumerate(REGIONS)}  # fmt: skip
    assert drawn == wanted
    assert axes.get_aspect() > 1  # a degree of latitude is longer on the ground
    white_and_described(figure, "boreal: ", "latitude 6")
    with pytest.raises(WorkshopError, match="one of each per image"):
        plots.location_map(lat[:3], lon, region, REGIONS)
    with pytest.raises(WorkshopError, match="name each group"):
        plots.location_map(lat, lon, region, REGIONS[:3])


# ---- seasons


def test_seasons_are_in_order_and_near_the_middle_of_their_piece(
    scenes: Scenes,
) -> None:
    figure = plots.seasons(scenes, ["Forest", "Lake"], columns=3)
    days = [int(axes.get_xlabel().removeprefix("day ")) for axes in figure.axes]
    assert len(days) == 6
    for row, name in enumerate(("Forest", "Lake")):
        own = scenes.labels == scenes.class_names.index(name)
        known = scenes.metadata["day_of_year"][own]
        for day, middle in zip(days[3 * row :], (60.83, 182.5, 304.17), strict=False):
            assert abs(day - middle) <= float((known - middle).abs().min()) + 0.01
    white_and_described(figure, "Forest on days")


def test_seasons_need_dates_and_classes(scenes: Scenes) -> None:
    with pytest.raises(WorkshopError, match="dates are not known"):
        plots.seasons(replace(scenes, metadata={}), ["Forest"])
    with pytest.raises(WorkshopError, match="Did you mean 'Forest'"):
        plots.seasons(scenes, ["Forrest"])
    lacking = scenes.subset((scenes.labels != 1).nonzero().flatten())
    with pytest.raises(WorkshopError, match="no image of Forest"):
        plots.seasons(lacking, ["Forest"])


# ---- split bars


def test_bars_count_each_image_once(scenes: Scenes) -> None:
    split = Split.random(scenes, labels_per_class=2)
    figure = plots.split_bars(scenes, split)
    (axes,) = figure.axes
    widths = np.array([bar.get_width() for bar in axes.patches]).reshape(4, 10)
    assert (widths.sum(axis=0) == scenes.class_counts().numpy()).all()
    assert (widths[0] == 2).all() and widths[3].sum() == len(split.test)
    white_and_described(figure, "labelled: 20 images, 2 of each class")
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert sum(int(re.search(r"\((\d+)\)", t)[1]) for t in legend) == len(scenes)


def test_bars_leave_out_images_of_unknown_class(scenes: Scenes) -> None:
    labels = scenes.labels.clone()
    labels[:30] = -1
    some = replace(scenes, labels=labels)
    figure = plots.split_bars(some, Split.random(some, labels_per_class=1))
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert sum(widths) == 90
