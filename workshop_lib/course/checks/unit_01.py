"""Checks of unit 01: a filter slid by hand, and what guessing is worth."""

__all__ = ["convolve", "majority_accuracy"]

import torch
import torch.nn.functional as F
from torch import Tensor

from workshop_lib.course.checks.inputs import noise
from workshop_lib.course.checks.trial import Mistake, Trial, exercise


@exercise("convolve(image, kernel)")
def convolve(trial: Trial) -> str:
    """Check a 3 x 3 filter slid over an image without padding.

    The learner's `convolve(image, kernel)` takes (H, W) and (3, 3), and gives
    (H - 2, W - 2): at each place the sum of the nine products.
    """
    cases = {
        "a 3 x 3 image: one place only": (noise(3, 3), noise(3, 3, seed=1)),
        "a 5 x 7 image": (noise(5, 7, seed=2), noise(3, 3, seed=3)),
        "a filter that finds upright edges": (
            noise(8, 6, seed=4),
            torch.tensor([[-1.0, 0.0, 1.0]]).repeat(3, 1),
        ),
    }
    trial.compare(cases, _slide, _CONVOLVE, look=_CONVOLVE_LOOK)
    return f"{len(cases)} images agree with torch.nn.functional.conv2d"


def _slide(image: Tensor, kernel: Tensor, padding: int = 0) -> Tensor:
    return F.conv2d(image[None, None], kernel[None, None], padding=padding)[0, 0]


_CONVOLVE_LOOK = (
    "take one place by hand: the result at [0, 0] is (image[0:3, 0:3] * kernel).sum()."
)
_CONVOLVE = (
    Mistake(
        "the filter is turned by 180 degrees. That is the convolution of mathematics;"
        " what a CNN computes lays the filter on as it is, without flipping.",
        lambda image, kernel: _slide(image, kernel.flip(0, 1)),
    ),
    Mistake(
        "the result is as large as the image: the border was padded with zeros. Here"
        " the filter only goes where all nine pixels exist, so two rows and two columns"
        " fewer come out.",
        lambda image, kernel: _slide(image, kernel, padding=1),
    ),
    Mistake(
        "rows and columns of the filter are exchanged: kernel[i, j] belongs to the"
        " pixel i rows down and j columns to the right.",
        lambda image, kernel: _slide(image, kernel.T),
    ),
    Mistake(
        "the last row and the last column are missing: the filter fits at H - 2 places"
        " down, and range(n) already stops before n.",
        lambda image, kernel: _slide(image, kernel)[:-1, :-1],
    ),
    Mistake(
        "the nine products were averaged: a filter sums them.",
        lambda image, kernel: _slide(image, kernel) / 9,
    ),
    Mistake(
        "rows and columns of the result are exchanged: the first index counts rows.",
        lambda image, kernel: _slide(image, kernel).T,
    ),
    Mistake(
        "only the middle of each window was used: multiply all nine pixels with the"
        " nine numbers of the filter, then sum.",
        lambda image, kernel: image[1:-1, 1:-1] * kernel[1, 1],
    ),
)


@exercise("majority_accuracy(labels)")
def majority_accuracy(trial: Trial) -> str:
    """Check the accuracy of whoever always names the most common class.

    The learner's `majority_accuracy(labels)` takes (N,) int64 and gives a share, 0..1.
    """
    cases = {
        "ten classes, equally common": (torch.arange(40) % 10,),
        "three forests of four images": (torch.tensor([2, 0, 2, 2]),),
        "labels among which 0 is rare": (torch.tensor([0, 1, 1, 1, 3, 3, 1, 3]),),
    }
    trial.compare(cases, _majority, _MAJORITY, look=_MAJORITY_LOOK)
    return "a model has to beat this before it has learnt anything"


def _majority(labels: Tensor) -> float:
    return int(labels.bincount().max()) / len(labels)


_MAJORITY_LOOK = "count each class (labels.bincount()), then compare with len(labels)."
_MAJORITY = (
    Mistake(
        "you gave 1 / number of classes: that is guessing at random. Where classes are"
        " not equally common, naming the most common one does better.",
        lambda labels: 1 / len(labels.unique()),
    ),
    Mistake(
        "you gave the number of images of the most common class: divide by the number"
        " of all images.",
        lambda labels: int(labels.bincount().max()),
    ),
    Mistake(
        "you gave the number of the most common class, not how common it is: take max"
        " of the counts where you took argmax.",
        lambda labels: int(labels.bincount().argmax()),
    ),
    Mistake(
        "you gave per cent: here, as everywhere in the library, shares are 0 to 1.",
        lambda labels: 100 * _majority(labels),
    ),
    Mistake(
        "you took the rarest class: the most common one is asked for.",
        lambda labels: int(labels.unique(return_counts=True)[1].min()) / len(labels),
    ),
)
