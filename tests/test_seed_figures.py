"""Classes, seeds and unit vectors as pictures: what is drawn, and what is told."""

import numpy as np
import pytest

from workshop_lib import plots
from workshop_lib.errors import WorkshopError


def test_classes_stand_in_the_order_of_the_last_method() -> None:
    values = {"A": [0.5, 0.2, 0.9], "B": [0.8, 1.0, np.nan]}
    figure = plots.per_class(values, ("x", "y", "z"))
    figure.draw_without_rendering()
    axes = figure.axes[0]
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


@pytest.mark.parametrize("values", [{}, {"A": [0.1]}, {"A": [0.1, 0.2], "B": [0.3]}])
def test_classes_without_values_are_told(values: dict[str, list[float]]) -> None:
    with pytest.raises(WorkshopError, match="2 class names"):
        plots.per_class(values, ("x", "y"))


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


@pytest.mark.parametrize(
    ("runs", "methods"),
    [
        ({}, ""),
        ({"A": []}, "A"),
        ({"A": [0.5], "B": [0.5, 0.6]}, "AB"),
        ({"A": [1]}, "B"),
    ],
)
def test_seeds_that_do_not_match_are_told(runs: dict, methods: str) -> None:
    with pytest.raises(WorkshopError, match="the same methods in both"):
        plots.seed_plot(runs, dict.fromkeys(methods, (0.5, 0.4, 0.6)))


def test_vectors_are_drawn_with_a_circle_that_looks_like_one() -> None:
    before = np.array([[3.0, 4.0], [0.0, -2.0]])
    after = before / np.linalg.norm(before, axis=1, keepdims=True)
    figure = plots.l2_normalization(before, after, [0, 2], ("x", "y", "z"))
    figure.draw_without_rendering()
    left, right = figure.axes
    for axes, points in ((left, before), (right, after)):
        ends = [line.get_xydata()[1] for line in axes.lines[:2]]
        np.testing.assert_allclose(ends, points)
        assert axes.patches[0].get_radius() == 1
        assert axes.get_aspect() == 1
        (low, high), reach = axes.get_ylim(), np.abs(points).max()
        assert low < -reach and high > reach
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["x", "z"]
    words = plots.describe(figure)
    assert "Before, lengths from 2.00 to 5.00; after, from 1.00 to 1.00" in words


@pytest.mark.parametrize("shape", [(0, 2), (2, 3)])
def test_vectors_that_cannot_be_drawn_are_told(shape: tuple[int, int]) -> None:
    vectors = np.zeros(shape)
    with pytest.raises(WorkshopError, match="at least one vector"):
        plots.l2_normalization(vectors, vectors, np.zeros(shape[0]), ("x",))
