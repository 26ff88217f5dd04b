"""Predictions beside their images: the numbers drawn, right and wrong told apart."""

import numpy as np
import torch

from workshop_lib import plots
from workshop_lib.plots import (
    ClassProbabilities,
    class_probabilities,
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


def test_bars_are_the_probabilities_and_the_likeliest_is_marked():
    rows = [
        ClassProbabilities("sure", [0.05, 0.9, 0.03, 0.02], PICTURE, note="it counts"),
        ClassProbabilities("unsure", [0.3, 0.2, 0.4, 0.1], PICTURE),
    ]
    figure = class_probabilities(rows, NAMES, title="Two", threshold=0.8)
    assert len(figure.axes) == 4  # a picture and bars, twice
    assert figure.axes[0].get_images()[0].get_array().shape == (8, 8, 3)
    sure, unsure = figure.axes[1], figure.axes[3]
    assert bars_of(sure) == [0.05, 0.9, 0.03, 0.02]
    assert [bar.get_hatch() for bar in sure.patches] == [None, "//", None, None]
    assert not any(bar.get_hatch() for bar in unsure.patches)  # below the threshold
    faces = [bar.get_facecolor() for bar in unsure.patches]
    assert faces[2] not in (faces[0], faces[1], faces[3])
    assert sure.lines[0].get_xdata()[0] == 0.8
    assert sure.get_xlabel() == "it counts"
    said = describe(figure)
    assert "sure: Lake 0.90. it counts." in said and "unsure: River 0.40." in said
    assert "Dotted line: the threshold, 0.80." in said


def test_only_the_classes_that_matter_are_shown_and_the_target_always():
    rows = [ClassProbabilities("strong", [0.5, 0.3, 0.2, 0.0], target=3)]
    figure = class_probabilities(rows, NAMES, title="One", most=2)
    (axes,) = figure.axes
    shown = [label.get_text() for label in axes.get_yticklabels()]
    assert shown == ["Forest", "Road"]
    assert bars_of(axes) == [0.5, 0.0, 1]  # the last is the frame around the target
    assert not axes.patches[-1].get_fill()
    assert "to become Road, which has 0.00" in describe(figure)
    assert "The 2 classes with the lowest bars are left out" in describe(figure)
