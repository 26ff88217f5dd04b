"""The check of unit 08 of how good a map is: mean intersection over union."""

__all__ = ["mean_iou"]

import torch
from torch import Tensor

from workshop_lib import pixels
from workshop_lib.course.checks.inputs import draws
from workshop_lib.course.checks.trial import Mistake, Trial, exercise
from workshop_lib.pixels import IGNORE


@exercise("mean_iou(truth, predicted, num_classes)")
def mean_iou(trial: Trial) -> str:
    """Check the mean intersection over union of a map.

    The learner's `mean_iou(truth, predicted, num_classes)` takes two maps of class
    numbers of one shape, 255 in the truth where nobody knows, and K; it gives a number
    from 0 to 1. Classes that are in neither map are left out of the mean.
    """
    cases = {
        "a map of 4 classes": _pair(4),
        "a map with pixels of value 255": _pair(4, unknown=True, seed=2),
        "a class that is in neither map": _pair(5, absent=True, seed=3),
        "a class that is predicted and not there": _pair(3, invented=True, seed=4),
    }
    trial.compare(cases, _iou, _IOUS, look=_IOUS_LOOK)
    return "255 does not count, and a class that is nowhere is left out of the mean"


def _pair(
    K: int,
    *,
    unknown: bool = False,
    absent: bool = False,
    invented: bool = False,
    seed: int = 0,
) -> tuple[Tensor, Tensor, int]:
    """Make a truth and a prediction that is right at about two of three pixels."""
    highest = K - 1 if absent or invented else K
    truth = draws(0, highest, 2, 9, 11, seed=seed)
    other = draws(0, K if invented else highest, 2, 9, 11, seed=seed + 10)
    predicted = torch.where(draws(0, 3, 2, 9, 11, seed=seed + 20) > 0, truth, other)
    if unknown:
        truth[:, :3, :4] = IGNORE
    return truth.to(torch.uint8), predicted.to(torch.uint8), K


def _counts(truth: Tensor, predicted: Tensor, K: int) -> Tensor:
    return pixels.pixel_confusion(truth, predicted, K).double()  # (K, K)


def _parts(truth: Tensor, predicted: Tensor, K: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return of each class: pixels that are right, of the truth, predicted; (K,)."""
    counts = _counts(truth, predicted, K)
    return counts.diag(), counts.sum(1), counts.sum(0)


def _iou(truth: Tensor, predicted: Tensor, K: int) -> float:
    return pixels.mean_iou(pixels.pixel_confusion(truth, predicted, K))


def _of_classes(right: Tensor, whole: Tensor) -> Tensor:
    """Average a share over the classes that have one."""
    return (right / whole)[whole > 0].mean()


def _nan_iou(truth: Tensor, predicted: Tensor, K: int) -> Tensor:
    right, there, said = _parts(truth, predicted, K)
    return (right / (there + said - right)).mean()


def _over_all(truth: Tensor, predicted: Tensor, K: int, absent: float) -> Tensor:
    right, there, said = _parts(truth, predicted, K)
    return (right / (there + said - right)).nan_to_num(nan=absent).mean()


def _only_there(truth: Tensor, predicted: Tensor, K: int) -> Tensor:
    right, there, said = _parts(truth, predicted, K)
    return (right / (there + said - right))[there > 0].mean()


def _unknown_are_wrong(truth: Tensor, predicted: Tensor, K: int) -> Tensor:
    right, there, said = _parts(truth, predicted, K)
    said = torch.bincount(predicted.flatten().long(), minlength=K).double()
    return _of_classes(right, there + said - right)


def _two_sums(truth: Tensor, predicted: Tensor, K: int) -> Tensor:
    right, there, said = _parts(truth, predicted, K)
    return _of_classes(right, there + said)


def _dice(truth: Tensor, predicted: Tensor, K: int) -> Tensor:
    right, there, said = _parts(truth, predicted, K)
    return _of_classes(2 * right, there + said)


def _pooled(truth: Tensor, predicted: Tensor, K: int) -> Tensor:
    right, there, said = _parts(truth, predicted, K)
    return right.sum() / (there + said - right).sum()


_IOUS_LOOK = (
    "print the confusion matrix first: its sum is the number of known pixels. Then of"
    " each class: the diagonal, over row + column - diagonal."
)
_IOUS = (
    Mistake(
        "0 / 0 gave NaN: a class that is in neither map has no union. Take the mean"
        " over the classes with a union above 0.",
        _nan_iou,
    ),
    Mistake(
        "a class that is in neither map was counted as 0: nobody could have found it."
        " Leave it out of the mean.",
        lambda t, p, K: _over_all(t, p, K, 0.0),
    ),
    Mistake(
        "a class that is in neither map was counted as 1, as if it had been found:"
        " leave it out of the mean.",
        lambda t, p, K: _over_all(t, p, K, 1.0),
    ),
    Mistake(
        "a class that is predicted and not there was left out: it is wrong wherever it"
        " stands, an IoU of 0. Ask for the union, not for the truth.",
        _only_there,
    ),
    Mistake(
        "pixels of value 255 count as wrong: nobody knows them. Take them out of both"
        " maps first, truth != 255.",
        _unknown_are_wrong,
    ),
    Mistake(
        "what is right is counted twice in the union: row + column - diagonal.",
        _two_sums,
    ),
    Mistake(
        "this is the Dice coefficient, or F1: the IoU divides by the union, once.",
        _dice,
    ),
    Mistake(
        "this is the overall accuracy, all pixels together: the IoU is of each class,"
        " and then comes the mean.",
        lambda t, p, K: _parts(t, p, K)[0].sum() / _counts(t, p, K).sum(),
    ),
    Mistake(
        "this is the mean accuracy of the classes (diagonal over row): the union also"
        " holds the pixels that were wrongly called so, row + column - diagonal.",
        lambda t, p, K: _of_classes(*_parts(t, p, K)[:2]),
    ),
    Mistake(
        "all intersections were divided by all unions: divide class by class, then take"
        " the mean, or the rare classes do not count.",
        _pooled,
    ),
    Mistake(
        "one number per class came: take their mean.",
        lambda t, p, K: _each_iou(t, p, K),
    ),
    Mistake(
        "you gave per cent: here, as everywhere in the library, shares are 0 to 1.",
        lambda t, p, K: 100 * _iou(t, p, K),
    ),
)


def _each_iou(truth: Tensor, predicted: Tensor, K: int) -> Tensor:
    right, there, said = _parts(truth, predicted, K)
    union = there + said - right
    return (right / union)[union > 0]
