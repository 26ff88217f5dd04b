"""Counts of pixels: how many each class has, and how two maps of classes compare."""

__all__ = ["IGNORE", "count_pixels", "mean_iou", "pixel_confusion"]

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workshop_lib.errors import WorkshopError

IGNORE = 255  # in a mask: class unknown; counts in no loss and no score


def count_pixels(
    masks: Iterable[NDArray[Any] | Tensor], num_classes: int
) -> NDArray[np.int64]:
    """Count the pixels of each class, a piece at a time: (K,).

    Args:
        masks: pieces of any shape with class numbers, or `IGNORE`:
            `row_blocks(open_image("labels.tif"))`, or `scenes.masks.split(64)`.
        num_classes: K.

    Raises:
        WorkshopError: a number that is neither a class nor `IGNORE`.
    """
    counts = np.zeros(num_classes, dtype=np.int64)
    for piece in masks:
        values = torch.from_numpy(np.asarray(piece).astype(np.int64))
        counts += pixel_confusion(values, values, num_classes).diag().numpy()
    return counts


def pixel_confusion(truth: Tensor, predicted: Tensor, num_classes: int) -> Tensor:
    """Count how often each class was taken for which: a confusion matrix of pixels.

    Matrices of parts add up, so a large map is counted piece by piece.

    Args:
        truth: whole numbers 0 to K-1, or `IGNORE`, which is left out.
        predicted: 0 to K-1, of the same shape.
        num_classes: K.

    Returns:
        (K, K) int64 on the same device; rows are the truth, columns the prediction.

    Raises:
        WorkshopError: a class that is none of the K.
    """
    known = truth != IGNORE
    pair = torch.stack([truth[known].long(), predicted[known].long()])  # (2, n)
    if pair.numel() and not 0 <= int(pair.min()) <= int(pair.max()) < num_classes:
        raise WorkshopError(
            f"classes from {int(pair.min())} to {int(pair.max())} in a map of"
            f" {num_classes} classes: give 0 to {num_classes - 1}, or {IGNORE} for"
            " unknown."
        )
    cells = torch.bincount(pair[0] * num_classes + pair[1], minlength=num_classes**2)
    return cells.view(num_classes, num_classes)


def mean_iou(confusion: Tensor) -> float:
    """Average the classes' intersection over union, TP / (TP + FP + FN).

    Classes that are neither there nor predicted are left out; NaN if all are.

    Shape: (K, K) counts.
    """
    counts = confusion.double()
    right = counts.diag()
    union = counts.sum(0) + counts.sum(1) - right
    return float((right / union)[union > 0].mean())
