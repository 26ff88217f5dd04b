"""Rows of images: named, captioned, judged, and never cut off."""

import numpy as np
import torch

from workshop_lib import plots
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.mini_eo import BANDS, mini_eo
from workshop_lib.plots import describe

RGB = ("red", "green", "blue")
NAMES = ("Forest", "River", "Lake", "Town")


def some(count: int, size: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, 3, size, size), generator=generator).byte()


def test_class_samples_has_a_row_per_class() -> None:
    labels = torch.tensor([0, 1, 2, 0, 0])
    scenes = Dataset(some(5), labels, NAMES, tuple("abcde"))
    figure = plots.class_samples(scenes, per_class=2)
    assert len(figure.axes) == 4 * 2
    assert [len(axes.images) for axes in figure.axes] == [1, 1, 1, 0, 1, 0, 0, 0]
    assert "Town (0)" in plots.describe(figure)


def test_rows_are_named_and_hold_their_images():
    stored = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).view(2, 3, 4, 4)
    large = stored[:1].repeat(1, 1, 2, 2) / 20
    rows = {"stored": stored, "as floats": stored / 255, "32 pixels: 25.0 %": large}
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


def test_seasons_are_in_order_and_near_the_middle_of_their_piece() -> None:
    scenes = mini_eo(count=120, bands=BANDS)
    figure = plots.seasons(scenes, ["Forest", "Lake"])
    days = [int(axes.get_xlabel().removeprefix("day ")) for axes in figure.axes]
    assert len(days) == 12
    for row, name in enumerate(("Forest", "Lake")):
        own = scenes.labels == scenes.class_names.index(name)
        known = scenes.metadata["day_of_year"][own]
        for day, piece in zip(days[6 * row :], range(6), strict=False):
            middle = (piece + 0.5) * 365 / 6
            assert abs(day - middle) <= float((known - middle).abs().min()) + 0.01
    figure.draw_without_rendering()
    assert "Forest on days" in plots.describe(figure)


def test_gallery_tells_right_from_wrong() -> None:
    probs = torch.tensor([[0.9, 0.1, 0, 0]] * 5)
    labels = torch.tensor([0, 2, 1, 0, 0])
    scenes = Dataset(some(5), labels, NAMES, tuple("abcde"))
    figure = plots.gallery(scenes, torch.arange(5), probs)
    captions = [axes.get_xlabel() for axes in figure.axes[:5]]
    assert captions[0] == "\N{CHECK MARK} Forest\n90 %"
    assert captions[1] == "\N{BALLOT X} Forest\n90 %\ntrue: Lake"


def test_neighbours_are_marked_right_or_wrong_in_colour_and_sign():
    images, labels = some(4), torch.tensor([0, 0, 1, 1])
    scenes = Dataset(images, labels, NAMES, tuple("abcd"))
    given = (np.array([0, 3]), np.array([[1, 2], [2, 0]]), np.full((2, 2), 0.875))
    figure = plots.neighbours(scenes, *given)
    texts = [axes.get_xlabel() for axes in figure.axes]
    assert texts[0] == "Forest\nasked"
    assert texts[1] == "\N{CHECK MARK} Forest\n0.88"
    assert texts[2] == "\N{BALLOT X} River\n0.88"
    right, wrong = (axes.spines["left"].get_edgecolor() for axes in figure.axes[1:3])
    assert right != wrong
    shown = figure.axes[1].images[0].get_array()
    np.testing.assert_array_equal(shown, images[1].permute(1, 2, 0).numpy())
    assert "Forest: 1 of 2; River: 1 of 2" in describe(figure)
