"""Charts of numbers and of data sets: what is drawn is what is there, and told."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from workshop_lib import plots
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.mini_eo import BANDS, CLASSES, REGIONS, mini_eo
from workshop_lib.data.split import Split
from workshop_lib.plots import Bar, describe
from workshop_lib.plots.data import WAVELENGTHS


def test_bars_have_lengths_numbers_and_a_limit():
    figure = plots.bars(
        {"small": 0.5, "exact": 2.0, "large": 1234.5},
        title="Memory", unit="GB", limit=("card", 2.0),
    )  # fmt: skip
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == [0.5, 2.0, 1234.5]
    assert [bar.get_hatch() for bar in axes.patches] == [None, None, "//"]
    written = [text.get_text() for text in axes.texts]
    assert written == ["0.500", "2.00", "1,234", " card"]
    assert axes.get_xlabel() == "GB" and figure.get_suptitle() == "Memory"
    assert "large: 1,234 (too much)" in describe(figure)
    assert "exact: 2.00." in describe(figure)
    figure.draw_without_rendering()
    ends = [text.get_window_extent() for text in axes.texts[:3]]
    assert max(end.x1 for end in ends) <= figure.bbox.x1


def test_lines_differ_in_more_than_colour_and_whole_steps_get_whole_ticks():
    series = {"A": ([1, 2, 3], [10, 20, 30]), "B": ([1, 2, 3], [5, 50, 100])}
    words = {"title": "T", "x_label": "k", "y_label": "right (%)"}
    figure = plots.lines(series, **words, y_limits=(0, 102))
    figure.draw_without_rendering()
    (axes,) = figure.axes
    a, b = axes.lines
    np.testing.assert_allclose(b.get_ydata(), [5, 50, 100])
    assert a.get_marker() != b.get_marker() and a.get_linestyle() != b.get_linestyle()
    assert all(tick % 1 == 0 for tick in axes.get_xticks())
    assert axes.get_ylim() == (0, 102)
    assert "B: from 5.0 at 1 to 100.0 at 3." in plots.describe(figure)


def test_histograms_share_their_bins_and_count_everything():
    rng = np.random.default_rng(0)
    groups = {"A": rng.normal(size=300), "B": rng.normal(3, size=200)}
    figure = plots.histograms(groups, title="T", x_label="x")
    figure.draw_without_rendering()
    (axes,) = figure.axes
    a, b = axes.containers
    assert sum(bar.get_height() for bar in a) == 300
    assert sum(bar.get_height() for bar in b) == 200
    assert [bar.get_x() for bar in a] == [bar.get_x() for bar in b]
    assert a[0].get_hatch() != b[0].get_hatch()
    assert "A: 300 numbers" in plots.describe(figure)


def test_gains_count_against_the_best_before_and_seeds_have_a_range():
    bars = [
        Bar("Weak", 0.54, "40 labels"),
        Bar("Strong", 0.50, "40 labels", "what augmentation was worth"),
        Bar("FixMatch", 0.94, worth="what the images were worth", low=0.9, high=0.95),
    ]
    figure = plots.baselines(bars)
    (axes,) = figure.axes
    shown = [text.get_text() for text in axes.texts]
    assert "\N{MINUS SIGN}4.0 points: what augmentation was worth" in shown
    assert "+40.0 points: what the images were worth" in shown  # not +44
    assert "94.0 %" in shown and "Weak (40 labels)" in shown
    ends = {round(bar.get_x() + bar.get_width(), 6) for bar in axes.patches}
    assert {54.0, 50.0, 94.0} <= ends
    told = "FixMatch: 94.0 % (from 90.0 to 95.0 over the seeds). +40.0 points"
    assert told in describe(figure)
    bar = axes.containers[-1].lines[2][0].get_segments()[0]
    assert bar[:, 0].tolist() == pytest.approx([90, 95])


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
    on_land = [sum(ring.get_path().contains_point(at) for ring in axes.patches)
               for at in ((2.3, 48.9), (-30, 45), (3, 56), (25, 62))]  # fmt: skip
    assert on_land == [1, 0, 0, 1]  # Paris, the Atlantic, the North Sea, Finland
    figure.draw_without_rendering()
    assert "boreal: " in plots.describe(figure)
    assert "latitude 6" in plots.describe(figure)


def test_split_bars_count_each_image_once(scenes: Dataset) -> None:
    split = Split.random(scenes, labels_per_class=2)
    figure = plots.split_bars(scenes, split)
    (axes,) = figure.axes
    widths = np.array([bar.get_width() for bar in axes.patches]).reshape(4, 10)
    assert (widths.sum(axis=0) == scenes.class_counts().numpy()).all()
    assert (widths[0] == 2).all() and widths[3].sum() == len(split.test)
    figure.draw_without_rendering()
    assert "labelled, in pool: 20 images, 2 of each" in plots.describe(figure)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert sum(int(re.search(r"\((\d+)\)", t)[1]) for t in legend) == len(scenes)


def test_split_bars_leave_out_images_of_unknown_class(scenes: Dataset) -> None:
    labels = scenes.labels.clone()
    labels[:30] = -1
    some = replace(scenes, labels=labels)
    figure = plots.split_bars(some, Split.random(some, labels_per_class=1))
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert sum(widths) == 90
