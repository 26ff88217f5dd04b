"""Reliability bins, expected calibration error, and temperature scaling."""

__all__ = [
    "Calibration",
    "Reliability",
    "calibrate",
    "reliability",
    "apply_temperature",
]

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from torch import Tensor

from workshop_lib.evaluation.metrics import check_predictions
from workshop_lib.evaluation.statistics import FEWEST

Floats = NDArray[np.float64]

COLDEST, HOTTEST = 0.1, 10.0  # beyond, everything is certain, or a guess


@dataclass(frozen=True, eq=False)
class Reliability:
    """Images sorted into bins by the confidence in their predicted class.

    Args:
        bins: a row per bin: `low` and `high` (which it includes), `count` of images,
            their mean `confidence`, and `accuracy`, the fraction that is right; both
            NaN where a bin holds no image.
    """

    bins: pd.DataFrame

    @property
    def ece(self) -> float:
        """Expected calibration error: mean |accuracy - confidence|, by images.

        Guo et al. 2017, "On Calibration of Modern Neural Networks", eq. 3. Chance alone
        lifts it above 0, the more so the fewer the images: compare models on the same
        images and with the same number of bins only.
        """
        gaps = (self.bins["accuracy"] - self.bins["confidence"]).abs()
        count = self.bins["count"]
        return float((count * gaps).sum() / count.sum())  # which skips empty bins

    def means(self) -> tuple[float, float]:
        """Return the mean confidence and the accuracy of all images."""
        weights = self.bins["count"] / self.bins["count"].sum()
        means = self.bins[["confidence", "accuracy"]].mul(weights, axis=0).sum()
        return float(means["confidence"]), float(means["accuracy"])


@dataclass(frozen=True, eq=False)
class Calibration:
    """Calibration of a model on the test images, before and after temperature scaling.

    `temperature` was fitted on validation images: above 1 the model was overconfident,
    below 1 underconfident. `nll` is the mean negative log-likelihood of the true class.
    Where the validation images cannot tell, the temperature is 1 and `why_not` says
    why.
    """

    temperature: float
    before: Reliability
    after: Reliability
    nll_before: float
    nll_after: float
    why_not: str = ""

    def to_dict(self) -> dict[str, float | None]:
        """Return the figures for JSON; the temperature is None if it was not fitted."""
        return {
            "temperature": None if self.why_not else self.temperature,
            "bins": len(self.before.bins),
            "ece": self.before.ece,
            "calibrated_ece": self.after.ece,
            "nll": self.nll_before,
            "calibrated_nll": self.nll_after,
        }

    def summary(self) -> str:
        """Format confidence and calibration error, before and after, in two lines."""
        confidence, accuracy = self.before.means()
        first = (
            f"confidence {confidence:.3f} on average, right {accuracy:.3f};"
            f" calibration error (ECE) {self.before.ece:.3f}\n"
        )
        if self.why_not:
            return f"{first}no temperature was fitted: {self.why_not}"
        return (
            f"{first}at temperature {self.temperature:.2f}, fitted on validation, the"
            f" error is {self.after.ece:.3f}"
        )


def calibrate(
    val_probs: Tensor, val_labels: Tensor, test_probs: Tensor, test_labels: Tensor
) -> Calibration:
    """Fit a temperature on validation images, and measure its effect on test images.

    Shape: probs (N, K), labels (N,).

    Raises:
        WorkshopError: shapes do not fit, no images, NaN.
    """
    check_predictions(val_probs, val_labels, val_probs.shape[-1])
    why_not = _why_no_temperature(val_probs, val_labels)
    temperature = 1.0 if why_not else fit_temperature(val_probs, val_labels)
    calibrated = apply_temperature(test_probs, temperature)
    return Calibration(
        temperature,
        reliability(test_probs, test_labels),
        reliability(calibrated, test_labels),
        nll(test_probs, test_labels),
        nll(calibrated, test_labels),
        why_not,
    )


def _why_no_temperature(probs: Tensor, labels: Tensor) -> str:
    """Say why validation images cannot show how confident is too confident, or ""."""
    right = int((probs.argmax(dim=1) == labels).sum())
    if len(labels) < FEWEST:
        return f"{len(labels)} validation images are too few, {FEWEST} are needed"
    if right in (0, len(labels)):
        return f"all validation images are {'right' if right else 'wrong'}"
    return ""


def reliability(probs: Tensor, labels: Tensor, bins: int = 15) -> Reliability:
    """Compare confidence and accuracy, bin by bin.

    Args:
        probs: (N, K) probabilities.
        labels: (N,) true classes.
        bins: number of bins of equal width between 0 and 1, usually 15.

    Raises:
        WorkshopError: shapes do not fit, no images, NaN.
    """
    check_predictions(probs, labels, probs.shape[-1])
    sure, predicted = probs.double().max(dim=1)  # (N,) each
    confidence = sure.cpu().numpy()
    right = (predicted == labels).cpu().numpy().astype(np.float64)
    edges = np.linspace(0, 1, bins + 1)
    # The inner edges alone: rounding may lift a probability a little above 1
    bin_of = np.searchsorted(edges[1:-1], confidence, side="left")  # (N,)
    count = np.bincount(bin_of, minlength=bins)

    def mean(values: Floats) -> Floats:
        total = np.bincount(bin_of, weights=values, minlength=bins)
        return np.divide(total, count, out=np.full(bins, np.nan), where=count > 0)

    table = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "count": count})
    return Reliability(table.assign(confidence=mean(confidence), accuracy=mean(right)))


def fit_temperature(probs: Tensor, labels: Tensor) -> float:
    """Find the temperature at which the true classes are most probable.

    The logits are divided by it before the softmax (Guo et al. 2017, section 4.2): one
    number for all images, so the predicted classes do not change. Fit it on images that
    are used neither for training nor for the reported scores.

    Args:
        probs: (N, K) probabilities of the validation images.
        labels: (N,) their classes.

    Returns:
        The temperature, 0.1 to 10. If every image is right it falls to about 0.1:
        nothing then speaks against more confidence; `calibrate` fits none.

    Raises:
        WorkshopError: shapes do not fit, no images, NaN.
    """
    check_predictions(probs, labels, probs.shape[-1])
    # In log T the loss has one minimum: it is convex in 1/T
    found = minimize_scalar(
        lambda log_t: nll(apply_temperature(probs, math.exp(log_t)), labels),
        bounds=(math.log(COLDEST), math.log(HOTTEST)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return math.exp(float(found.x))


def apply_temperature(probs: Tensor, temperature: float) -> Tensor:
    """Return the probabilities that logits divided by a temperature would give.

    The logarithm of a probability is its logit minus a constant for all classes, which
    cancels in the softmax.

    Shape: (N, K) -> (N, K), float64.
    """
    return (_log(probs) / temperature).softmax(dim=1)


def nll(probs: Tensor, labels: Tensor) -> float:
    """Compute the mean negative log-likelihood of the true classes, in nats.

    Shape: (N, K), (N,).
    """
    return float(-_log(probs).gather(1, labels[:, None]).mean())


def _log(probs: Tensor) -> Tensor:
    # A float32 softmax gives 0 for logits some 100 below the largest
    smallest = float(torch.finfo(torch.float32).tiny)
    return probs.double().clamp_min(smallest).log()
