"""Checks of unit 08: windows, a network that scores every pixel, and its maps."""

__all__ = ["head_parameters", "mean_iou", "sum_scores", "times_seen", "window_starts"]

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from workshop_lib.course.checks.attempt import Answer, Cases, Mistakes, comparison
from workshop_lib.course.checks.values import draws, noise
from workshop_lib.data.tiles import offsets

_UNKNOWN = 255  # a pixel without a true class


@comparison("times_seen(window, stride)")
def times_seen(cases: Cases, wrong: Mistakes) -> Answer:
    """Check how often a pixel is processed while a window slides over an image.

    The learner's `times_seen(window, stride)` takes two lengths in pixels and gives the
    number of windows that contain a pixel far from the border.
    """
    cases["a window of 32 every 8"] = 32, 8
    cases["a window of 64 every pixel"] = 64, 1
    cases["windows side by side, 32 every 32"] = 32, 32
    wrong["one_side"] = lambda w, s: w / s
    wrong["added"] = lambda w, s: 2 * w / s
    wrong["pixels"] = lambda w, s: w**2
    return lambda w, s: (w / s) ** 2


@comparison("head_parameters(channels, num_classes)")
def head_parameters(cases: Cases, wrong: Mistakes) -> Answer:
    """Check the number of weights and biases of an FCN's heads.

    The learner's `head_parameters(channels, num_classes)` takes the channels of the
    maps that are scored, one number per head, and K.
    """
    cases["a ResNet-50, six classes"] = (512, 1024, 2048), 6
    cases["a ResNet-18, seven classes"] = (128, 256, 512), 7
    cases["one head alone, two classes"] = (512,), 2
    wrong["no_biases"] = lambda c, K: sum(c) * K
    wrong["biases_once"] = lambda c, K: (sum(c) + 1) * K
    wrong["bias_per_head"] = lambda c, K: sum(n * K + 1 for n in c)
    return lambda c, K: sum(n + 1 for n in c) * K


@comparison("sum_scores(scores, size)")
def sum_scores(cases: Cases, wrong: Mistakes) -> Answer:
    """Check the sum of scores that were computed at several strides.

    The learner's `sum_scores(scores, size)` takes maps (B, K, h, w) of unequal size and
    the image's (H, W); it gives (B, K, H, W), enlarged bilinearly.
    """

    def scores(*sides: tuple[int, int]) -> list[Tensor]:
        return [noise(2, 3, *side, seed=k) for k, side in enumerate(sides)]

    cases["three maps, an image of 32 x 32"] = scores((4, 4), (2, 2), (1, 1)), (32, 32)
    cases["an image of 33 x 41"] = scores((5, 6), (3, 3), (2, 2)), (33, 41)
    cases["only two maps"] = scores((4, 4), (2, 2)), (16, 16)
    wrong["nearest"] = lambda s, size: _summed(s, size, "nearest", None)
    wrong["corners"] = lambda s, size: _summed(s, size, corners=True)
    wrong["mean"] = lambda s, size: _summed(s, size) / len(s)
    wrong["softmax"] = lambda s, size: _summed(s, size).softmax(dim=1)
    return _summed


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


@comparison("window_starts(side, window, overlap)")
def window_starts(cases: Cases, wrong: Mistakes) -> Answer:
    """Check where the windows along one side of an image begin.

    The learner's `window_starts(side, window, overlap)` takes three lengths in pixels
    and gives the positions in rising order; the last window ends where the image ends.
    """
    cases["a side of 11, windows of 4, overlap 1"] = 11, 4, 1
    cases["a side of 20, windows of 6, no overlap"] = 20, 6, 0
    cases["a side as long as the window"] = 8, 8, 3
    cases["a side shorter than the window"] = 5, 8, 2
    cases["a side of 256, windows of 64, overlap 24"] = 256, 64, 24
    wrong["border_missing"] = lambda n, w, o: [*range(0, max(n - w, 0) + 1, w - o)]
    wrong["beyond"] = lambda n, w, o: [*range(0, n, w - o)]
    wrong["no_overlap"] = lambda n, w, o: offsets(n, w, w)
    wrong["below_zero"] = lambda n, w, o: [*range(0, n - w, w - o), n - w]
    return lambda side, window, overlap: offsets(side, window, window - overlap)


@comparison("mean_iou(truth, predicted, num_classes)")
def mean_iou(cases: Cases, wrong: Mistakes) -> Answer:
    """Check the mean intersection over union of a map.

    The learner's `mean_iou(truth, predicted, num_classes)` takes two maps of class
    numbers of one shape, 255 in the truth where the class is unknown, and K; it gives a
    number from 0 to 1. Classes that are in neither map are left out of the mean.
    """
    cases["a map of 4 classes"] = _pair(4)
    cases["a map with pixels of value 255"] = _pair(4, unknown=True, seed=2)
    cases["a class that is in neither map"] = _pair(4, seed=3)[:2] + (5,)
    cases["a class that is predicted but absent"] = _pair(3, highest=2, seed=4)
    wrong["nan"] = lambda t, p, K: _ious(t, p, K).mean()
    wrong["absent_as_zero"] = lambda t, p, K: _ious(t, p, K).nan_to_num().mean()
    wrong["unknown_counted"] = lambda t, p, K: _ious(t, p, K, all_pixels=True).nanmean()
    wrong["accuracy"] = lambda t, p, K: (t == p)[t != _UNKNOWN].float().mean()
    return lambda truth, predicted, K: _ious(truth, predicted, K).nanmean()


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
