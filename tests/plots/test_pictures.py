"""Sensor values on the screen; tables of images, of maps and of both, in words too."""

import numpy as np
import pytest
import torch
from matplotlib.patches import Rectangle

from workshop_lib import plots
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.mini_eo import BANDS, CLASSES, COVERS, mini_eo
from workshop_lib.plots import describe, mask_grid, modality_samples
from workshop_lib.plots.maps import cover_colours

RGB = ("red", "green", "blue")
NAMES = ("Forest", "River", "Lake", "Town")
GROUND = ("field", "water", "road")


def some(count: int, size: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, 3, size, size), generator=generator).byte()


def test_rgb_passes_unchanged() -> None:
    shown = plots.to_display(some(5), RGB)
    assert shown.dtype == np.uint8
    np.testing.assert_array_equal(shown, some(5).permute(0, 2, 3, 1).numpy())


def test_reflectance_is_stretched_by_one_fixed_rule() -> None:
    bands = ("B02", "B03", "B04", "B08")
    images = torch.zeros(2, 4, 3, 5)
    images[0] = torch.tensor([0.05, 0.1, 0.3, 0.25]).view(4, 1, 1)
    shown = plots.to_display(images, bands)
    assert shown.shape == (2, 3, 5, 3)
    expected = [round(255 * (v / 0.3) ** (1 / 1.4)) for v in (0.3, 0.1, 0.05)]
    assert shown[0, 0, 0].tolist() == expected  # red is B04, blue is B02
    assert (shown[1] == 0).all()
    # The other image's brightness does not matter
    alone = plots.to_display(images[:1], bands)
    np.testing.assert_array_equal(alone, shown[:1])
    false = plots.to_display(images, bands, "false colour")
    infrared = round(255 * (0.25 / 0.5) ** (1 / 1.4))
    assert false[0, 0, 0].tolist() == [infrared, 255, expected[1]]


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_unknown_bands_are_stretched_into_view(channels: int) -> None:
    images = 1000 + 50 * torch.rand(3, channels, 6, 7)
    shown = plots.to_display(images, [f"x{i}" for i in range(channels)])
    assert shown.shape == (3, 6, 7, 3)
    assert shown.min() == 0 and shown.max() == 255
    flat = plots.to_display(torch.ones(1, channels, 4, 4), ["x"] * channels)
    assert (flat == 0).all()


def test_sar_composite() -> None:
    water = torch.tensor([-24.0, -30.0]).view(1, 2, 1, 1)
    town = torch.tensor([0.0, -6.0]).view(1, 2, 1, 1)
    shown = plots.sar_to_display(torch.cat([water, town]))
    assert shown.shape == (2, 1, 1, 3)
    assert shown[0, 0, 0].tolist()[:2] == [0, 0]
    assert shown[1, 0, 0].tolist() == [255, 255, round(255 * 4 / 12)]


def test_panels_give_sizes_and_ranges() -> None:
    shown = {
        "picture": np.zeros((4, 6, 3), np.uint8),
        "map": np.array([[-2.0, 0.5], [1.0, 0.0]]),
        "positive": np.array([[3.0, 7.0]]),
    }
    figure = plots.panels(shown, title="Three", columns=2)
    notes = [axes.get_xlabel() for axes in figure.axes if axes.images]
    assert notes == ["4 x 6", "2 x 2, \N{MINUS SIGN}2 to 1", "1 x 2, 3 to 7"]
    figure.draw_without_rendering()
    assert "Three" in plots.describe(figure)
    assert "picture (4 x 6)" in plots.describe(figure)
    # White stands at 0 although the map reaches further down than up
    (signed,) = figure.axes[1].images
    assert signed.get_clim() == (-2.0, 2.0)
    assert figure.axes[2].images[0].get_clim() == (3.0, 7.0)


def test_panels_write_numbers_into_small_maps_only() -> None:
    shown = {"filter": np.array([[-1.0, 0.0, 1.5]]), "large": np.zeros((9, 9))}
    small, large = plots.panels(shown, title="t", numbers=True).axes
    assert [t.get_text() for t in small.texts] == ["\N{MINUS SIGN}1", "0", "1.5"]
    assert not large.texts


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


def maps(seed=0):
    return np.random.default_rng(seed).integers(0, 3, (2, 8, 9)).astype(np.uint8)


def test_a_row_for_each_tile_and_a_column_for_each_map():
    truth = maps()
    truth[0, :4] = 255
    images = torch.rand(2, 4, 8, 9)
    shown = {"truth": truth, "supervised": maps(1), "FixMatch": maps(2)}
    options = {"images": images, "bands": ("B02", "B03", "B04", "B08")}
    figure = mask_grid(
        shown, GROUND, row_names=("a", "b"), title="Ten tiles", **options
    )
    assert len(figure.axes) == 2 * 4
    shown = figure.axes[1].images[0].get_array()
    assert (np.asarray(shown)[:4] == 3).all()  # white: not known
    assert np.array_equal(np.asarray(shown)[4:], truth[0, 4:])
    assert "Ten tiles: 2 tiles" in figure.alt and "white" in figure.alt
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == [*GROUND, "not known"]


def test_without_images_and_with_classes_that_do_not_occur():
    one = np.zeros((1, 4, 4), dtype=np.uint8)
    figure = mask_grid({"step 100": one, "step 200": one}, GROUND)
    assert len(figure.axes) == 2
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["field"]
    nothing = mask_grid({"now": np.full((1, 4, 4), 255)}, GROUND, nothing="unsure")
    assert [t.get_text() for t in nothing.legends[0].get_texts()] == ["unsure"]


def test_water_is_blue_and_no_colour_comes_twice():
    found = dict(zip(COVERS, cover_colours(COVERS), strict=True))
    assert found["water"] == "#0072b2" and found["trees"] == "#009e73"
    assert len(set(found.values())) == len(COVERS)
    mixed = cover_colours(("a", "water", "b"))
    assert len(set(mixed)) == 3 and mixed[1] == "#0072b2"


def test_a_row_per_class_and_a_column_per_sensor():
    figure = modality_samples(mini_eo(count=120, bands=BANDS), which=1)
    assert len(figure.axes) == 5 * len(CLASSES)
    assert all(axes.images for axes in figure.axes)
    assert all(name in figure.alt for name in CLASSES)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(COVERS)


def test_objects_are_the_pieces_of_a_cover() -> None:
    mask = torch.zeros(1, 12, 12, dtype=torch.uint8)
    mask[0, 1:4, 1:4] = mask[0, 6:10, 5:11] = 1
    mask[0, 11, 0] = 1  # one pixel: the edge of an object, not one
    image = torch.zeros(1, 3, 12, 12, dtype=torch.uint8)
    labels = {"masks": mask, "mask_names": ("grass", "house")}
    made = Dataset(image, torch.tensor([0]), ("Town",), ("a",), **labels)
    figure = plots.task_levels(made, 0, object_cover="house")
    boxes = {
        (*box.get_xy(), box.get_width(), box.get_height())
        for axes in figure.axes
        for box in axes.patches
        if isinstance(box, Rectangle)
    }
    assert boxes == {(0.5, 0.5, 3, 3), (4.5, 5.5, 6, 4)}
    figure.draw_without_rendering()
    assert "2 boxes around house" in plots.describe(figure)
    assert "whole image is Town" in plots.describe(figure)
