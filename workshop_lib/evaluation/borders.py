"""Errors of maps beside the borders of classes, and inside them.

A wrong border is half a pixel of mixed ground; a wrong inside is a field taken for
another: which of the two prevails tells what to work at.
"""

__all__ = ["BORDER_ERRORS", "border_accuracy", "border_errors", "boundary_mask"]

import torch
from torch import Tensor
from torch.nn import functional as F

from workshop_lib.pixels import IGNORE

BORDER_ERRORS = ("right", "wrong beside a border", "wrong inside")
_TILES = 256  # at a time


def boundary_mask(masks: Tensor) -> Tensor:
    """Return which pixels have a neighbour (of eight) of another known class.

    Shape: (n, H, W) -> (n, H, W) bool.
    """
    values = masks[:, None].float()
    known = masks[:, None] != IGNORE
    # The largest and smallest class within one pixel; unknown ones do not count
    high = F.max_pool2d(values.masked_fill(~known, -1), 3, 1, 1)
    low = -F.max_pool2d((-values).masked_fill(~known, -IGNORE), 3, 1, 1)
    return ((high > low) & known)[:, 0]


def border_errors(truth: Tensor, predicted: Tensor) -> Tensor:
    """Sort pixels into `BORDER_ERRORS`: 0, 1, 2; `IGNORE` where unknown.

    Shape: (n, H, W) twice -> (n, H, W) uint8.
    """
    wrong = truth != predicted
    kinds = torch.where(boundary_mask(truth), 1, 2) * wrong
    return kinds.masked_fill(truth == IGNORE, IGNORE).to(torch.uint8)


def border_accuracy(truth: Tensor, predicted: Tensor) -> tuple[float, float]:
    """Return the accuracy of pixels beside borders, and of all others.

    Shape: (n, H, W) twice; NaN where there is no such pixel.
    """
    sums = torch.zeros(2, 2, dtype=torch.float64)  # beside, inside: right, all
    for y, found in zip(truth.split(_TILES), predicted.split(_TILES), strict=True):
        errors, known = border_errors(y, found), y != IGNORE
        beside = boundary_mask(y) & known
        for row, where in enumerate((beside, known & ~beside)):
            sums[row] += torch.stack([(errors[where] == 0).sum(), where.sum()])
    beside_borders, inside = (sums[:, 0] / sums[:, 1]).tolist()
    return beside_borders, inside
