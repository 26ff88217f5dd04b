"""Rows of views, and bars with a limit: what is drawn and what is said."""

import math

import pytest
import torch

from workshop_lib import plots
from workshop_lib.errors import WorkshopError
from workshop_lib.plots import describe

RGB = ("red", "green", "blue")


def test_rows_are_named_and_hold_their_images():
    stored = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).view(2, 3, 4, 4)
    rows = {"stored": stored, "as floats": stored / 255, "large": stored[:1] / 20}
    rows["large"] = rows["large"].repeat(1, 1, 2, 2)
    figure = plots.view_rows(rows, RGB, title="Views", captions=["left", "right"])
    grid = [axes.get_images() for axes in figure.axes]
    assert [len(images) for images in grid] == [1, 1, 1, 1, 1, 0]
    first, second = (grid[k][0].get_array() for k in (0, 2))
    assert (first == second).all()  # a float view looks like what was stored
    assert grid[4][0].get_array().shape == (8, 8, 3)
    assert grid[4][0].get_array().max() == 255  # cut off, not wrapped around
    names = [axes.texts[0].get_text() for axes in figure.axes[::2]]
    assert names == list(rows)
    assert figure.axes[4].get_xlabel() == "left"
    assert all(w in describe(figure) for w in ("Views", "as floats", "left, right"))
    assert "Rows of 2 images" in describe(figure)
    figure.draw_without_rendering()
    assert figure.axes[0].texts[0].get_window_extent().x0 >= 0


def test_a_long_name_is_not_cut_off():
    name = "32 pixels: 25.0 % hidden"
    figure = plots.view_rows({name: torch.zeros(1, 3, 4, 4)}, RGB, title="Views")
    assert "Rows of one image, from above: 32 pixels" in describe(figure)
    figure.draw_without_rendering()
    assert figure.axes[0].texts[0].get_window_extent().x0 >= 0


def test_rows_without_images_or_with_other_captions():
    images = torch.zeros(2, 3, 4, 4)
    with pytest.raises(WorkshopError, match="0 rows of up to 0 images"):
        plots.view_rows({}, RGB, title="Views")
    with pytest.raises(WorkshopError, match="2 images with 1 captions"):
        plots.view_rows({"a": images}, RGB, title="Views", captions=["one"])


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


@pytest.mark.parametrize("values", [{}, {"a": -1.0}, {"a": math.nan}])
def test_bars_of_nothing(values):
    with pytest.raises(WorkshopError, match="at least one value"):
        plots.bars(values, title="T", unit="u")
