"""Maps beside each other: errors counted, colours given, nonsense refused."""

import numpy as np
import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.plots.cover_maps import cover_maps

NAMES = ("water", "forest", "field")


def maps():
    truth = np.zeros((10, 20), np.uint8)
    truth[:, 10:] = 1
    truth[0] = 255  # nobody knows: never wrong
    found = np.zeros((10, 20), np.uint8)
    found[1:10, 10:14] = 1  # of 180 known pixels 54 of forest are missed
    return {"truth": truth, "network": found}


def test_errors_are_counted_where_the_truth_is_known():
    figure = cover_maps(maps(), NAMES, title="A lake")
    assert figure.alt == (
        "A lake: a true map of water, forest; beside it network, wrong at 30.0 % of the"
        " pixels."
    )
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["truth", "network", "", "wrong: 30.0 %"]
    errors = figure.axes[3].images[0].get_array()
    assert (errors[0] == 2).all() and (errors[1:] == 1).sum() == 54


def test_every_class_that_occurs_is_in_the_legend():
    figure = cover_maps(maps(), NAMES, picture=np.zeros((10, 20, 3), np.uint8))
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["water", "forest", "wrong", "no data"]
    assert figure.axes[2].get_title() == "the image"


def test_what_cannot_be_compared_is_refused():
    one = {"truth": maps()["truth"]}
    with pytest.raises(WorkshopError, match="at least one prediction"):
        cover_maps(one, NAMES)
    with pytest.raises(WorkshopError, match="the same ground"):
        cover_maps({**one, "network": np.zeros((9, 20), np.uint8)}, NAMES)
    with pytest.raises(WorkshopError, match="2 colours for 3 classes"):
        cover_maps(maps(), NAMES, colours=("red", "blue"))
