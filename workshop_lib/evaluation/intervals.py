"""How sure a figure is: intervals over test images, and over seeds."""

__all__ = ["Interval", "bootstrap_interval", "score_intervals", "seed_interval"]

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.metrics import Scores

Floats = NDArray[np.float64]

_AT_ONCE = 5_000_000  # numbers in memory at a time: 40 MB


@dataclass(frozen=True)
class Interval:
    """A value and where it would lie if the experiment were repeated.

    `deviation` is the standard deviation of what was repeated: of the resamples in a
    bootstrap (the standard error), of the single values over seeds.
    """

    value: float
    low: float
    high: float
    deviation: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def bootstrap_interval(
    metric: Callable[..., Any],
    *arrays: ArrayLike,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    vectorized: bool = False,
) -> Interval:
    """Interval of any metric over the images that happened to be in the test.

    Draws as many images as there are, with replacement, again and again; the interval
    holds the middle of the values the metric takes (Efron 1979, percentiles). It does
    not hold what another draw of the labels would change, which with few labels is
    more: repeat with other seeds and use `seed_interval` to see that.

        >>> right = [1, 1, 0, 1, 1, 1, 0, 1, 1, 1]
        >>> print(bootstrap_interval(np.mean, right))
        0.800 (0.500 to 1.000)

    Args:
        metric: from arrays like those given to a number. If `vectorized`, from arrays
            (R, N, ...) to (R,) numbers, which is faster: `lambda a: a.mean(axis=1)`.
        arrays: one or more with a row per image: truth, predictions, probabilities.
            The same images are drawn from all of them.
        level: of the interval, 0 to 1.
        resamples: how often; more give steadier ends.
        seed: the same seed gives the same interval.

    Raises:
        WorkshopError: no images, arrays of different lengths, a level outside 0 to 1.
    """
    tables = [np.asarray(array) for array in arrays]
    N = _rows(tables)
    _check_level(level)
    if resamples < 1:
        raise WorkshopError(f"resamples={resamples}: use at least 1, usually 2,000.")
    rng = np.random.default_rng(seed)
    at_once = max(1, _AT_ONCE // sum(table.size for table in tables))
    values: list[float] = []
    while len(values) < resamples:
        drawn = rng.integers(0, N, (min(at_once, resamples - len(values)), N))
        if vectorized:
            values += np.asarray(metric(*(table[drawn] for table in tables))).tolist()
        else:
            values += [float(metric(*(t[rows] for t in tables))) for rows in drawn]
    whole = metric(*(t[None] for t in tables)) if vectorized else metric(*tables)
    value = float(np.asarray(whole).item())
    return _percentiles(value, np.array(values, dtype=np.float64), level)


def score_intervals(
    scores: Scores, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> dict[str, Interval]:
    """Bootstrap what is read off a confusion matrix, all in one go.

    To draw N images with replacement and count them in a confusion matrix is to draw N
    cells of that matrix, each as probable as its count: so no list of images is needed,
    and thousands of resamples take milliseconds.

    Returns:
        Intervals of `accuracy`, `kappa`, `macro_recall`, `macro_precision`, `macro_f1`.

    Raises:
        WorkshopError: a level outside 0 to 1, no resamples.
    """
    _check_level(level)
    if resamples < 1:
        raise WorkshopError(f"resamples={resamples}: use at least 1, usually 2,000.")
    counts, K = scores.confusion, len(scores.class_names)
    total = int(counts.sum())
    rng = np.random.default_rng(seed)
    at_once = max(1, _AT_ONCE // counts.size)
    parts = []
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        drawn = rng.multinomial(total, counts.ravel() / total, size)  # (size, K * K)
        parts.append(_figures(drawn.reshape(size, K, K)))
    return {
        name: _percentiles(
            float(getattr(scores, name)),
            np.concatenate([part[name] for part in parts]),
            level,
        )
        for name in parts[0]
    }


def seed_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Mean over seeds, and where the mean of very many seeds would lie.

    Student's t, n - 1 degrees of freedom: with the three to five seeds one can afford,
    the interval is much wider than mean ± deviation. To compare two methods that were
    run with the same seeds, give the differences, seed by seed: if the interval does
    not hold 0, the difference is more than the luck of the draw.

        >>> print(seed_interval([0.91, 0.88, 0.93, 0.90, 0.92]))
        0.908 (0.884 to 0.932)

    Args:
        values: one figure per seed.
        level: of the interval, 0 to 1.

    Returns:
        The mean, the interval, and the deviation (n - 1) of the single values. From one
        seed there is no telling: NaN.

    Raises:
        WorkshopError: no values, or a level outside 0 to 1.
    """
    _check_level(level)
    figures = np.asarray(values, dtype=np.float64)
    n = _rows([figures])
    mean = float(figures.mean())
    if n == 1:
        return Interval(mean, math.nan, math.nan, math.nan)
    deviation = float(figures.std(ddof=1))
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * deviation / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, deviation)


def _figures(counts: NDArray[np.int64]) -> dict[str, Floats]:
    """Compute the figures of many confusion matrices at once, as `Scores` does of one.

    Shape: (R, K, K) -> (R,) each.
    """
    found = np.diagonal(counts, axis1=1, axis2=2)  # (R, K)
    of_truth, of_guess = counts.sum(axis=2), counts.sum(axis=1)  # (R, K)
    total = of_truth.sum(axis=1)  # (R,)
    accuracy = found.sum(axis=1) / total
    chance = (of_truth * of_guess).sum(axis=1) / total.astype(np.float64) ** 2
    return {
        "accuracy": accuracy,
        "kappa": _ratio(accuracy - chance, 1 - chance),
        "macro_recall": _macro(found, of_truth),
        "macro_precision": _macro(found, of_guess),
        "macro_f1": _macro(2 * found, of_truth + of_guess),
    }


def _macro(part: ArrayLike, whole: ArrayLike) -> Floats:
    """Mean over the classes that a resample can tell of; NaN if there is none."""
    shares = _ratio(part, whole)  # (R, K)
    known = ~np.isnan(shares)
    return _ratio(np.where(known, shares, 0).sum(axis=1), known.sum(axis=1))


def _ratio(part: ArrayLike, whole: ArrayLike) -> Floats:
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def _percentiles(value: float, values: Floats, level: float) -> Interval:
    known = values[~np.isnan(values)]  # a resample may lack what the metric needs
    if len(known) == 0:
        return Interval(value, math.nan, math.nan, math.nan)
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), float(known.std()))


def _rows(tables: Sequence[NDArray[Any]]) -> int:
    lengths = {table.shape[0] if table.ndim else 0 for table in tables}
    if len(lengths) != 1 or lengths == {0}:
        shapes = ", ".join(str(table.shape) for table in tables) or "none"
        raise WorkshopError(
            f"arrays of shape {shapes}: give one or more with the same number of rows,"
            " at least one."
        )
    return lengths.pop()


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise WorkshopError(f"level={level}: give a number between 0 and 1, as 0.95.")
