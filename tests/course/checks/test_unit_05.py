"""Unit 05: accuracy, kappa and intervals, written as a learner would."""

import math
import statistics

import numpy as np
import pytest
from scipy import stats

from workshop_lib.course import checks


def sorted_guesses(probs, labels, k):
    order = probs.argsort(dim=1, descending=True)[:, :k]
    return (order == labels[:, None]).any(1).float().mean()


@pytest.mark.parametrize(
    "right",
    [
        sorted_guesses,
        lambda p, y, k: np.mean(
            [int(c) in r.topk(k).indices.tolist() for r, c in zip(p, y, strict=True)]
        ),
    ],
)
def test_top_k_right(right):
    checks.top_k_accuracy(right)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda p, y, k: (p.argmax(1) == y).float().mean(), "only the first guess"),
        (
            lambda p, y, k: (p.argsort(1)[:, :k] == y[:, None]).any(1).float().mean(),
            "least likely",
        ),
        (lambda p, y, k: sorted_guesses(p, y, k) * len(y), "the number of hits"),
        (
            lambda p, y, k: (p.topk(k, 1).indices == y[:, None]).float().mean(),
            "you divided by N x k",
        ),
        (
            lambda p, y, k: np.mean(
                [sorted_guesses(p[y == c], y[y == c], k) for c in y.unique()]
            ),
            "the mean of the classes' accuracies",
        ),
        (lambda p, y, k: 1.0, "are the k guesses"),
    ],
)  # fmt: skip
def test_top_k_wrong(wrong, hint, refusal):
    assert hint in refusal(checks.top_k_accuracy, wrong)


def kappa(matrix, chance=None):
    total = matrix.sum()
    observed = np.diag(matrix).sum() / total
    if chance is None:
        chance = (
            sum(matrix[k].sum() * matrix[:, k].sum() for k in range(len(matrix)))
            / total**2
        )
    return (observed - chance) / (1 - chance)  # fmt: skip


def test_kappa_right():
    checks.cohens_kappa(kappa)
    checks.cohens_kappa(lambda m: kappa(m.T))  # it is symmetric: truth may be columns


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda m: np.trace(m) / m.sum(), "this is the accuracy"),
        (lambda m: kappa(m, 1 / len(m)), "chance was taken as 1 / K"),
        (
            lambda m: kappa(m, ((m.sum(1) / m.sum()) ** 2).sum()),
            "from the truth alone",
        ),
        (
            lambda m: kappa(m, ((m.sum(0) / m.sum()) ** 2).sum()),
            "from the predictions alone",
        ),
        (lambda m: 0.0, "compute two numbers first"),
    ],
)
def test_kappa_wrong(wrong, hint, refusal):
    assert hint in refusal(checks.cohens_kappa, wrong)


def by_scipy(values):
    low, high = stats.t.interval(
        0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values)
    )
    return np.mean(values), low, high


def by_statistics(values):
    mean, n = statistics.mean(values), len(values)
    half = stats.t.ppf(0.975, n - 1) * statistics.stdev(values) / math.sqrt(n)
    return [mean, mean - half, mean + half]


@pytest.mark.parametrize("right", [by_scipy, by_statistics])
def test_interval_right(right):
    checks.mean_and_interval(right)


def around(values, half):
    return np.mean(values), np.mean(values) - half, np.mean(values) + half


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda v: around(v, np.std(v, ddof=1)), "mean ± standard deviation"),
        (lambda v: around(v, stats.sem(v)), "mean ± standard error"),
        (lambda v: around(v, 1.95996 * stats.sem(v)), "1.96 was taken for t"),
        (
            lambda v: around(v, stats.t.ppf(0.975, len(v) - 1) * stats.sem(v, ddof=0)),
            "numpy's std does that",
        ),
        (
            lambda v: around(v, stats.t.ppf(0.95, len(v) - 1) * stats.sem(v)),
            "take the quantile 0.975",
        ),
        (lambda v: np.mean(v), "mean ± t x s / sqrt(n)"),
    ],
)  # fmt: skip
def test_interval_wrong(wrong, hint, refusal):
    assert hint in refusal(checks.mean_and_interval, wrong)
