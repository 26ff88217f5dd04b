"""Predictions beside their images: the numbers drawn, right and wrong told apart."""

import numpy as np
import torch

from workshop_lib import plots
from workshop_lib.plots import (
    describe,
    neighbours,
)

RGB = ("red", "green", "blue")
NAMES = ("Forest", "Lake", "River", "Road")
PICTURE = np.zeros((8, 8, 3), np.uint8)
IMAGES = torch.zeros(5, 3, 8, 8, dtype=torch.uint8)
LABELS = torch.tensor([0, 2, 1, 0, 0])
PROBS = torch.tensor([[0.9, 0.1, 0, 0]] * 5)


def test_gallery_tells_right_from_wrong() -> None:
    figure = plots.gallery(IMAGES, RGB, LABELS, PROBS, NAMES, columns=3)
    captions = [axes.get_xlabel() for axes in figure.axes[:5]]
    assert captions[0] == "\N{CHECK MARK} Forest\n90 %"
    assert captions[1] == "\N{BALLOT X} Forest\n90 %\ntrue: River"
    assert not figure.axes[5].images and not figure.axes[5].axison


def test_neighbours_are_marked_right_or_wrong_in_colour_and_sign():
    images = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    labels, classes = np.array([0, 0, 1, 1]), ("Forest", "River")
    given = (np.array([0, 3]), np.array([[1, 2], [2, 0]]), np.full((2, 2), 0.875))
    figure = neighbours(images, ("red", "green", "blue"), labels, classes, *given)
    texts = [axes.get_xlabel() for axes in figure.axes]
    assert texts[0] == "Forest\nasked"
    assert texts[1] == "\N{CHECK MARK} Forest\n0.88"
    assert texts[2] == "\N{BALLOT X} River\n0.88"
    np.testing.assert_array_equal(
        figure.axes[1].images[0].get_array(), images[1].permute(1, 2, 0).numpy()
    )
    assert "Forest: 1 of 2; River: 1 of 2" in describe(figure)


def bars_of(axes: object) -> list[float]:
    return [bar.get_width() for bar in axes.patches]
