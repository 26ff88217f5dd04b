"""Counting pixels: what maps of classes are compared by."""

__all__ = ["IGNORE", "mean_iou", "pixel_confusion"]

import torch
from torch import Tensor

from workshop_lib.errors import WorkshopError

IGNORE = 255  # in a mask: nobody knows the class; counts in no loss and no score


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
        WorkshopError: shapes that differ, or a class that is none of the K.
    """
    if truth.shape != predicted.shape:
        raise WorkshopError(
            f"maps of shape {tuple(truth.shape)} and {tuple(predicted.shape)}: a truth"
            " and a prediction of it have one shape."
        )
    known = truth != IGNORE
    pair = torch.stack([truth[known].long(), predicted[known].long()])  # (2, n)
    if pair.numel() and not 0 <= int(pair.min()) <= int(pair.max()) < num_classes:
        raise WorkshopError(
            f"classes from {int(pair.min())} to {int(pair.max())} in a map of"
            f" {num_classes} classes: give 0 to {num_classes - 1}, or {IGNORE} where"
            " nobody knows."
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
