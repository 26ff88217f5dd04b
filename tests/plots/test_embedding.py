"""Maps of embeddings: every class can be told, nothing is covered, words beside."""

import numpy as np
import pytest

from workshop_lib import plots
from workshop_lib.plots import Panel, describe, embedding_grid
from workshop_lib.plots.style import point_style


def panel(classes: int = 4, dims: int = 2, title: str = "t-SNE", **more) -> Panel:
    labels = np.repeat(np.arange(classes), 6)
    noise = np.random.default_rng(0).normal(size=(len(labels), dims))
    centres = np.stack([labels % 5, labels // 5, labels % 3][:dims], axis=1)
    return Panel(title, (10 * centres + noise).astype(np.float32), labels, **more)


def names(classes: int) -> tuple[str, ...]:
    return tuple(f"MediumResidential{k}" for k in range(classes))


def test_forty_nine_classes_look_different():
    looks = {tuple(sorted(point_style(k).items())) for k in range(49)}
    assert len(looks) == 49
    first = [point_style(k) for k in range(7)]
    assert len({s["markerfacecolor"] for s in first}) == 7
    assert len({s["marker"] for s in first}) == 7
    # In grey, and for any eye: marker and filling differ where the colour is the same
    for k in range(42):
        one, next_of_colour = point_style(k), point_style(k + 7)
        assert one["marker"] != next_of_colour["marker"]


@pytest.mark.parametrize(
    ("classes", "dims", "panels"),
    [(2, 2, 1), (10, 2, 1), (21, 2, 2), (30, 2, 2), (45, 2, 1), (10, 3, 1), (30, 3, 2)],
)
def test_the_legend_covers_no_map_and_stays_in_the_figure(classes, dims, panels):
    figure = embedding_grid([panel(classes, dims)] * panels, names(classes))
    figure.draw_without_rendering()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    for axes in figure.axes:
        assert not box.overlaps(axes.get_window_extent())
    inside = figure.bbox.padded(1)
    assert inside.x0 <= box.x0 and box.x1 <= inside.x1
    assert inside.y0 <= box.y0 and box.y1 <= inside.y1
    assert len(legend.get_texts()) == classes


@pytest.mark.parametrize("dims", [2, 3])
def test_points_are_drawn_where_they_are_in_the_look_of_their_class(dims):
    one = panel(9, dims)
    (axes,) = embedding_grid([one], names(9)).axes
    assert len(axes.lines) == 9
    for k, line in enumerate(axes.lines):
        drawn = line.get_data_3d() if dims == 3 else line.get_data()
        np.testing.assert_allclose(np.stack(drawn, 1), one.points[one.labels == k])
        assert line.get_marker() == point_style(k)["marker"]


def test_a_class_keeps_its_look_where_others_are_missing():
    full = panel(4)
    kept = full.labels >= 2
    part = Panel("part", full.points[kept], full.labels[kept])
    figure = embedding_grid([part], names(4))
    assert [line.get_marker() for line in figure.axes[0].lines] == ["^", "D"]
    labels = [text.get_text().split() for text in figure.legends[0].get_texts()]
    assert labels == [["3", "MediumResidential2"], ["4", "MediumResidential3"]]


def test_the_number_stands_beside_a_point_of_its_class():
    figure = embedding_grid([panel(4)], names(4))
    one = panel(4)
    for k, text in enumerate(figure.axes[0].texts):
        assert text.get_text() == str(k + 1)
        own = one.points[one.labels == k]
        assert np.isclose(own, text.xy).all(axis=1).any()


def test_of_a_single_class_no_words_tell_that_it_is_among_itself():
    points = np.arange(20, dtype=np.float32).reshape(10, 2)
    one = Panel("perplexity 3", points, np.zeros(10, dtype=np.int64))
    words = describe(embedding_grid([one], ["noise"], title="Pure noise"))
    assert words == "Scatter plot: Pure noise. perplexity 3: 10 points in 2-D."


def test_the_words_name_the_classes_that_are_mixed():
    points = np.array([[0, 0], [0, 1], [9, 0], [9, 0.5], [5, 5], [5, 5.5]], "f4")
    one = Panel("PCA", points, np.array([0, 0, 1, 2, 3, 3]), ("PC 1", "PC 2"))
    figure = embedding_grid([one], ("Forest", "River", "Lake", "Town"))
    assert "67 % lie next to" in describe(figure)
    assert "most mixed: River and Lake" in describe(figure)
    assert figure.axes[0].get_xlabel() == "PC 1"


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
