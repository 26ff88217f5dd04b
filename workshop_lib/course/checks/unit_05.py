"""Checks of unit 05: top-k accuracy, kappa, and what a few seeds can tell."""

__all__ = ["cohens_kappa", "mean_and_interval", "top_k_accuracy"]

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from workshop_lib.course.checks.inputs import draws, noise
from workshop_lib.course.checks.trial import Mistake, Trial, exercise
from workshop_lib.evaluation.metrics import score, scores_from_confusion
from workshop_lib.evaluation.statistics import seed_interval

Counts = NDArray[np.int64]


@exercise("top_k_accuracy(probs, labels, k)")
def top_k_accuracy(trial: Trial) -> str:
    """Check the share of images whose true class is among the k likeliest.

    The learner's `top_k_accuracy(probs, labels, k)` takes (N, K) and (N,), gives 0..1.
    """
    cases = {
        "20 images, 6 classes, k = 3": (noise(20, 6).softmax(1), draws(0, 6, 20), 3),
        "9 images, 4 classes, k = 1": (
            noise(9, 4, seed=1).softmax(1), draws(0, 4, 9, seed=1), 1,
        ),
        "classes of unequal size, k = 2": (
            noise(12, 5, seed=2).softmax(1), torch.tensor([0] * 8 + [1, 2, 3, 4]), 2,
        ),
    }  # fmt: skip
    trial.compare(cases, _top_k, _TOP_K, look=_TOP_K_LOOK)
    return "k = 1, 2 and 3 agree with the library"


def _top_k(probs: Tensor, labels: Tensor, k: int) -> float:
    names = [str(i) for i in range(probs.shape[1])]
    return score(probs, labels, names, k=k).top_k or 0.0


def _hits(probs: Tensor, labels: Tensor, k: int, largest: bool = True) -> Tensor:
    found = probs.topk(k, dim=1, largest=largest).indices  # (N, k)
    return (found == labels[:, None]).any(dim=1).double()  # (N,)


def _by_class(probs: Tensor, labels: Tensor, k: int) -> float:
    hits = _hits(probs, labels, k)
    return float(
        torch.stack([hits[labels == c].mean() for c in labels.unique()]).mean()
    )


_TOP_K_LOOK = (
    "probs.topk(k, dim=1).indices are the k guesses of each image: ask for each row"
    " whether its label is among them, then take the mean over images."
)
_TOP_K = (
    Mistake(
        "only the first guess counts, whatever k is: look among the k likeliest.",
        lambda p, y, k: _top_k(p, y, 1),
    ),
    Mistake(
        "you took the k least likely classes: sort in descending order, or use topk.",
        lambda p, y, k: _hits(p, y, k, largest=False).mean(),
    ),
    Mistake(
        "you took the mean of the classes' accuracies: here every image counts the"
        " same, so rare classes count less.",
        _by_class,
    ),
    Mistake(
        "you gave the number of hits: divide by the number of images.",
        lambda p, y, k: _hits(p, y, k).sum(),
    ),
    Mistake(
        "you divided by N x k, the number of guesses: divide by the number of images.",
        lambda p, y, k: _hits(p, y, k).mean() / k,
    ),
    Mistake(
        "you gave per cent: here, as everywhere in the library, shares are 0 to 1.",
        lambda p, y, k: 100 * _hits(p, y, k).mean(),
    ),
    Mistake(
        "only the k-th guess was looked at: a hit at any of the first k places counts.",
        lambda p, y, k: (p.topk(k, dim=1).indices[:, -1] == y).double().mean(),
    ),
)


@exercise("cohens_kappa(confusion)")
def cohens_kappa(trial: Trial) -> str:
    """Check Cohen's kappa, computed from a confusion matrix.

    The learner's `cohens_kappa(confusion)` takes a (K, K) array of counts, rows are
    the truth, and gives (p_o - p_e) / (1 - p_e).
    """
    cases = {
        "two classes, one of them rare": (np.array([[40, 5], [8, 2]]),),
        "three classes": (np.array([[10, 2, 0], [3, 5, 4], [0, 1, 20]]),),
        "guessing: kappa near 0": (np.array([[30, 10], [15, 5]]),),
    }
    trial.compare(cases, _kappa, _KAPPA, look=_KAPPA_LOOK)
    return "also where guessing gets most images right, and kappa knows it"


def _kappa(confusion: Counts) -> float:
    return scores_from_confusion(
        confusion, [str(i) for i in range(len(confusion))]
    ).kappa


def _agreement(confusion: Counts) -> tuple[float, NDArray[np.float64]]:
    shares = confusion / confusion.sum()
    return float(np.trace(shares)), shares


def _kappa_of(confusion: Counts, expected: float) -> float:
    return (_agreement(confusion)[0] - expected) / (1 - expected)


def _rows_twice(confusion: Counts) -> float:
    rows = _agreement(confusion)[1].sum(axis=1)
    return _kappa_of(confusion, float(rows @ rows))


def _columns_twice(confusion: Counts) -> float:
    columns = _agreement(confusion)[1].sum(axis=0)
    return _kappa_of(confusion, float(columns @ columns))


def _not_scaled(confusion: Counts) -> float:
    observed, shares = _agreement(confusion)
    return observed - float(shares.sum(axis=0) @ shares.sum(axis=1))


def _expected_only(confusion: Counts) -> float:
    shares = _agreement(confusion)[1]
    return float(shares.sum(axis=0) @ shares.sum(axis=1))


_KAPPA_LOOK = (
    "compute two numbers first and print them: p_o, the share on the diagonal; p_e,"
    " the sum over classes of (share of the row) x (share of the column)."
)
_KAPPA = (
    Mistake(
        "this is the accuracy: kappa takes off what would agree by chance.",
        lambda m: _agreement(m)[0],
    ),
    Mistake(
        "chance was taken as 1 / K for every class: it depends on how often each class"
        " occurs and how often it is predicted.",
        lambda m: _kappa_of(m, 1 / len(m)),
    ),
    Mistake(
        "chance was computed from the truth alone (rows times rows): multiply the share"
        " of each row with that of the same column.",
        _rows_twice,
    ),
    Mistake(
        "chance was computed from the predictions alone (columns times columns):"
        " multiply the share of each row with that of the same column.",
        _columns_twice,
    ),
    Mistake(
        "the last step is missing: divide by 1 - p_e, so that perfect agreement is 1.",
        _not_scaled,
    ),
    Mistake(
        "this is p_e alone, the agreement by chance: put it into the formula.",
        _expected_only,
    ),
)


@exercise("mean_and_interval(values)")
def mean_and_interval(trial: Trial) -> str:
    """Check the mean over seeds and its 95 % interval by Student's t.

    The learner's `mean_and_interval(values)` takes a list of accuracies, one per seed,
    and gives (mean, low, high).
    """
    cases = {
        "five seeds": ([0.91, 0.88, 0.93, 0.90, 0.92],),
        "three seeds, far apart": ([0.70, 0.82, 0.91],),
        "ten seeds": ([0.8 + 0.01 * (7 * i % 10) for i in range(10)],),
    }
    trial.compare(cases, _interval, _INTERVALS, look=_INTERVAL_LOOK)
    return "three, five and ten seeds: the fewer, the wider"


def _interval(values: Sequence[float]) -> list[float]:
    found = seed_interval(values)
    return [found.value, found.low, found.high]


def _around(
    values: Sequence[float],
    *,
    ddof: int = 1,
    quantile: float | None = None,
    root: bool = True,
    freedom: int = -1,
) -> list[float]:
    """Compute the interval with one part of it done otherwise."""
    n, mean = len(values), float(np.mean(values))
    if quantile is None:
        quantile = float(stats.t.ppf(0.975, n + freedom))
    half = quantile * float(np.std(values, ddof=ddof)) / (math.sqrt(n) if root else 1)
    return [mean, mean - half, mean + half]


def _half_width(values: Sequence[float]) -> list[float]:
    mean, low, _ = _interval(values)
    return [mean, mean - low]


_INTERVAL_LOOK = (
    "mean ± t x s / sqrt(n), with s the standard deviation (n - 1) and t the 0.975"
    " quantile of Student's t at n - 1 degrees of freedom."
)
_INTERVALS = (
    Mistake(
        "the deviation of the single values was used, without / sqrt(n): that tells"
        " where one more seed would fall, not how sure the mean is.",
        lambda v: _around(v, root=False),
    ),
    Mistake(
        "this is mean ± standard deviation: it says how the seeds scatter, not how sure"
        " their mean is. Divide by sqrt(n) and multiply with t.",
        lambda v: _around(v, root=False, quantile=1),
    ),
    Mistake(
        "the deviation was divided by n: numpy's std does that unless told ddof=1."
        " With few seeds it comes out too small.",
        lambda v: _around(v, ddof=0),
    ),
    Mistake(
        "1.96 was taken for t: that holds for very many seeds. For five t is 2.78.",
        lambda v: _around(v, quantile=float(stats.norm.ppf(0.975))),
    ),
    Mistake(
        "t was taken at 0.95: of an interval with two ends, 2.5 % lie beyond each, so"
        " take the quantile 0.975.",
        lambda v: _around(v, quantile=float(stats.t.ppf(0.95, len(v) - 1))),
    ),
    Mistake(
        "t was taken at n degrees of freedom: the mean has used up one, so n - 1.",
        lambda v: _around(v, freedom=0),
    ),
    Mistake(
        "this is mean ± standard error: about two thirds of the means fall in it."
        " Multiply with t for 95 %.",
        lambda v: _around(v, quantile=1),
    ),
    Mistake(
        "half the width of the interval came: give three numbers, mean, low, high.",
        _half_width,
    ),
)
