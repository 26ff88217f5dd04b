"""Comparison of methods: gains, seeds and sets of sensors as pictures and words."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from workshop_lib import plots
from workshop_lib.plots import Bar

BARS = [
    Bar("Weak", 0.54, "40 labels"),
    Bar("Strong", 0.50, "40 labels", "what augmentation was worth"),
    Bar("FixMatch", 0.94, "40 labels", "what the unlabelled images were worth"),
]


def texts(figure: Figure) -> str:
    found = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    return "\n".join(artist.get_text() for artist in found)


def test_baselines_counts_gains_against_the_best_before() -> None:
    figure = plots.baselines(BARS)
    shown = texts(figure)
    assert "\N{MINUS SIGN}4.0 points: what augmentation was worth" in shown
    assert "+40.0 points: what the unlabelled images were worth" in shown  # not +44
    assert "94.0 %" in shown and "Weak (40 labels)" in shown
    assert "+40.0 points" in plots.describe(figure)


def test_baselines_bars_end_at_the_accuracy() -> None:
    bars = plots.baselines(BARS).axes[0].patches
    ends = {round(bar.get_x() + bar.get_width(), 6) for bar in bars}
    assert {54.0, 50.0, 94.0} <= ends


def test_baselines_shows_the_range_over_seeds() -> None:
    figure = plots.baselines([Bar("A", 0.5, low=0.4, high=0.7)])
    assert "from 40.0 to 70.0" in plots.describe(figure)
    bar = figure.axes[0].containers[-1].lines[2][0].get_segments()[0]  # type: ignore
    assert bar[:, 0].tolist() == pytest.approx([40, 70])


def test_runs_of_a_seed_are_joined_and_intervals_are_per_cent() -> None:
    runs = {"A": [0.6, 0.7, 0.8], "B": [0.90, 0.91, 0.92]}
    figure = plots.seed_plot(runs, {"A": (0.7, 0.45, 0.95), "B": (0.91, 0.89, 0.93)})
    figure.draw_without_rendering()
    axes = figure.axes[0]
    joined = [line.get_ydata() for line in axes.lines[:3]]  # one per seed
    np.testing.assert_allclose(joined, [[60, 90], [70, 91], [80, 92]])
    (low, high), _ = (bars.get_segments()[0][:, 1] for bars in axes.collections)
    assert (low, high) == pytest.approx((45, 95))
    assert "A: mean 70.0 %, 45.0 to 95.0 %." in plots.describe(figure)
    assert "3 seeds of each" in plots.describe(figure)


def test_one_seed_has_no_interval() -> None:
    figure = plots.seed_plot({"A": [0.5]}, {"A": (0.5, np.nan, np.nan)})
    figure.draw_without_rendering()
    assert "A: mean 50.0 %, no interval." in plots.describe(figure)
