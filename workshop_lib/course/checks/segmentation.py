"""Checks of unit 08: windows, a network that scores every pixel, and its maps."""

__all__ = ["mean_iou", "window_starts"]


import torch
from torch import Tensor

from workshop_lib.course.checks.attempt import Answer, Cases, Mistakes, comparison
from workshop_lib.course.checks.values import draws
from workshop_lib.data.tiles import offsets

_UNKNOWN = 255  # a pixel without a true class


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
