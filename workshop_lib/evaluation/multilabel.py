"""Scores for images with several labels each, or none."""

__all__ = ["MultilabelScores", "score_multilabel"]

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    hamming_loss,
    precision_recall_fscore_support,
)
from torch import Tensor

from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.metrics import mean_of_known, plain

Floats = NDArray[np.float64]


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

    @property
    def macro_f1(self) -> float:
        """Mean of the classes' F1; each class counts the same, rare or common."""
        return float(mean_of_known(self.f1))

    @property
    def mean_average_precision(self) -> float:
        """Mean of the classes' average precision (mAP)."""
        return float(mean_of_known(self.average_precision))

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and lists for JSON, None for NaN."""
        per_class = {
            name: [plain(v) for v in getattr(self, name)]
            for name in ("recall", "precision", "f1", "average_precision")
        }
        return {
            "class_names": list(self.class_names),
            "support": self.support.tolist(),
            "mean_average_precision": plain(self.mean_average_precision),
            "micro_average_precision": plain(self.micro_average_precision),
            "macro_f1": plain(self.macro_f1),
            "micro_f1": plain(self.micro_f1),
            "exact_match": self.exact_match,
            "hamming_loss": self.hamming_loss,
            **per_class,
        }


def score_multilabel(
    probs: Tensor,
    labels: Tensor,
    class_names: Sequence[str],
    threshold: float = 0.5,
) -> MultilabelScores:
    """Score the probabilities of each class against the labels.

    Args:
        probs: (N, K) each 0 to 1: the sigmoid of the logits. Logits are refused: a
            threshold of 0.5 on them is a common mistake. With float64
            (`logits.double().sigmoid()`) nearly certain values stay distinct.
        labels: (N, K) 1 where the image has the class, else 0.
        class_names: K names, at least two.
        threshold: a class is predicted where its probability is at least this.

    Raises:
        WorkshopError: shapes do not fit, no images, values outside 0 to 1, NaN.
    """
    names = tuple(str(name) for name in class_names)
    _check(probs, labels, len(names), threshold)
    p, y = probs.double().cpu().numpy(), labels.cpu().numpy().astype(np.int64)
    predicted = (p >= threshold).astype(np.int64)
    precision, recall, f1, support = precision_recall_fscore_support(
        y, predicted, average=None, zero_division=np.nan
    )
    micro = precision_recall_fscore_support(
        y, predicted, average="micro", zero_division=np.nan
    )
    ranked = [
        # scikit-learn returns 0 for a class without images: it is undefined
        average_precision_score(y[:, k], p[:, k]) if support[k] else math.nan
        for k in range(len(names))
    ]
    return MultilabelScores(
        names,
        np.asarray(support, dtype=np.int64),
        recall,
        precision,
        f1,
        np.array(ranked, dtype=np.float64),
        micro_f1=float(micro[2]),
        micro_average_precision=(
            float(average_precision_score(y.ravel(), p.ravel()))
            if y.any()
            else math.nan
        ),
        exact_match=float(accuracy_score(y, predicted)),
        hamming_loss=float(hamming_loss(y, predicted)),
    )


def _check(probs: Tensor, labels: Tensor, K: int, threshold: float) -> None:
    if probs.ndim != 2 or probs.shape != labels.shape or probs.shape[1] != K:
        raise WorkshopError(
            f"probabilities of shape {tuple(probs.shape)}, labels of shape"
            f" {tuple(labels.shape)}, {K} classes: expected (N, {K}) both."
        )
    if K < 2:
        raise WorkshopError(
            "one class alone is a yes-or-no question: give it two classes and use"
            " `score`."
        )
    if len(probs) == 0:
        raise WorkshopError("no images to score: the test part is empty; split again.")
    if not 0 < threshold < 1:
        raise WorkshopError(f"threshold={threshold}: give a probability, usually 0.5.")
    if not bool(((labels == 0) | (labels == 1)).all()):
        raise WorkshopError(
            "labels other than 0 and 1: give 1 for each class that an image has."
        )
    bad = int(probs.isnan().any(dim=1).sum())
    if bad:
        raise WorkshopError(
            f"{bad} of {len(probs)} predictions are NaN: the training diverged. Lower"
            " the learning rate, or use precision='fp32'."
        )
    low, high = float(probs.min()), float(probs.max())
    if low < 0 or high > 1:
        raise WorkshopError(
            f"values from {low:.2f} to {high:.2f} are no probabilities: give"
            " logits.sigmoid()."
        )
