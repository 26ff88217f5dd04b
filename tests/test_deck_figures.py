"""Lines, ranges, histograms, marks and the way of an image: what is drawn and told."""

import numpy as np
import pytest
from numpy.typing import ArrayLike

from workshop_lib import plots
from workshop_lib.errors import WorkshopError

# ---- lines


def test_lines_differ_in_more_than_colour_and_whole_steps_get_whole_ticks():
    series = {"A": ([1, 2, 3], [10, 20, 30]), "B": ([1, 2, 3], [5, 50, 100])}
    figure = plots.lines(series, title="T", x_label="k", y_label="right (%)")
    figure.draw_without_rendering()
    (axes,) = figure.axes
    a, b = axes.lines
    np.testing.assert_allclose(b.get_ydata(), [5, 50, 100])
    assert a.get_marker() != b.get_marker() and a.get_linestyle() != b.get_linestyle()
    assert all(tick % 1 == 0 for tick in axes.get_xticks())
    assert "B: from 5.0 at 1 to 100.0 at 3." in plots.describe(figure)


def test_lines_keep_to_the_limits():
    figure = plots.lines(
        {"A": ([0, 0.5], [10, 20])},
        title="T", x_label="x", y_label="y", y_limits=(0, 102),
    )  # fmt: skip
    assert figure.axes[0].get_ylim() == (0, 102)


@pytest.mark.parametrize("series", [{}, {"A": ([1, 2], [1])}, {"A": ([], [])}])
def test_lines_of_nothing_or_of_unequal_length_are_told(
    series: dict[str, tuple[ArrayLike, ArrayLike]],
):
    with pytest.raises(WorkshopError, match="as many horizontal as vertical"):
        plots.lines(series, title="T", x_label="x", y_label="y")


# ---- ranges


def test_a_range_over_the_baseline_is_hollow():
    rows = {"sure": (10.0, 5.0, 15.0), "unsure\nof it": (1.0, -2.0, 4.0)}
    figure = plots.ranges(rows, title="Gain", x_label="points", baseline=("none", 0.0))
    figure.draw_without_rendering()
    (axes,) = figure.axes
    points = [line for line in axes.lines if line.get_marker() == "o"]
    assert [p.get_xdata()[0] for p in points] == [10.0, 1.0]
    assert points[0].get_markerfacecolor() != "white"
    assert points[1].get_markerfacecolor() == "white"
    # The first row is on top
    top, bottom = (p.get_ydata()[0] for p in points)
    to_pixels = axes.transData.transform
    assert to_pixels((0, top))[1] > to_pixels((0, bottom))[1]
    (low, high), _ = (bars.get_segments()[0][:, 0] for bars in axes.collections)
    assert (low, high) == (5, 15)
    words = plots.describe(figure)
    assert "unsure of it: 1.0 (-2.0 to 4.0)." in words
    assert "Dashed line: none, 0.0." in words


@pytest.mark.parametrize(
    "rows",
    [{}, {"a": (1.0, 2.0, 3.0)}, {"a": (1.0, 0.0, float("nan"))}],
)
def test_ranges_that_are_none_are_told(rows: dict[str, tuple[float, float, float]]):
    with pytest.raises(WorkshopError, match="low <= value <= high"):
        plots.ranges(rows, title="T", x_label="x")


# ---- histograms


def test_histograms_share_their_bins_and_count_everything():
    rng = np.random.default_rng(0)
    groups = {"A": rng.normal(size=300), "B": rng.normal(3, size=200)}
    figure = plots.histograms(groups, title="T", x_label="x", bins=20)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    a, b = axes.containers
    assert sum(bar.get_height() for bar in a) == 300
    assert sum(bar.get_height() for bar in b) == 200
    assert [bar.get_x() for bar in a] == [bar.get_x() for bar in b]
    assert a[0].get_hatch() != b[0].get_hatch()
    assert "A: 300 numbers" in plots.describe(figure)


@pytest.mark.parametrize(
    "groups",
    [{}, {"A": []}, {"A": [1.0, np.nan]}, {name: [1.0] for name in "ABCD"}],
)
def test_histograms_that_cannot_be_drawn_are_told(groups: dict[str, ArrayLike]):
    with pytest.raises(WorkshopError, match="one to 3 groups"):
        plots.histograms(groups, title="T", x_label="x")


# ---- class marks


def test_no_two_classes_have_the_same_mark():
    names = [f"class {k}" for k in range(49)]
    figure = plots.class_marks(names)
    figure.draw_without_rendering()
    # For each class a plain dot, then the mark
    marks = {
        (line.get_marker(), line.get_markerfacecolor(), line.get_markeredgecolor())
        for line in figure.axes[0].lines[1::2]
    }
    dots = {line.get_color() for line in figure.axes[0].lines[::2]}
    assert len(marks) == 49 and len(dots) == 7
    assert "up to 7 of them look alike" in plots.describe(figure)


@pytest.mark.parametrize("K", [0, 50])
def test_too_few_or_too_many_classes_are_told(K: int):
    with pytest.raises(WorkshopError, match="1 to 49"):
        plots.class_marks(["x"] * K)


# ---- the way of an image


def test_the_way_of_an_image_shows_maps_features_and_the_likeliest_class():
    picture = np.zeros((8, 8, 3), np.uint8)
    maps = np.arange(3 * 2 * 2).reshape(3, 2, 2)
    figure = plots.forward_diagram(picture, maps, [1.0, 2.0], [0.2, 0.8], ("x", "y"))
    figure.draw_without_rendering()
    _, mosaic, strip, classes = figure.axes
    shown = np.ma.filled(mosaic.images[0].get_array(), np.nan)
    assert shown.shape == (5, 5)  # two maps of 2 x 2 a side, and a gap
    assert set(shown[~np.isnan(shown)]) == set(range(12))
    np.testing.assert_array_equal(shown[:2, 3:], maps[1])
    assert strip.images[0].get_array().shape == (2, 1)
    plain, likeliest = classes.patches
    assert likeliest.get_hatch() and not plain.get_hatch()
    assert "y, 80 %" in plots.describe(figure)


@pytest.mark.parametrize(
    ("maps", "features", "probs"),
    [
        (np.zeros((2, 2)), [1.0], [0.5, 0.5]),
        (np.zeros((1, 2, 2)), [[1.0]], [0.5, 0.5]),
        (np.zeros((1, 2, 2)), [1.0], [1.0]),
    ],
)
def test_shapes_that_do_not_fit_are_told(
    maps: ArrayLike, features: ArrayLike, probs: ArrayLike
):
    picture = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(WorkshopError, match="a probability per name"):
        plots.forward_diagram(picture, maps, features, probs, ("x", "y"))
