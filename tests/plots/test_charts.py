"""Bars, lines, histograms and ranges: what is drawn and told."""

import numpy as np

from workshop_lib import plots
from workshop_lib.plots import describe


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
