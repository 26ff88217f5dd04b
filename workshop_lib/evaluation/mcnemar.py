"""Is the difference real? Two models on the same images, image by image."""

__all__ = ["PairedTest", "mcnemar"]

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from workshop_lib.errors import WorkshopError

FEW = 25  # images that only one model has right: below, the approximation is poor
LIMIT = 0.05  # how probable a chance result may be and still be called real


@dataclass(frozen=True)
class PairedTest:
    """How often each of two models, A and B, is right where the other is wrong.

    `p_value` is how often two equally good models would differ at least this much by
    the luck of which images are in the test.
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
    def real(self) -> bool:
        """Whether the difference is too large to be put down to chance (p < 0.05)."""
        return self.p_value < LIMIT

    def interval(self) -> tuple[float, float]:
        """95 % interval of the difference, for the finite number of images only.

        From the variance of a difference of pairs (Agresti & Min 2005: half an image
        is added to each cell, so that it holds for few images too).
        """
        n = self.total + 2
        only_a, only_b = (self.only_a + 0.5) / n, (self.only_b + 0.5) / n
        centre = only_a - only_b
        half = 1.959964 * math.sqrt((only_a + only_b - centre**2) / n)
        return max(-1.0, centre - half), min(1.0, centre + half)

    def in_words(self, a: str = "A", b: str = "B") -> str:
        """Answer the question, with the figures that it rests on.

        Args:
            a, b: what to call the models.
        """
        of_a, of_b = self.both + self.only_a, self.both + self.only_b
        low, high = (100 * end for end in self.interval())
        kind = "exact" if self.exact else "chi-squared"
        p = "p < 0.0001" if self.p_value < 1e-4 else f"p = {self.p_value:.4f}"
        lines = [
            f"{a}: {of_a / self.total:.1%}, {b}: {of_b / self.total:.1%} of the same"
            f" {self.total:,} test images; difference {100 * self.difference:+.1f}"
            f" points (95 % interval {low:+.1f} to {high:+.1f})",
            f"right in {a} only: {self.only_a:,} images, in {b} only: {self.only_b:,};"
            f" McNemar's test ({kind}): {p}",
        ]
        if self.real:
            better = a if self.difference > 0 else b
            lines.append(
                f"Is the difference real? Yes: {better} is better on images like these;"
                " two equally good models would differ this much in at most"
                f" {max(1, math.ceil(100 * self.p_value))} of 100 tests."
            )
        else:
            lines.append(
                "Is the difference real? One cannot tell: two equally good models would"
                f" differ this much in about {round(100 * self.p_value)} of 100 tests."
            )
        lines.append(
            "That is about these two trained models. Whether the method is better, only"
            " several seeds can tell."
        )
        return "\n".join(lines)


def mcnemar(right_a: ArrayLike, right_b: ArrayLike) -> PairedTest:
    """Compare two models that were tested on the same images (McNemar 1947).

    Images that both get right, or both wrong, say nothing about which is better. Of the
    others, two equally good models would win half each. Far sharper than to look
    whether the intervals of two accuracies overlap: what is hard for both is left out.

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
    differ, exact = only_a + only_b, only_a + only_b < FEW
    if differ == 0:
        p_value = 1.0
    elif exact:
        p_value = float(stats.binomtest(only_a, differ, 0.5).pvalue)
    else:
        apart = max(0, abs(only_a - only_b) - 1)  # the correction must not overshoot
        p_value = float(stats.chi2.sf(apart**2 / differ, df=1))
    both, neither = int((a & b).sum()), int((~a & ~b).sum())
    return PairedTest(both, only_a, only_b, neither, p_value, exact)
