"""Checks of unit 01: a filter slid by hand, and the accuracy of guessing."""

__all__ = ["convolve", "majority_accuracy"]

import torch
import torch.nn.functional as F
from torch import Tensor

from workshop_lib.course.checks.attempt import Attempt, exercise
from workshop_lib.course.checks.values import noise


@exercise("convolve(image, kernel)")
def convolve(attempt: Attempt) -> str:
    """Check a 3 x 3 filter slid over an image without padding.

    The learner's `convolve(image, kernel)` takes (H, W) and (3, 3), and gives
    (H - 2, W - 2): at each position the sum of the nine products.
    """
    edges = torch.tensor([[-1.0, 0.0, 1.0]]).repeat(3, 1)
    cases = {
        "a 3 x 3 image: one position only": (noise(3, 3), noise(3, 3, seed=1)),
        "a 5 x 7 image": (noise(5, 7, seed=2), noise(3, 3, seed=3)),
        "a filter that finds vertical edges": (noise(8, 6, seed=4), edges),
    }
    attempt.compare(cases, _slide, _CONVOLVE)
    return f"{len(cases)} images agree with torch.nn.functional.conv2d"


def _slide(image: Tensor, kernel: Tensor, padding: int = 0) -> Tensor:
    return F.conv2d(image[None, None], kernel[None, None], padding=padding)[0, 0]


_CONVOLVE = {
    "flipped": lambda image, kernel: _slide(image, kernel.flip(0, 1)),
    "padded": lambda image, kernel: _slide(image, kernel, padding=1),
    "transposed": lambda image, kernel: _slide(image, kernel.T),
    "last_missing": lambda image, kernel: _slide(image, kernel)[:-1, :-1],
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
    attempt.compare(cases, _majority, _MAJORITY)
    return "a model has to beat this before it has learnt anything"


def _majority(labels: Tensor) -> float:
    return int(labels.bincount().max()) / len(labels)


_MAJORITY = {
    "random_guess": lambda labels: 1 / len(labels.unique()),
    "count_only": lambda labels: int(labels.bincount().max()),
    "class_number": lambda labels: int(labels.bincount().argmax()),
    "per_cent": lambda labels: 100 * _majority(labels),
}
