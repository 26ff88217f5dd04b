"""Checks of unit 08: windows, a network that scores every pixel, and its maps."""

__all__ = [
    "head_parameters",
    "mean_iou",
    "sum_scores",
    "times_seen",
    "window_starts",
]

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from workshop_lib.course.checks.attempt import Attempt, exercise
from workshop_lib.course.checks.inputs import draws, noise

_UNKNOWN = 255  # a pixel without a true class


@exercise("times_seen(window, stride)")
def times_seen(attempt: Attempt) -> str:
    """Check how often a pixel is processed while a window slides over an image.

    The learner's `times_seen(window, stride)` takes two lengths in pixels and gives the
    number of windows that contain a pixel far from the border.
    """
    cases = {
        "a window of 32 every 8": (32, 8),
        "a window of 32 every 16": (32, 16),
        "a window of 64 every pixel": (64, 1),
        "windows side by side, 32 every 32": (32, 32),
    }
    attempt.compare(cases, lambda w, s: (w / s) ** 2, _SEEN)
    return "with a window of 32 every 8, each pixel is processed 16 times"


_SEEN = {
    "one_side": lambda w, s: w / s,
    "added": lambda w, s: 2 * w / s,
    "pixels": lambda w, s: w**2,
    "upside_down": lambda w, s: (s / w) ** 2,
}


@exercise("head_parameters(channels, num_classes)")
def head_parameters(attempt: Attempt) -> str:
    """Check the number of weights and biases of an FCN's heads.

    The learner's `head_parameters(channels, num_classes)` takes the channels of the
    maps that are scored, one number per head, and K.
    """
    cases = {
        "a ResNet-50, six classes": ((512, 1024, 2048), 6),
        "a ResNet-18, seven classes": ((128, 256, 512), 7),
        "one head alone, two classes": ((512,), 2),
    }
    attempt.compare(cases, lambda c, K: sum(n + 1 for n in c) * K, _HEADS)
    return "a ResNet-50 with six classes has 21,522 of them"


_HEADS = {
    "no_biases": lambda c, K: sum(c) * K,
    "biases_once": lambda c, K: (sum(c) + 1) * K,
    "bias_per_head": lambda c, K: sum(n * K + 1 for n in c),
    "three_by_three": lambda c, K: sum((9 * n + 1) * K for n in c),
}


@exercise("sum_scores(scores, size)")
def sum_scores(attempt: Attempt) -> str:
    """Check the sum of scores that were computed at several strides.

    The learner's `sum_scores(scores, size)` takes maps (B, K, h, w) of unequal size and
    the image's (H, W); it gives (B, K, H, W), enlarged bilinearly.
    """

    def scores(heights: Sequence[int], widths: Sequence[int]) -> list[Tensor]:
        pairs = zip(heights, widths, strict=True)
        return [noise(2, 3, h, w, seed=k) for k, (h, w) in enumerate(pairs)]

    cases = {
        "three maps, an image of 32 x 32": (scores((4, 2, 1), (4, 2, 1)), (32, 32)),
        "an image of 33 x 41": (scores((5, 3, 2), (6, 3, 2)), (33, 41)),
        "only two maps": (scores((4, 2), (4, 2)), (16, 16)),
    }
    attempt.compare(cases, _summed, _SUMS)
    return f"{len(cases)} images, also of odd size"


def _enlarged(
    scores: Sequence[Tensor],
    size: tuple[int, int],
    mode: str = "bilinear",
    corners: bool | None = False,
) -> Tensor:
    """Resize each map: (B, K, h, w) -> (maps, B, K, H, W)."""
    return torch.stack(
        [F.interpolate(s, size, mode=mode, align_corners=corners) for s in scores]
    )


def _summed(scores: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    return _enlarged(scores, size).sum(dim=0)


_SUMS = {
    "nearest": lambda s, size: _enlarged(s, size, "nearest", None).sum(0),
    "corners": lambda s, size: _enlarged(s, size, corners=True).sum(0),
    "mean": lambda s, size: _enlarged(s, size).mean(0),
    "softmax": lambda s, size: _summed(s, size).softmax(dim=1),
}


@exercise("window_starts(side, window, overlap)")
def window_starts(attempt: Attempt) -> str:
    """Check where the windows along one side of an image begin.

    The learner's `window_starts(side, window, overlap)` takes three lengths in pixels
    and gives the positions in rising order; the last window ends where the image ends.
    """
    cases = {
        "a side of 10, windows of 4, overlap 1": (10, 4, 1),
        "a side of 11, windows of 4, overlap 1": (11, 4, 1),
        "a side of 20, windows of 6, no overlap": (20, 6, 0),
        "a side as long as the window": (8, 8, 3),
        "a side shorter than the window": (5, 8, 2),
        "a side of 256, windows of 64, overlap 24": (256, 64, 24),
    }
    attempt.compare(cases, _starts, _STARTS)
    return f"{len(cases)} sides are covered to their last pixel, and none beyond it"


def _starts(side: int, window: int, overlap: int) -> list[int]:
    last = max(0, side - window)
    return [*range(0, last, window - overlap), last]


_STARTS = {
    "border_missing": lambda side, w, o: [*range(0, max(side - w, 0) + 1, w - o)],
    "beyond": lambda side, w, o: [*range(0, side, w - o)],
    "twice": (
        lambda side, w, o: [*range(0, max(side - w, 0) + 1, w - o), max(side - w, 0)]
    ),
    "no_overlap": lambda side, w, o: _starts(side, w, 0),
    "below_zero": lambda side, w, o: [*range(0, side - w, w - o), side - w],
}


@exercise("mean_iou(truth, predicted, num_classes)")
def mean_iou(attempt: Attempt) -> str:
    """Check the mean intersection over union of a map.

    The learner's `mean_iou(truth, predicted, num_classes)` takes two maps of class
    numbers of one shape, 255 in the truth where the class is unknown, and K; it gives a
    number from 0 to 1. Classes that are in neither map are left out of the mean.
    """
    cases = {
        "a map of 4 classes": _pair(4),
        "a map with pixels of value 255": _pair(4, unknown=True, seed=2),
        "a class that is in neither map": _pair(4, seed=3)[:2] + (5,),
        "a class that is predicted but absent": _pair(3, highest=2, seed=4),
    }
    attempt.compare(cases, _iou, _IOUS)
    return "255 does not count, and a class in neither map is left out of the mean"


def _pair(
    K: int, *, highest: int = 0, unknown: bool = False, seed: int = 0
) -> tuple[Tensor, Tensor, int]:
    """Make a truth and a prediction that is right at about two of three pixels."""
    truth = draws(0, highest or K, 2, 9, 11, seed=seed)
    other = draws(0, K, 2, 9, 11, seed=seed + 10)
    predicted = torch.where(draws(0, 3, 2, 9, 11, seed=seed + 20) > 0, truth, other)
    if unknown:
        truth[:, :3, :4] = _UNKNOWN
    return truth.to(torch.uint8), predicted.to(torch.uint8), K


def _counts(
    truth: Tensor, predicted: Tensor, K: int, keep_unknown: bool = False
) -> tuple[Tensor, Tensor]:
    """Return the pixels of intersection and union of each class, (K,)."""
    known = (truth != _UNKNOWN) | keep_unknown
    classes = torch.arange(K).view(K, 1)
    there, said = truth[known] == classes, predicted[known] == classes  # (K, pixels)
    return (there & said).sum(1), (there | said).sum(1)


def _iou(truth: Tensor, predicted: Tensor, K: int, **how: bool) -> Tensor:
    right, union = _counts(truth, predicted, K, **how)
    return (right / union)[union > 0].mean()


def _nan_iou(truth: Tensor, predicted: Tensor, K: int) -> Tensor:
    right, union = _counts(truth, predicted, K)
    return (right / union).mean()


def _absent_are_0(truth: Tensor, predicted: Tensor, K: int) -> Tensor:
    right, union = _counts(truth, predicted, K)
    return (right / union.clamp(min=1)).mean()


def _dice(truth: Tensor, predicted: Tensor, K: int) -> Tensor:
    right, union = _counts(truth, predicted, K)
    return (2 * right / (union + right))[union > 0].mean()


_IOUS = {
    "nan": _nan_iou,
    "absent_as_zero": _absent_are_0,
    "unknown_counted": lambda t, p, K: _iou(t, p, K, keep_unknown=True),
    "accuracy": lambda t, p, K: (t == p)[t != _UNKNOWN].float().mean(),
    "dice": _dice,
}
