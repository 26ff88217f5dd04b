"""Figures of the data: what is drawn is what is there, and bad input is named."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from workshop_lib import plots
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.mini_eo import BANDS, CLASSES, REGIONS, mini_eo
from workshop_lib.data.split import Split
from workshop_lib.plots.data import WAVELENGTHS


@pytest.fixture(scope="module")
def scenes() -> Dataset:
    return mini_eo(count=120, bands=BANDS)


def test_spectra_show_the_median_of_the_images_by_wavelength() -> None:
    images = torch.zeros(6, 2, 4, 4)
    images[:3, 0], images[:3, 1] = 0.5, 0.1
    images[2] = 0.9  # an outlier, which a mean would follow
    labels, bands = torch.tensor([0, 0, 0, 1, 1, 1]), ("B08", "B02")  # by no order
    made = Dataset(images, labels, ("Bright", "Dark"), tuple("abcdef"), bands)
    figure = plots.spectra(made)
    line = figure.axes[0].lines[-1]
    assert list(line.get_xdata()) == [WAVELENGTHS["B02"], WAVELENGTHS["B08"]]
    assert np.allclose(line.get_ydata(), [10, 50])
    figure.draw_without_rendering()
    assert "Bright highest at 833 nm (50 %)" in plots.describe(figure)


def test_every_panel_of_spectra_holds_its_lines(scenes: Dataset) -> None:
    figure = plots.spectra(scenes)
    assert [axes.get_title("left") for axes in figure.axes] == list(CLASSES)
    low, high = figure.axes[0].get_ylim()
    tops = [line.get_ydata().max() for axes in figure.axes for line in axes.lines]
    assert low == 0 and max(tops) <= high
    assert "443 to 2202 nm" in plots.describe(figure)


def test_places_count_each_group(scenes: Dataset) -> None:
    region = scenes.metadata["region"].numpy()
    figure = plots.location_map(scenes, "region", REGIONS)
    (axes,) = figure.axes
    drawn = {line.get_label(): len(line.get_xdata()) for line in axes.lines}
    wanted = {f"{n} ({(region == k).sum()})": (region == k).sum()
              for k, n in enumerate(REGIONS)}  # fmt: skip
    assert drawn == wanted
    assert axes.get_aspect() > 1  # a degree of latitude is longer on the ground
    figure.draw_without_rendering()
    assert "boreal: " in plots.describe(figure)
    assert "latitude 6" in plots.describe(figure)


def test_bars_count_each_image_once(scenes: Dataset) -> None:
    split = Split.random(scenes, labels_per_class=2)
    figure = plots.split_bars(scenes, split)
    (axes,) = figure.axes
    widths = np.array([bar.get_width() for bar in axes.patches]).reshape(4, 10)
    assert (widths.sum(axis=0) == scenes.class_counts().numpy()).all()
    assert (widths[0] == 2).all() and widths[3].sum() == len(split.test)
    figure.draw_without_rendering()
    assert "labelled: 20 images, 2 of each class" in plots.describe(figure)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert sum(int(re.search(r"\((\d+)\)", t)[1]) for t in legend) == len(scenes)


def test_bars_leave_out_images_of_unknown_class(scenes: Dataset) -> None:
    labels = scenes.labels.clone()
    labels[:30] = -1
    some = replace(scenes, labels=labels)
    figure = plots.split_bars(some, Split.random(some, labels_per_class=1))
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert sum(widths) == 90
