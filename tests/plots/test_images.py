"""Rows of images: named, captioned, complete, and never cut off."""

import pytest
import torch

from workshop_lib import plots
from workshop_lib.data.mini_eo import BANDS, mini_eo
from workshop_lib.data.scenes import Scenes
from workshop_lib.plots import describe, image_pairs

RGB = ("red", "green", "blue")
NAMES = ("Forest", "River", "Lake", "Town")


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return mini_eo(count=120, bands=BANDS)


def some(count: int, size: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, 3, size, size), generator=generator).byte()


def test_class_samples_has_a_row_per_class() -> None:
    labels = torch.tensor([0, 1, 2, 0, 0])
    figure = plots.class_samples(some(5), labels, NAMES, RGB, per_class=2)
    assert len(figure.axes) == 4 * 2
    assert [len(axes.images) for axes in figure.axes] == [1, 1, 1, 0, 1, 0, 0, 0]
    assert "Town (0)" in plots.describe(figure)


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


def test_seasons_are_in_order_and_near_the_middle_of_their_piece(
    scenes: Scenes,
) -> None:
    figure = plots.seasons(scenes, ["Forest", "Lake"], columns=3)
    days = [int(axes.get_xlabel().removeprefix("day ")) for axes in figure.axes]
    assert len(days) == 6
    for row, name in enumerate(("Forest", "Lake")):
        own = scenes.labels == scenes.class_names.index(name)
        known = scenes.metadata["day_of_year"][own]
        for day, middle in zip(days[3 * row :], (60.83, 182.5, 304.17), strict=False):
            assert abs(day - middle) <= float((known - middle).abs().min()) + 0.01
    figure.draw_without_rendering()
    assert "Forest on days" in plots.describe(figure)


@pytest.mark.parametrize(("count", "axes"), [(1, 2), (3, 6), (4, 12)])
def test_every_pair_is_drawn_and_told(count, axes):
    captions = [f"pair {i}\nof two" for i in range(count)]
    figure = image_pairs(some(count), some(count), RGB, captions)
    shown = [a for a in figure.axes if a.get_visible()]
    assert len(figure.axes) == axes and len(shown) == 2 * count
    assert all(f"pair {i}, of two" in describe(figure) for i in range(count))
    assert [a.texts[0].get_text() for a in shown[::2]] == captions
    assert all((a.get_images()[0].get_array().shape == (8, 8, 3)) for a in shown)
    figure.draw_without_rendering()
    left, right = (a.get_window_extent() for a in shown[:2])
    assert right.x0 - left.x1 < 0.3 * left.width  # the caption drives none apart
    below = shown[-2].texts[0].get_window_extent()
    assert below.y0 > 0  # nor is it cut off
