"""Unit 08's slider: pixels used and right are counted, and white is what is not."""

import html
import re

import numpy as np
import pytest
import torch

from workshop_lib.course import widgets
from workshop_lib.course.widgets import pseudo_map
from workshop_lib.errors import WorkshopError
from workshop_lib.plots import AccessibleFigure, describe
from workshop_lib.training.pseudo_maps import PseudoMaps

NAMES = ("field", "water")


@pytest.fixture
def masks() -> torch.Tensor:
    masks = torch.zeros(6, 8, 8, dtype=torch.uint8)
    masks[:, :, 4:] = 1
    masks[:, 0] = 255  # a row that nobody knows: 56 pixels are left
    return masks


@pytest.fixture
def maps() -> PseudoMaps:
    """Half of the pixels are sure at 90 %, the rest at 40; all are called field."""
    found = PseudoMaps(torch.tensor([2, 4]))
    probs = torch.full((2, 2, 8, 8), 0.4)
    probs[:, 0] = 0.6
    found.add(10, probs)
    probs[:, 0, :4], probs[:, 0, 4:] = 0.9, 0.6
    probs[:, 1] = 1 - probs[:, 0]
    found.add(20, probs)
    return found


def test_pixels_are_counted_as_the_loss_counts_them(maps, masks):
    picture = widgets.pseudo_map_picture(maps, masks, NAMES, 0.7)
    # Of 7 known rows 3 are sure, and the left half of each is right
    words = "Threshold 0.70: 43 % of the pixels used, 50 % of these right"
    assert describe(picture).startswith(words) and "step 20" in describe(picture)
    shown = picture.axes[2].images[0].get_array()  # truth of both tiles, then these
    assert (np.asarray(shown)[4:] == len(NAMES)).all()  # white
    assert (np.asarray(shown)[:4] == 0).all()


def test_nothing_is_sure(maps, masks):
    words = describe(widgets.pseudo_map_picture(maps, masks, NAMES, 0.95))
    assert words.startswith("Threshold 0.95: no pixel used.")


def test_without_a_kernel_it_is_a_picture(maps, masks):
    found = widgets.pseudo_map_slider(maps, masks, NAMES, 0.6)
    assert isinstance(found, AccessibleFigure)
    assert "100 % of the pixels used" in describe(found)


def test_the_slider_redraws(maps, masks, monkeypatch):
    pytest.importorskip("ipywidgets", reason="needs ipywidgets")
    monkeypatch.setattr(pseudo_map, "is_live", lambda: True)
    slider, picture = widgets.pseudo_map_slider(maps, masks, NAMES).children
    slider.value = 0.7
    found = re.search(r'alt="([^"]+)"', picture.value)[1]
    assert "Threshold 0.70: 43 % of the pixels" in html.unescape(found)


def test_what_cannot_be_drawn(maps, masks):
    with pytest.raises(WorkshopError, match="finished run"):
        widgets.pseudo_map_picture(PseudoMaps(torch.tensor([0])), masks, NAMES, 0.5)
    with pytest.raises(WorkshopError, match="masks of the scenes"):
        widgets.pseudo_map_picture(maps, masks[:3], NAMES, 0.5)
