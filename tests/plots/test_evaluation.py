"""Confusion, classes, calibration and seeds as pictures, and in words."""

import numpy as np
import pytest
import torch

from workshop_lib import plots
from workshop_lib.evaluation.calibration import reliability

NAMES = ("Forest", "River", "Lake", "Town")


def test_confusion_shows_counts_and_the_common_mistake() -> None:
    matrix = np.array([[8, 2, 0, 0], [5, 3, 0, 0], [0, 0, 0, 0], [0, 0, 0, 7]])
    figure = plots.confusion_matrix(matrix, NAMES)
    shares = figure.axes[0].collections[0].get_array()
    np.testing.assert_allclose(shares[1], [62.5, 37.5, 0, 0])
    assert not np.isnan(shares).any()  # an absent class is an empty row
    written = sorted(t.get_text() for t in figure.axes[0].texts)
    assert "".join(written) == "23578"  # and nothing in empty cells
    assert "5 images of River predicted as Forest" in plots.describe(figure)


def test_confusion_of_many_classes_and_of_a_wrong_shape() -> None:
    many = plots.confusion_matrix(
        np.eye(43, dtype=int), [f"class {k}" for k in range(43)]
    )
    assert not many.axes[0].texts


def test_classes_stand_in_the_order_of_the_last_method() -> None:
    values = {"A": [0.5, 0.2, 0.9], "B": [0.8, 1.0, np.nan]}
    figure = plots.per_class(values, ("x", "y", "z"))
    figure.draw_without_rendering()
    axes = figure.axes[0]
    low, high = axes.get_ylim()
    assert low < 0 < 2 < high  # upwards, the worst at the bottom
    assert [t.get_text() for t in axes.get_yticklabels()] == ["z", "x", "y"]
    a, b = axes.lines
    np.testing.assert_allclose(a.get_xdata(), [90, 50, 20])
    np.testing.assert_allclose(b.get_xdata(), [np.nan, 80, 100])
    assert a.get_marker() != b.get_marker()
    # Points of equal value do not hide each other, and stay in their row
    assert (a.get_ydata() != b.get_ydata()).all()
    np.testing.assert_array_equal(np.round(a.get_ydata()), [0, 1, 2])
    assert "A: best z 90 %, worst y 20 %." in plots.describe(figure)
    assert "B: best y 100 %, worst x 80 %." in plots.describe(figure)


def test_a_method_that_nothing_is_known_of_is_told_in_no_words() -> None:
    figure = plots.per_class({"A": [np.nan, np.nan]}, ("x", "y"))
    figure.draw_without_rendering()
    assert "best" not in plots.describe(figure)


def test_reliability_draws_the_bins_that_hold_images() -> None:
    probs = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [1.0, 0.0]])
    found = reliability(probs, torch.tensor([0, 1, 1, 0]))
    figure = plots.reliability({"as it is": found.bins})
    line = figure.axes[0].lines[0]
    np.testing.assert_allclose(line.get_xdata(), [60, 90, 100], rtol=1e-6)
    np.testing.assert_allclose(line.get_ydata(), [100, 50, 100])
    words = plots.describe(figure)
    assert f"calibration error {100 * found.ece:.1f} points" in words
    assert "85.0 % sure on average, 75.0 % right" in words


def test_runs_of_a_seed_are_joined_and_intervals_are_per_cent() -> None:
    runs = {"A": [0.6, 0.7, 0.8], "B": [0.90, 0.91, 0.92]}
    figure = plots.seed_plot(runs, {"A": (0.7, 0.45, 0.95), "B": (0.91, 0.89, 0.93)})
    axes = figure.axes[0]
    joined = [line.get_ydata() for line in axes.lines[:3]]  # one per seed
    np.testing.assert_allclose(joined, [[60, 90], [70, 91], [80, 92]])
    (low, high), _ = (bars.get_segments()[0][:, 1] for bars in axes.collections)
    assert (low, high) == pytest.approx((45, 95))
    words = plots.describe(figure)
    assert words.startswith("'Is the difference real?': 3 seeds of each method. A:")
    assert "A: mean 70.0 %, 45.0 to 95.0 %." in words


def test_one_seed_has_no_interval() -> None:
    one = plots.seed_plot({"A": [0.5]}, {"A": (0.5, np.nan, np.nan)}, title="Alone")
    one.draw_without_rendering()
    assert plots.describe(one).startswith("'Alone': 1 seeds")
    assert "A: mean 50.0 %, no interval." in plots.describe(one)
