"""Checks of unit 05: top-k accuracy, kappa, and the interval from a few seeds."""

__all__ = ["cohens_kappa", "mean_and_interval", "top_k_accuracy"]

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from workshop_lib.course.checks.attempt import Attempt, exercise
from workshop_lib.course.checks.values import draws, noise

Counts = NDArray[np.int64]


@exercise("top_k_accuracy(probs, labels, k)")
def top_k_accuracy(attempt: Attempt) -> str:
    """Check the fraction of images whose true class is among the k most likely.

    The learner's `top_k_accuracy(probs, labels, k)` takes (N, K) and (N,), gives 0..1.
    """
    few, uneven = noise(9, 4, seed=1).softmax(1), noise(12, 5, seed=2).softmax(1)
    cases = {
        "20 images, 6 classes, k = 3": (noise(20, 6).softmax(1), draws(0, 6, 20), 3),
        "9 images, 4 classes, k = 1": (few, draws(0, 4, 9, seed=1), 1),
        "classes of unequal size, k = 2": (
            uneven, torch.tensor([0] * 8 + [1, 2, 3, 4]), 2,
        ),
    }  # fmt: skip
    attempt.compare(cases, _top_k, _TOP_K)
    return "k = 1, 2 and 3 agree with the library"


def _top_k(probs: Tensor, labels: Tensor, k: int, largest: bool = True) -> Tensor:
    found = probs.topk(k, dim=1, largest=largest).indices  # (N, k)
    return (found == labels[:, None]).any(dim=1).double().mean()


_TOP_K = {
    "first_only": lambda p, y, k: _top_k(p, y, 1),
    "least_likely": lambda p, y, k: _top_k(p, y, k, largest=False),
    "hits": lambda p, y, k: _top_k(p, y, k) * len(y),
    "by_guesses": lambda p, y, k: _top_k(p, y, k) / k,
}


@exercise("cohens_kappa(confusion)")
def cohens_kappa(attempt: Attempt) -> str:
    """Check Cohen's kappa, computed from a confusion matrix.

    The learner's `cohens_kappa(confusion)` takes a (K, K) array of counts, rows are
    the truth, and gives (p_o - p_e) / (1 - p_e).
    """
    cases = {
        "two classes, one of them rare": (np.array([[40, 5], [8, 2]]),),
        "three classes": (np.array([[10, 2, 0], [3, 5, 4], [0, 1, 20]]),),
        "guessing: kappa near 0": (np.array([[30, 10], [15, 5]]),),
    }
    attempt.compare(cases, _kappa, _KAPPA)
    return "also where guessing gets most images right, and kappa corrects for it"


def _agreement(confusion: Counts) -> tuple[float, float]:
    """Return the agreement observed, p_o, and that by chance, p_e."""
    shares = confusion / confusion.sum()
    return float(np.trace(shares)), float(shares.sum(axis=0) @ shares.sum(axis=1))


def _kappa(confusion: Counts, chance: float | None = None) -> float:
    observed, expected = _agreement(confusion)
    expected = expected if chance is None else chance
    return (observed - expected) / (1 - expected)


_KAPPA = {
    "accuracy": lambda m: _agreement(m)[0],
    "uniform_chance": lambda m: _kappa(m, 1 / len(m)),
    "truth_only": lambda m: _kappa(m, float(((m.sum(1) / m.sum()) ** 2).sum())),
    "not_scaled": lambda m: np.subtract(*_agreement(m)),
}


@exercise("mean_and_interval(values)")
def mean_and_interval(attempt: Attempt) -> str:
    """Check the mean over seeds and its 95 % interval by Student's t.

    The learner's `mean_and_interval(values)` takes a list of accuracies, one per seed,
    and gives (mean, low, high).
    """
    cases = {
        "five seeds": ([0.91, 0.88, 0.93, 0.90, 0.92],),
        "three seeds, far apart": ([0.70, 0.82, 0.91],),
        "ten seeds": ([0.8 + 0.01 * (7 * i % 10) for i in range(10)],),
    }
    attempt.compare(cases, _interval, _INTERVALS)
    return "three, five and ten seeds: the fewer, the wider"


def _interval(
    values: Sequence[float], *, ddof: int = 1, normal: bool = False, mean: bool = True
) -> list[float]:
    """Compute mean, low and high; the options each make one mistake."""
    n, middle = len(values), float(np.mean(values))
    t = stats.norm.ppf(0.975) if normal else stats.t.ppf(0.975, n - 1)
    half = float(t * np.std(values, ddof=ddof)) / (math.sqrt(n) if mean else 1)
    return [middle, middle - half, middle + half]


_INTERVALS = {
    "of_one_value": lambda v: _interval(v, mean=False),
    "one_deviation": lambda v: np.mean(v) + np.std(v, ddof=1) * np.array([0, -1, 1]),
    "ddof": lambda v: _interval(v, ddof=0),
    "normal_quantile": lambda v: _interval(v, normal=True),
}
