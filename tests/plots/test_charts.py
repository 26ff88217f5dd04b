"""Bars, lines, histograms and gains: what is drawn and told."""

import numpy as np
import pytest

from workshop_lib import plots
from workshop_lib.plots import Bar, describe


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
