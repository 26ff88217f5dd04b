"""Checks of unit 01: a filter slid by hand, and the accuracy of guessing."""

__all__ = ["convolve", "majority_accuracy"]

import torch
import torch.nn.functional as F
from torch import Tensor

from workshop_lib.course.checks.attempt import Attempt, exercise
from workshop_lib.course.checks.inputs import noise


@exercise("convolve(image, kernel)")
def convolve(attempt: Attempt) -> str:
    """Check a 3 x 3 filter slid over an image without padding.

    The learner's `convolve(image, kernel)` takes (H, W) and (3, 3), and gives
    (H - 2, W - 2): at each position the sum of the nine products.
    """
    cases = {
        "a 3 x 3 image: one position only": (noise(3, 3), noise(3, 3, seed=1)),
        "a 5 x 7 image": (noise(5, 7, seed=2), noise(3, 3, seed=3)),
        "a filter that finds vertical edges": (
            noise(8, 6, seed=4),
            torch.tensor([[-1.0, 0.0, 1.0]]).repeat(3, 1),
        ),
    }
    attempt.compare(cases, _slide, _CONVOLVE, look=_CONVOLVE_LOOK)
    return f"{len(cases)} images agree with torch.nn.functional.conv2d"


def _slide(image: Tensor, kernel: Tensor, padding: int = 0) -> Tensor:
    return F.conv2d(image[None, None], kernel[None, None], padding=padding)[0, 0]


_CONVOLVE_LOOK = (
    "compute one position by hand: the result at [0, 0] is"
    " (image[0:3, 0:3] * kernel).sum(). The window at [i, j] begins at row i, column j."
)
_CONVOLVE = {
    "the filter is turned by 180 degrees. That is the convolution of mathematics; a CNN"
    " applies the filter as it is, without flipping.": (
        lambda image, kernel: _slide(image, kernel.flip(0, 1))
    ),
    "the result is as large as the image: the border was padded with zeros. Here the"
    " filter only goes where all nine pixels exist, so two rows and two columns fewer"
    " come out.": lambda image, kernel: _slide(image, kernel, padding=1),
    "rows and columns of the filter are exchanged: kernel[i, j] belongs to the pixel i"
    " rows down and j columns to the right.": (
        lambda image, kernel: _slide(image, kernel.T)
    ),
    "the last row and the last column are missing: the filter fits at H - 2 positions"
    " down, and range(n) already stops before n.": (
        lambda image, kernel: _slide(image, kernel)[:-1, :-1]
    ),
    "the nine products were averaged: a filter sums them.": (
        lambda image, kernel: _slide(image, kernel) / 9
    ),
}


@exercise("majority_accuracy(labels)")
def majority_accuracy(attempt: Attempt) -> str:
    """Check the accuracy of always naming the most common class.

    The learner's `majority_accuracy(labels)` takes (N,) int64 and gives 0..1.
    """
    cases = {
        "ten classes, equally common": (torch.arange(40) % 10,),
        "four images, three of them forest": (torch.tensor([2, 0, 2, 2]),),
        "labels among which 0 is rare": (torch.tensor([0, 1, 1, 1, 3, 3, 1, 3]),),
    }
    attempt.compare(cases, _majority, _MAJORITY, look=_MAJORITY_LOOK)
    return "a model has to beat this before it has learnt anything"


def _majority(labels: Tensor) -> float:
    return int(labels.bincount().max()) / len(labels)


_MAJORITY_LOOK = "count each class (labels.bincount()), then compare with len(labels)."
_MAJORITY = {
    "you gave 1 / number of classes: that is guessing at random. Where classes are not"
    " equally common, naming the most common one does better.": (
        lambda labels: 1 / len(labels.unique())
    ),
    "you gave the number of images of the most common class: divide by the number of"
    " all images.": lambda labels: int(labels.bincount().max()),
    "you gave the number of the most common class, not how common it is: take the max"
    " of the counts, not their argmax.": lambda labels: int(labels.bincount().argmax()),
    "you gave a value for each class: the largest one is wanted.": (
        lambda labels: labels.bincount() / len(labels)
    ),
    "you gave per cent: here, as everywhere in the library, fractions are 0 to 1.": (
        lambda labels: 100 * _majority(labels)
    ),
}
