"""The grid of maps: what it draws, says and refuses."""

import numpy as np
import pytest
import torch

from workshop_lib.data.mini_eo import COVERS
from workshop_lib.errors import WorkshopError
from workshop_lib.plots import cover_colours, mask_grid

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


def test_maps_that_do_not_fit_are_refused_in_words():
    with pytest.raises(WorkshopError, match="give at least one"):
        mask_grid({}, NAMES)
    with pytest.raises(WorkshopError, match="of the same tiles"):
        mask_grid({"a": maps(), "b": maps()[:1]}, NAMES)
    with pytest.raises(WorkshopError, match="classes up to 2, 2 class names"):
        mask_grid({"a": maps()}, NAMES[:2])
    with pytest.raises(WorkshopError, match="1 colours"):
        mask_grid({"a": maps()}, NAMES, colours=["red"])


def test_water_is_blue_and_no_colour_comes_twice():
    found = dict(zip(COVERS, cover_colours(COVERS), strict=True))
    assert found["water"] == "#0072b2" and found["trees"] == "#009e73"
    assert len(set(found.values())) == len(COVERS)
    mixed = cover_colours(("a", "water", "b"))
    assert len(set(mixed)) == 3 and mixed[1] == "#0072b2"
    with pytest.raises(WorkshopError, match="10 colours"):
        many = tuple(f"class {k}" for k in range(11))
        mask_grid({"a": maps()}, many)
