"""Scores of every kind of head: also of several labels, a number, borders in maps."""

__all__ = [
    "BORDER_ERRORS",
    "AnyScores",
    "MultilabelScores",
    "border_accuracy",
    "border_errors",
    "score_head",
    "score_multilabel",
]

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import metrics
from torch import Tensor
from torch.nn import functional as F

from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.metrics import (
    Scores,
    check_finite,
    mean_of_known,
    score,
    scores_from_confusion,
)
from workshop_lib.pixels import IGNORE, pixel_confusion

Floats = NDArray[np.float64]

# A wrong border is half a pixel of mixed ground; a wrong inside is a field taken for
# another: which of the two prevails shows what to work at.
BORDER_ERRORS = ("right", "wrong beside a border", "wrong inside")
_TILES = 256  # at a time


@dataclass(frozen=True, eq=False)
class MultilabelScores:
    """Scores of one model on one set of images with several labels each.

    All values lie in 0..1. Per-class values have shape (K,) and are NaN where they are
    undefined: the recall and the average precision of a class without images, the
    precision of one that is never predicted. The macro averages leave NaN out.

    - `recall`, `precision`, `f1`: each class by itself, as a yes-or-no question.
    - `average_precision`: area under precision against recall over all thresholds; 1 if
      all images with the class are ranked before all without it.
    - `micro_f1`: over all N * K answers together; common classes count more.
    - `micro_average_precision`: the same for the average precision.
    - `exact_match`: fraction of images with every label right.
    - `hamming_loss`: fraction of the N * K answers that are wrong.
    - `macro_f1`, `mean_average_precision` (mAP): means over the classes; each class
      counts the same, rare or common.
    """

    class_names: tuple[str, ...]
    support: NDArray[np.int64]  # (K,) images with the class
    recall: Floats
    precision: Floats
    f1: Floats
    average_precision: Floats
    micro_f1: float
    micro_average_precision: float
    exact_match: float
    hamming_loss: float
    macro_f1: float
    mean_average_precision: float


def score_multilabel(
    probs: Tensor, labels: Tensor, class_names: Sequence[str]
) -> MultilabelScores:
    """Score the probabilities of each class against the labels.

    Args:
        probs: (N, K) each 0 to 1: the sigmoid of the logits. Logits are refused: a
            threshold of 0.5 on them is a common mistake. With float64
            (`logits.double().sigmoid()`) nearly certain values stay distinct.
        labels: (N, K) 1 where the image has the class, else 0.
        class_names: K names, at least two. A class is predicted where its probability
            is at least 0.5.

    Raises:
        WorkshopError: shapes do not fit, no images, values outside 0 to 1, NaN.
    """
    names, K = tuple(str(name) for name in class_names), len(class_names)
    if probs.shape != labels.shape or probs.shape != (len(probs), K) or K < 2:
        raise WorkshopError(
            f"probabilities of shape {tuple(probs.shape)}, labels of shape"
            f" {tuple(labels.shape)}, {K} classes: expected (N, {K}) both, of two"
            " classes or more (one alone is a yes-or-no question for `score`)."
        )
    check_finite(probs)
    low, high = float(probs.min()), float(probs.max())
    if low < 0 or high > 1:
        raise WorkshopError(
            f"values from {low:.2f} to {high:.2f} are no probabilities: give"
            " logits.sigmoid()."
        )
    if not ((labels == 0) | (labels == 1)).all():
        raise WorkshopError("a label is neither 0 nor 1: give multi-hot labels (N, K).")
    p, y = probs.double().cpu().numpy(), labels.cpu().numpy().astype(np.int64)
    predicted = (p >= 0.5).astype(np.int64)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        y, predicted, average=None, zero_division=np.nan
    )
    micro_f1 = metrics.f1_score(y, predicted, average="micro", zero_division=np.nan)
    each = np.array([_average_precision(y[:, k], p[:, k]) for k in range(K)])  # (K,)
    return MultilabelScores(
        names,
        np.asarray(support, dtype=np.int64),
        recall,
        precision,
        f1,
        each,
        micro_f1=float(micro_f1),
        micro_average_precision=_average_precision(y.ravel(), p.ravel()),
        exact_match=float(metrics.accuracy_score(y, predicted)),
        hamming_loss=float(metrics.hamming_loss(y, predicted)),
        macro_f1=float(mean_of_known(f1)),
        mean_average_precision=float(mean_of_known(each)),
    )


def _average_precision(y: NDArray[np.int64], p: Floats) -> float:
    """Compute scikit-learn's; NaN, not 0, where no image has the class."""
    return float(metrics.average_precision_score(y, p)) if y.any() else math.nan


@dataclass(frozen=True)
class RegressionScores:
    """What one model reached on the images whose number is known.

    `mae` and `rmse` are in the unit of the number; `r2` is 1 for a perfect prediction,
    0 for always predicting the mean, and negative below that.
    """

    images: int
    mae: float
    rmse: float
    r2: float


def score_regression(predicted: Tensor, truth: Tensor) -> RegressionScores:
    """Compare predicted numbers with known ones.

    Args:
        predicted: (N,) numbers.
        truth: (N,) numbers, NaN where unknown; those are left out.

    Raises:
        WorkshopError: fewer than two known numbers.

    >>> score_regression(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0])).mae
    0.5
    """
    known = ~truth.isnan()
    if int(known.sum()) < 2:
        raise WorkshopError(f"{int(known.sum())} known numbers: give at least two.")
    y, p = truth[known].double().numpy(), predicted[known].double().numpy()
    return RegressionScores(
        images=len(y),
        mae=float(metrics.mean_absolute_error(y, p)),
        rmse=math.sqrt(metrics.mean_squared_error(y, p)),
        r2=float(metrics.r2_score(y, p)),
    )


AnyScores = Scores | MultilabelScores | RegressionScores


def score_head(about: Mapping[str, Any], predicted: Tensor, truth: Tensor) -> AnyScores:
    """Score a head's predictions; images and pixels of no known class do not count.

    Args:
        about: kind and classes of the head, as `Inputs.facts` gives them.
        predicted: as `predict_heads` gives them.
        truth: the targets.
    """
    names = tuple(about["classes"])
    match about["kind"]:
        case "categorical":
            known = truth >= 0
            return score(predicted[known], truth[known], names)
        case "dense":
            counts = pixel_confusion(truth, predicted, len(names))
            return scores_from_confusion(counts.numpy(), names)
        case "multilabel":
            known = ~truth.isnan().any(dim=1)
            return score_multilabel(predicted[known], truth[known], names)
        case _:
            return score_regression(predicted, truth)


def border_errors(truth: Tensor, predicted: Tensor) -> Tensor:
    """Sort pixels into `BORDER_ERRORS`: 0, 1, 2; `IGNORE` where unknown.

    Shape: (n, H, W) twice -> (n, H, W) uint8.
    """
    wrong = truth != predicted
    kinds = torch.where(_boundary_mask(truth), 1, 2) * wrong
    return kinds.masked_fill(truth == IGNORE, IGNORE).to(torch.uint8)


def border_accuracy(truth: Tensor, predicted: Tensor) -> tuple[float, float]:
    """Return the accuracy of pixels beside borders, and of all others.

    Shape: (n, H, W) twice; NaN where there is no such pixel.
    """
    counts = torch.zeros(2, 2, dtype=torch.float64)  # beside, inside: wrong, right
    for y, found in zip(truth.split(_TILES), predicted.split(_TILES), strict=True):
        place = (~_boundary_mask(y)).long().masked_fill(y == IGNORE, IGNORE)
        counts += pixel_confusion(place, (y == found).long(), 2)
    beside, inside = (counts[:, 1] / counts.sum(dim=1)).tolist()
    return beside, inside


def _boundary_mask(masks: Tensor) -> Tensor:
    """Return which pixels have a neighbour (of eight) of another known class.

    Shape: (n, H, W) -> (n, H, W) bool.
    """
    values = masks[:, None].float()
    known = masks[:, None] != IGNORE
    # The largest and smallest class within one pixel; unknown ones do not count
    high = F.max_pool2d(values.masked_fill(~known, -1), 3, 1, 1)
    low = -F.max_pool2d((-values).masked_fill(~known, -IGNORE), 3, 1, 1)
    return ((high > low) & known)[:, 0]
