"""Land-cover maps: what they draw, count, say and refuse."""

import numpy as np
import torch
from matplotlib.patches import Rectangle

from workshop_lib import plots
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.mini_eo import BANDS, CLASSES, COVERS, mini_eo
from workshop_lib.plots import mask_grid, modality_samples
from workshop_lib.plots.maps import cover_colours

NAMES = ("field", "water", "road")


def maps(seed=0):
    return np.random.default_rng(seed).integers(0, 3, (2, 8, 9)).astype(np.uint8)


def test_a_row_for_each_tile_and_a_column_for_each_map():
    truth = maps()
    truth[0, :4] = 255
    images = torch.rand(2, 4, 8, 9)
    shown = {"truth": truth, "supervised": maps(1), "FixMatch": maps(2)}
    options = {"images": images, "bands": ("B02", "B03", "B04", "B08")}
    figure = mask_grid(shown, NAMES, row_names=("a", "b"), title="Ten tiles", **options)
    assert len(figure.axes) == 2 * 4
    shown = figure.axes[1].images[0].get_array()
    assert (np.asarray(shown)[:4] == 3).all()  # white: not known
    assert np.array_equal(np.asarray(shown)[4:], truth[0, 4:])
    assert "Ten tiles: 2 tiles" in figure.alt and "white" in figure.alt
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == [*NAMES, "not known"]


def test_without_images_and_with_classes_that_do_not_occur():
    one = np.zeros((1, 4, 4), dtype=np.uint8)
    figure = mask_grid({"step 100": one, "step 200": one}, NAMES)
    assert len(figure.axes) == 2
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["field"]
    nothing = mask_grid({"now": np.full((1, 4, 4), 255)}, NAMES, nothing="unsure")
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
