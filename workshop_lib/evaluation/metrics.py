"""Classification scores, all computed from one confusion matrix."""

__all__ = [
    "Scores",
    "check_finite",
    "check_predictions",
    "mean_of_known",
    "overall_scores",
    "plain",
    "score",
    "scores_from_confusion",
]

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix
from torch import Tensor

from workshop_lib.errors import WorkshopError

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of one model on one set of images.

    All values lie in 0..1, kappa in -1..1. Per-class values have shape (K,). A value
    that is undefined is NaN: the recall of a class without images, the precision of one
    that is never predicted. The macro averages leave NaN out.

    - `accuracy`: fraction of images that are right.
    - `top_k`: fraction whose true class is among the `k` most probable; None if only a
      confusion matrix was known.
    - `kappa`: agreement beyond what chance would give (Cohen 1960).
    - `recall`: of the images of a class, the fraction that was found (also called
      producer's accuracy).
    - `precision`: of the images given to a class, the fraction that belongs to it (also
      called user's accuracy).
    - `f1`: harmonic mean of the two.
    - `iou`: intersection over union, TP / (TP + FP + FN).
    - `macro_recall`, `macro_precision`, `macro_f1`, `mean_iou` (mIoU): means over the
      classes; each class counts the same, rare or common.
    """

    class_names: tuple[str, ...]
    confusion: NDArray[np.int64]  # (K, K), rows are the truth, columns the prediction
    accuracy: float
    kappa: float
    recall: Floats
    precision: Floats
    f1: Floats
    iou: Floats
    top_k: float | None
    k: int
    macro_recall: float
    macro_precision: float
    macro_f1: float
    mean_iou: float

    @property
    def support(self) -> NDArray[np.int64]:
        """Number of images of each class, (K,)."""
        return self.confusion.sum(axis=1)

    def interval(self) -> tuple[float, float]:
        """Compute the 95 % interval of the accuracy over the choice of test images.

        Wilson (1927). It does not cover what another draw of the labels would change,
        which with few labels is more: repeat with other split seeds for that.
        """
        right, total = int(np.trace(self.confusion)), int(self.confusion.sum())
        found = binomtest(right, total).proportion_ci(0.95, method="wilson")
        return float(found.low), float(found.high)


def score(
    probs: Tensor, labels: Tensor, class_names: Sequence[str], k: int = 5
) -> Scores:
    """Compare predicted probabilities with the truth.

    Args:
        probs: (N, K) probabilities, as `predict` returns.
        labels: (N,) true classes, 0..K-1.
        class_names: K names.
        k: how many guesses count for `top_k`, usually 1 or 5; at most K are used.

    Raises:
        WorkshopError: shapes do not fit, a label is out of range, or probabilities
            are NaN.
    """
    K = len(class_names)
    check_predictions(probs, labels, K)
    k = min(k, K)
    probs, labels = probs.cpu(), labels.cpu()
    hits = (probs.topk(k, dim=1).indices == labels[:, None]).any(dim=1)  # (N,)
    matrix = confusion_matrix(
        labels.numpy(), probs.argmax(dim=1).numpy(), labels=np.arange(K)
    )
    top_k = float(hits.double().mean())
    return scores_from_confusion(matrix, class_names, top_k=top_k, k=k)


def scores_from_confusion(
    matrix: ArrayLike,
    class_names: Sequence[str],
    *,
    top_k: float | None = None,
    k: int = 1,
) -> Scores:
    """Compute every score from a (K, K) confusion matrix of counts, rows = truth.

    Works for published matrices too, of pixels as well as of images.

    Raises:
        WorkshopError: the matrix is not (K, K), holds negative numbers, or is empty.
    """
    counts = np.asarray(matrix, dtype=np.int64)
    K = len(class_names)
    if counts.shape != (K, K) or (counts < 0).any() or counts.sum() == 0:
        raise WorkshopError(
            f"a confusion matrix of shape {counts.shape} with {counts.sum()} counts for"
            f" {K} class names: it must be ({K}, {K}), without negative counts, and"
            " hold at least one."
        )
    overall = {name: float(value) for name, value in overall_scores(counts).items()}
    rates: dict[str, Any] = {**class_rates(counts), **overall}
    return Scores(tuple(map(str, class_names)), counts, **rates, top_k=top_k, k=k)


def class_rates(counts: NDArray[np.int64]) -> dict[str, Floats]:
    """Compute recall, precision, F1 and IoU of each class; NaN where undefined.

    Not scikit-learn's: these take many matrices at once, for the bootstrap.

    Shape: (..., K, K), rows = truth -> (..., K) each.
    """
    found = np.diagonal(counts, axis1=-2, axis2=-1)  # (..., K)
    truth, predicted = counts.sum(axis=-1), counts.sum(axis=-2)
    return {
        "recall": _ratio(found, truth),
        "precision": _ratio(found, predicted),
        "f1": _ratio(2 * found, truth + predicted),
        "iou": _ratio(found, truth + predicted - found),
    }


def overall_scores(counts: NDArray[np.int64]) -> dict[str, Floats]:
    """Compute accuracy, kappa and the means over the classes, by their names.

    kappa = (accuracy - chance) / (1 - chance); NaN where chance alone is always right,
    as with one class only.

    Shape: (..., K, K) -> (...) each.
    """
    truth, predicted = (counts.sum(axis=a).astype(np.float64) for a in (-1, -2))
    total = truth.sum(axis=-1)
    accuracy = np.diagonal(counts, axis1=-2, axis2=-1).sum(axis=-1) / total
    chance = (truth * predicted).sum(axis=-1) / total**2
    means = {name: mean_of_known(rates) for name, rates in class_rates(counts).items()}
    macro = {f"macro_{name}": means[name] for name in ("recall", "precision", "f1")}
    kappa = _ratio(accuracy - chance, 1 - chance)
    return {"accuracy": accuracy, "kappa": kappa, **macro, "mean_iou": means["iou"]}


def check_predictions(probs: Tensor, labels: Tensor, num_classes: int) -> None:
    """Refuse predictions that cannot be scored against labels.

    Args:
        probs: (N, K) probabilities.
        labels: (N,) true classes, 0..K-1.
        num_classes: K.

    Raises:
        WorkshopError: shapes do not fit, no images, a label out of range, or NaN.
    """
    K = num_classes
    if probs.ndim != 2 or probs.shape[1] != K or labels.shape != probs.shape[:1]:
        raise WorkshopError(
            f"probabilities of shape {tuple(probs.shape)}, labels of shape"
            f" {tuple(labels.shape)}, {K} classes: expected (N, {K}) and (N,)."
        )
    check_finite(probs)
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= K:
        raise WorkshopError(
            f"labels from {low} to {high} with {K} classes: labels must lie in"
            f" 0..{K - 1}; leave out images without a label."
        )


def check_finite(probs: Tensor) -> None:
    """Refuse predictions of no image, and those of a training that diverged.

    Shape: (N, K).
    """
    if len(probs) == 0:
        raise WorkshopError("no images to score: the test part is empty; split again.")
    bad = int(probs.isnan().any(dim=1).sum())
    if bad:
        raise WorkshopError(
            f"{bad} of {len(probs)} predictions are NaN: the training diverged. Lower"
            " the learning rate, or use precision='fp32'."
        )


def mean_of_known(values: Floats) -> Floats:
    """Average the values that are not NaN; NaN if there is none.

    Shape: (..., K) -> (...).
    """
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0).sum(axis=-1), known.sum(axis=-1))


def plain(value: Any) -> Any:
    """Return a value as JSON holds it: lists for arrays and tuples, None for NaN."""
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _ratio(part: ArrayLike, whole: ArrayLike) -> Floats:
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
