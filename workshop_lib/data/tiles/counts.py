"""How many pixels each class has, and how much the rare ones should count."""

__all__ = ["class_weights", "count_pixels"]

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workshop_lib.errors import WorkshopError
from workshop_lib.pixels import IGNORE


def count_pixels(
    masks: Iterable[NDArray[Any] | Tensor], num_classes: int
) -> NDArray[np.int64]:
    """Count the pixels of each class, a piece at a time: (K,).

    Args:
        masks: pieces of any shape with class numbers, or `IGNORE`:
            `strips(open_image("labels.tif"))`, or `scenes.masks.split(64)`.
        num_classes: K.

    Raises:
        WorkshopError: a number that is neither a class nor `IGNORE`.
    """
    counts = np.zeros(num_classes, dtype=np.int64)
    for piece in masks:
        values = np.asarray(piece).reshape(-1).astype(np.int64)
        known = values[values != IGNORE]
        if known.size and not 0 <= known.min() <= known.max() < num_classes:
            raise WorkshopError(
                f"pixels labelled {known.min()} to {known.max()} with {num_classes}"
                f" classes: labels are 0 to {num_classes - 1}, or {IGNORE} where nobody"
                " knows."
            )
        counts += np.bincount(known, minlength=num_classes)
    return counts


def class_weights(counts: NDArray[np.int64], power: float = 0.5) -> Tensor:
    """Weigh classes for a loss: the rarer, the more; (K,) float32.

    In proportion to `count ** -power`, and such that the mean weight of all pixels is
    1: the size of the loss, and with it the learning rate, stays what it was. A class
    without pixels gets 0.

    Args:
        counts: (K,) pixels of each class in the training part only.
        power: 0 weighs all pixels alike, 1 all classes; 0.5 lies between: with 1 a few
            mislabelled pixels of a rare class would rule the training.

    Raises:
        WorkshopError: no pixels at all, or a power outside 0 to 1.
    """
    if counts.sum() == 0 or not 0 <= power <= 1:
        raise WorkshopError(
            f"weights from {counts.sum()} pixels with power={power}: give at least one"
            " labelled pixel, and a power from 0 to 1."
        )
    weights = np.zeros(len(counts))
    seen = counts > 0
    weights[seen] = (counts.sum() / counts[seen]) ** power
    weights *= counts.sum() / (weights * counts).sum()
    return torch.from_numpy(weights).float()
