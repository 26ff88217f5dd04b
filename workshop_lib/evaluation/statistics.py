"""Confidence intervals over test images, and a paired test of two models."""

__all__ = ["Interval", "PairedTest", "bootstrap_interval", "mcnemar", "score_intervals"]

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.metrics import Scores, overall_scores

Floats = NDArray[np.float64]

_AT_ONCE = 5_000_000  # numbers in memory at a time: 40 MB
FEWEST = 30  # images from which a temperature, an interval or a test means much
_FEW = 25  # images that only one model has right: below, chi-squared is poor
_LEVEL = 0.95  # of all intervals
_SIGNIFICANT = 0.05  # p-values below are called a significant difference


@dataclass(frozen=True)
class Interval:
    """A value, and the range it would fall in with other test images."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if math.isnan(self.low):
            return f"{self.value:.3f} (no interval: no other images would change it)"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def bootstrap_interval(
    metric: Callable[..., Any],
    *arrays: ArrayLike,
    resamples: int = 2000,
    seed: int = 0,
    vectorized: bool = False,
) -> Interval:
    """Compute the 95 % interval of any metric over the choice of test images.

    Draws as many images as there are, with replacement, many times; the interval is the
    middle of the metric's values (Efron 1979, percentiles). It does not cover what
    another draw of the labels would change, which with few labels is more: repeat with
    other seeds, and give `scipy.stats.ttest_1samp` the results for that.

        >>> right = [1, 1, 0, 1, 1, 1, 0, 1, 1, 1]
        >>> print(bootstrap_interval(np.mean, right))
        0.800 (0.500 to 1.000)

    Args:
        metric: maps arrays like those given to a number. If `vectorized`, arrays
            (R, N, ...) to (R,) numbers, which is faster: `lambda a: a.mean(axis=1)`.
        arrays: one or more with a row per image: truth, predictions, probabilities.
            The same images are drawn from all of them.
        resamples: number of draws; more give steadier ends.
        seed: the same seed gives the same interval.

    Raises:
        WorkshopError: no images, or arrays of different lengths.
    """
    tables = [np.asarray(array) for array in arrays]
    lengths = {table.shape[0] if table.ndim else 0 for table in tables}
    if len(lengths) != 1 or lengths == {0}:
        raise WorkshopError(
            f"arrays of shape {[table.shape for table in tables]}: give one or more,"
            " with the same number of rows, at least one."
        )
    (N,) = lengths

    def measure(rows: NDArray[np.int64]) -> Floats:  # (R, N) -> (R,)
        drawn = [table[rows] for table in tables]
        if vectorized:
            return np.asarray(metric(*drawn), np.float64)
        return np.array([float(metric(*one)) for one in zip(*drawn, strict=True)])

    rng = np.random.default_rng(seed)
    batches = _batches(resamples, sum(table.size for table in tables))
    values = np.concatenate([measure(rng.integers(0, N, (n, N))) for n in batches])
    return _percentiles(measure(np.arange(N)[None]).item(), values)


def score_intervals(scores: Scores) -> dict[str, Interval]:
    """Bootstrap every score of a confusion matrix at once: 95 %, 2,000 resamples.

    Of the accuracy it is Wilson's interval.

    Drawing N images with replacement and counting them in a confusion matrix is the
    same as drawing N cells of that matrix, each as probable as its count: no list of
    images is needed, and thousands of resamples take milliseconds.

    Returns:
        Intervals by the names of `overall_scores`.
    """
    counts, K = scores.confusion, len(scores.class_names)
    total = int(counts.sum())
    rng, chances = np.random.default_rng(0), counts.ravel() / total
    parts = [
        overall_scores(rng.multinomial(total, chances, n).reshape(n, K, K))
        for n in _batches(2000, counts.size)
    ]
    values = {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}
    found = {k: _percentiles(getattr(scores, k), v) for k, v in values.items()}
    # Wilson's works even where all images are right: no resample would differ
    return found | {"accuracy": Interval(scores.accuracy, *scores.interval())}


@dataclass(frozen=True)
class PairedTest:
    """How often two models, A and B, are right and wrong on the same images.

    `p_value` is the probability that two equally good models would differ at least this
    much, by the chance of which images are in the test.
    """

    both: int
    only_a: int
    only_b: int
    neither: int
    p_value: float
    exact: bool  # a binomial test; else chi-squared, with continuity correction

    @property
    def total(self) -> int:
        """Number of test images."""
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def difference(self) -> float:
        """Accuracy of A less that of B."""
        return (self.only_a - self.only_b) / self.total

    @property
    def significant(self) -> bool:
        """Whether the difference is too large to be chance (p < 0.05)."""
        return self.p_value < _SIGNIFICANT

    def interval(self) -> tuple[float, float]:
        """Compute the 95 % interval of the difference over the choice of images.

        From the variance of a difference of pairs; half an image is added to each cell,
        so that it holds for few images too (Agresti & Min 2005).
        """
        n = self.total + 2
        only_a, only_b = (self.only_a + 0.5) / n, (self.only_b + 0.5) / n
        centre = only_a - only_b
        half = 1.959964 * math.sqrt((only_a + only_b - centre**2) / n)
        return max(-1.0, centre - half), min(1.0, centre + half)

    def summary(self, a: str = "A", b: str = "B") -> str:
        """Report four lines about models called `a` and `b`: figures, test, verdict."""
        of_a, of_b = self.both + self.only_a, self.both + self.only_b
        low, high = (100 * end for end in self.interval())
        kind = "exact" if self.exact else "chi-squared"
        p = "p < 0.0001" if self.p_value < 1e-4 else f"p = {self.p_value:.4f}"
        percent, better = 100 * self.p_value, a if self.difference > 0 else b
        chance = "two equally good models would differ this much in"
        verdict = f"One cannot tell: {chance} about {round(percent)} of 100 tests."
        if self.total < FEWEST:
            verdict += f" {self.total} test images are few: collect {FEWEST} or more."
        if self.significant:
            verdict = f"Yes: {better} is better on images like these; {chance} at most"
            verdict += f" {max(1, math.ceil(percent))} of 100 tests."
        return (
            f"{a}: {of_a / self.total:.1%}, {b}: {of_b / self.total:.1%} of the same"
            f" {self.total:,} test images; difference {100 * self.difference:+.1f}"
            f" points (95 % interval {low:+.1f} to {high:+.1f})\n"
            f"right in {a} only: {self.only_a:,} images, in {b} only: {self.only_b:,};"
            f" McNemar's test ({kind}): {p}\n"
            f"Is the difference real? {verdict}\n"
            "That is about these two trained models. Whether the method is better, only"
            " several seeds can tell."
        )


def mcnemar(right_a: ArrayLike, right_b: ArrayLike) -> PairedTest:
    """Compare two models that were tested on the same images (McNemar 1947).

    Images that both get right, or both wrong, say nothing about which is better. Of the
    others, two equally good models would win half each. This is far more sensitive than
    asking whether the intervals of two accuracies overlap.

        >>> test = mcnemar([1, 1, 1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0, 1, 0])
        >>> test.only_a, test.only_b, round(test.p_value, 4)
        (6, 0, 0.0312)

    Args:
        right_a, right_b: (N,) whether each model is right, image by image, in the same
            order.

    Raises:
        WorkshopError: no images, or not the same number of them.
    """
    a, b = np.asarray(right_a, dtype=bool), np.asarray(right_b, dtype=bool)
    if a.ndim != 1 or a.shape != b.shape or len(a) == 0:
        raise WorkshopError(
            f"right answers of shape {a.shape} and {b.shape}: give one per test image,"
            " for the same images."
        )
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    differ, exact = only_a + only_b, only_a + only_b < _FEW
    if differ == 0:
        p_value = 1.0
    elif exact:
        p_value = float(stats.binomtest(only_a, differ, 0.5).pvalue)
    else:
        apart = max(0, abs(only_a - only_b) - 1)  # the correction must not overshoot
        p_value = float(stats.chi2.sf(apart**2 / differ, df=1))
    both, neither = int((a & b).sum()), int((~a & ~b).sum())
    return PairedTest(both, only_a, only_b, neither, p_value, exact)


def _batches(resamples: int, size: int) -> list[int]:
    """Divide the resamples so that a batch holds at most `_AT_ONCE` numbers."""
    most = max(1, _AT_ONCE // size)
    return [min(most, resamples - done) for done in range(0, resamples, most)]


def _percentiles(value: float, values: Floats) -> Interval:
    """Return the middle 95 % of the values that a metric takes."""
    known = values[~np.isnan(values)]  # a resample may lack what the metric needs
    if len(known) == 0 or known.min() == known.max():  # all right, or of one class
        return Interval(value, math.nan, math.nan)
    low, high = np.quantile(known, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Interval(value, float(low), float(high))
