"""Land-cover maps: what they draw, count, say and refuse."""

import numpy as np
import torch
from matplotlib.patches import Rectangle

from workshop_lib import plots
from workshop_lib.data.mini_eo import COVERS
from workshop_lib.data.scenes import Scenes
from workshop_lib.plots import cover_colours, cover_maps, mask_grid

NAMES = ("field", "water", "road")


def maps(seed=0):
    return np.random.default_rng(seed).integers(0, 3, (2, 8, 9)).astype(np.uint8)


def test_a_row_for_each_tile_and_a_column_for_each_map():
    truth = maps()
    truth[0, :4] = 255
    images = torch.rand(2, 4, 8, 9)
    figure = mask_grid(
        {"truth": truth, "supervised": maps(1), "FixMatch": maps(2)},
        NAMES,
        images=images,
        bands=("B02", "B03", "B04", "B08"),
        row_names=("a", "b"),
        title="Ten tiles",
    )
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


def compared():
    truth = np.zeros((10, 20), np.uint8)
    truth[:, 10:] = 1
    truth[0] = 255  # unlabelled: never wrong
    found = np.zeros((10, 20), np.uint8)
    found[1:10, 10:14] = 1  # of 180 known pixels 54 of water are missed
    return {"truth": truth, "network": found}


def test_errors_are_counted_where_the_truth_is_known():
    figure = cover_maps(compared(), NAMES, title="A lake")
    assert figure.alt == (
        "A lake: a true map of field, water; beside it network, wrong at 30.0 % of the"
        " pixels."
    )
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["truth", "network", "", "wrong: 30.0 %"]
    errors = np.asarray(figure.axes[3].images[0].get_array())
    right, wrong, unknown = 3, 4, 5
    assert (errors[0] == unknown).all() and set(errors[1:].flat) == {right, wrong}
    assert (errors == wrong).sum() == 54


def test_every_class_that_occurs_is_in_the_legend():
    figure = cover_maps(compared(), NAMES, picture=np.zeros((10, 20, 3), np.uint8))
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["field", "water", "right", "wrong", "no data"]
    assert figure.axes[2].get_title() == "the image"


def test_objects_are_the_pieces_of_a_cover() -> None:
    mask = torch.zeros(1, 12, 12, dtype=torch.uint8)
    mask[0, 1:4, 1:4] = mask[0, 6:10, 5:11] = 1
    mask[0, 11, 0] = 1  # one pixel: the edge of an object, not one
    made = Scenes(
        images=torch.zeros(1, 3, 12, 12, dtype=torch.uint8),
        labels=torch.tensor([0]),
        class_names=("Town",),
        names=("a",),
        masks=mask,
    )
    figure = plots.task_levels(made, 0, ("grass", "house"), object_cover="house")
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
