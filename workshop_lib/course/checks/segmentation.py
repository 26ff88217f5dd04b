"""Checks of unit 08: windows, a network that scores every pixel, and its maps."""

__all__ = [
    "head_parameters",
    "mean_iou",
    "pixel_loss",
    "sum_scores",
    "times_seen",
    "window_starts",
]

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from workshop_lib.course.checks.attempt import Attempt, exercise
from workshop_lib.course.checks.training import check_gradients, consistency
from workshop_lib.course.checks.values import draws, noise

_UNKNOWN = 255  # a pixel without a true class


@exercise("times_seen(window, stride)")
def times_seen(attempt: Attempt) -> str:
    """Check how often a pixel is processed while a window slides over an image.

    The learner's `times_seen(window, stride)` takes two lengths in pixels and gives the
    number of windows that contain a pixel far from the border.
    """
    cases = {
        "a window of 32 every 8": (32, 8),
        "a window of 64 every pixel": (64, 1),
        "windows side by side, 32 every 32": (32, 32),
    }
    attempt.compare(cases, lambda w, s: (w / s) ** 2, _SEEN)
    return "with a window of 32 every 8, each pixel is processed 16 times"


_SEEN = {
    "one_side": lambda w, s: w / s,
    "added": lambda w, s: 2 * w / s,
    "pixels": lambda w, s: w**2,
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
}


@exercise("sum_scores(scores, size)")
def sum_scores(attempt: Attempt) -> str:
    """Check the sum of scores that were computed at several strides.

    The learner's `sum_scores(scores, size)` takes maps (B, K, h, w) of unequal size and
    the image's (H, W); it gives (B, K, H, W), enlarged bilinearly.
    """

    def scores(*sides: tuple[int, int]) -> list[Tensor]:
        return [noise(2, 3, *side, seed=k) for k, side in enumerate(sides)]

    cases = {
        "three maps, an image of 32 x 32": (scores((4, 4), (2, 2), (1, 1)), (32, 32)),
        "an image of 33 x 41": (scores((5, 6), (3, 3), (2, 2)), (33, 41)),
        "only two maps": (scores((4, 4), (2, 2)), (16, 16)),
    }
    attempt.compare(cases, _summed, _SUMS)
    return f"{len(cases)} images, also of odd size"


def _summed(
    scores: Sequence[Tensor],
    size: tuple[int, int],
    mode: str = "bilinear",
    corners: bool | None = False,
) -> Tensor:
    """Sum the maps, each resized: (B, K, h, w) -> (B, K, H, W)."""
    enlarged = [
        F.interpolate(s, size, mode=mode, align_corners=corners) for s in scores
    ]
    return torch.stack(enlarged).sum(dim=0)


_SUMS = {
    "nearest": lambda s, size: _summed(s, size, "nearest", None),
    "corners": lambda s, size: _summed(s, size, corners=True),
    "mean": lambda s, size: _summed(s, size) / len(s),
    "softmax": lambda s, size: _summed(s, size).softmax(dim=1),
}


@exercise("window_starts(side, window, overlap)")
def window_starts(attempt: Attempt) -> str:
    """Check where the windows along one side of an image begin.

    The learner's `window_starts(side, window, overlap)` takes three lengths in pixels
    and gives the positions in rising order; the last window ends where the image ends.
    """
    cases = {
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


def _ious(truth: Tensor, predicted: Tensor, K: int, all_pixels: bool = False) -> Tensor:
    """Compute the IoU of each class, (K,); NaN for one that is in neither map."""
    known = (truth != _UNKNOWN) | all_pixels
    classes = torch.arange(K).view(K, 1)
    there, said = truth[known] == classes, predicted[known] == classes  # (K, pixels)
    return (there & said).sum(1) / (there | said).sum(1)


def _iou(truth: Tensor, predicted: Tensor, K: int, all_pixels: bool = False) -> Tensor:
    return _ious(truth, predicted, K, all_pixels).nanmean()


_IOUS = {
    "nan": lambda t, p, K: _ious(t, p, K).mean(),
    "absent_as_zero": lambda t, p, K: _ious(t, p, K).nan_to_num().mean(),
    "unknown_counted": lambda t, p, K: _iou(t, p, K, all_pixels=True),
    "accuracy": lambda t, p, K: (t == p)[t != _UNKNOWN].float().mean(),
}


@exercise("pixel_loss(logits_weak, logits_strong, box, hole, threshold)")
def pixel_loss(attempt: Attempt) -> str:
    """Check the loss of strong views with a box of another tile and a hole.

    The learner's function takes the scores of both views (N, K, H, W), where the strong
    view shows the tile before it and where nothing, (N, H, W) bool each, and the
    threshold. It gives a scalar: the mean over the pixels outside the hole, of the
    confident ones' cross-entropy.
    """
    box = torch.zeros(3, 6, 8, dtype=torch.bool)
    box[0, 1:5, :4] = box[1, 2:, 3:7] = box[2, :3, 2:] = True
    hole = torch.zeros(3, 6, 8, dtype=torch.bool)
    hole[0, 1:4, 5:] = hole[1, :2, :3] = hole[2, 2:4, 1:4] = True  # one meets its box
    weak, strong = noise(3, 4, 6, 8, seed=1), 3 * noise(3, 4, 6, 8, seed=2)
    cases = {
        "three tiles with a box and a hole each": (2 * weak, strong, box, hole, 0.7),
        "no hole": (2 * weak, strong, box, hole & False, 0.6),
        "no box": (2 * weak, strong, box & False, hole, 0.6),
        "no confident pixel": (0.5 * weak, strong, box, hole, 0.999),
    }
    attempt.compare(cases, _pixels, _PIXELS)
    check_gradients(attempt, *next(iter(cases.items())), weak="logits_weak")
    return "the box followed, the hole left out, no gradient through the weak view"


def _mixed(weak: Tensor, box: Tensor) -> Tensor:
    """Fill each tile's box from the tile before: (N, K, H, W)."""
    return torch.where(box[:, None], weak.roll(1, dims=0), weak)


def _pixels(
    weak: Tensor, strong: Tensor, box: Tensor, hole: Tensor, threshold: float
) -> Tensor:
    return consistency(_mixed(weak, box), strong, threshold, ~hole)


_PIXELS = {
    "not_mixed": lambda w, s, box, hole, t: consistency(w, s, t, ~hole),
    "hole_asked": lambda w, s, box, hole, t: consistency(_mixed(w, box), s, t),
    "hole_in_mean": lambda *given: _pixels(*given) * (~given[3]).float().mean(),
    "no_mask": lambda w, s, box, hole, t: _pixels(w, s, box, hole, 0.0),
}
