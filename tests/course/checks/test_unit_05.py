"""Unit 05: accuracy, kappa and intervals, as a learner would write them."""

import math
import statistics

import numpy as np
import pytest
from scipy import stats

from workshop_lib.course import checks
from workshop_lib.evaluation.metrics import score, scores_from_confusion


def names(K):
    return [str(k) for k in range(K)]


def sorted_guesses(probs, labels, k):
    order = probs.argsort(dim=1, descending=True)[:, :k]
    return (order == labels[:, None]).any(1).float().mean()


def row_by_row(probs, labels, k):
    pairs = zip(probs, labels, strict=True)
    return np.mean([int(c) in row.topk(k).indices.tolist() for row, c in pairs])


def kappa(matrix, chance=None):
    total = matrix.sum()
    observed = np.diag(matrix).sum() / total
    if chance is None:
        pairs = zip(matrix.sum(1), matrix.sum(0), strict=True)
        chance = sum(row * column for row, column in pairs) / total**2
    return (observed - chance) / (1 - chance)


def by_scipy(values):
    mean, error = np.mean(values), stats.sem(values)
    low, high = stats.t.interval(0.95, len(values) - 1, loc=mean, scale=error)
    return mean, low, high


def by_statistics(values):
    mean, n = statistics.mean(values), len(values)
    half = stats.t.ppf(0.975, n - 1) * statistics.stdev(values) / math.sqrt(n)
    return [mean, mean - half, mean + half]


def scipys_interval(values):
    found = stats.ttest_1samp(values, 0).confidence_interval()
    return float(np.mean(values)), found.low, found.high


RIGHT = {
    "top_k_accuracy": [
        sorted_guesses,
        row_by_row,
        lambda p, y, k: score(p, y, names(p.shape[1]), k=k).top_k,
    ],
    "cohens_kappa": [
        kappa,
        lambda m: kappa(m.T),  # symmetric: truth may be columns
        lambda m: scores_from_confusion(m, names(len(m))).kappa,
    ],
    "mean_and_interval": [by_scipy, by_statistics, scipys_interval],
}


@pytest.mark.parametrize(
    ("name", "right"), [(name, right) for name in RIGHT for right in RIGHT[name]]
)
def test_right(name, right):
    getattr(checks, name)(right)


def around(values, half):
    return np.mean(values), np.mean(values) - half, np.mean(values) + half


def t(values, at=0.975):
    return stats.t.ppf(at, len(values) - 1)


WRONG = {
    "top_k_accuracy": [
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
        (lambda p, y, k: 1.0, "are the k guesses"),
    ],
    "cohens_kappa": [
        (lambda m: np.trace(m) / m.sum(), "this is the accuracy"),
        (lambda m: kappa(m, 1 / len(m)), "taken as 1 / K"),
        (lambda m: kappa(m, ((m.sum(1) / m.sum()) ** 2).sum()), "from the truth alone"),
        (lambda m: 0.0, "compute two numbers first"),
    ],
    "mean_and_interval": [
        (lambda v: around(v, np.std(v, ddof=1)), "mean ± standard deviation"),
        (lambda v: around(v, 1.95996 * stats.sem(v)), "1.96 was taken for t"),
        (lambda v: around(v, t(v) * stats.sem(v, ddof=0)), "numpy's std does that"),
        (lambda v: around(v, t(v, at=0.95) * stats.sem(v)), "take the quantile 0.975"),
        (lambda v: np.mean(v), "mean ± t x s / sqrt(n)"),
    ],
}


@pytest.mark.parametrize(
    ("name", "wrong", "hint"), [(name, *row) for name in WRONG for row in WRONG[name]]
)
def test_wrong(name, wrong, hint, refusal):
    assert hint in refusal(getattr(checks, name), wrong)
