"""Unit 08: windows, heads and maps, as a learner would write them."""

import pytest
import torch
import torch.nn.functional as F

from workshop_lib import pixels
from workshop_lib.course import checks
from workshop_lib.data.tiles import offsets


def count_by_torch(channels, K):
    heads = [torch.nn.Conv2d(c, K, 1) for c in channels]
    return sum(p.numel() for head in heads for p in head.parameters())


def add_up(scores, size):
    total = 0
    for one in scores:
        total = total + F.interpolate(one, size=size, mode="bilinear")
    return total


def with_layers(scores, size):
    return sum(torch.nn.Upsample(size, mode="bilinear")(one) for one in scores)


def begin(side, window, overlap):
    found, position = [], 0
    while position + window < side:
        found.append(position)
        position += window - overlap
    return [*found, max(side - window, 0)]


def begin_by_range(side, window, overlap):
    last = max(0, side - window)
    return sorted({*range(0, last + 1, window - overlap), last})


def iou(truth, predicted, K):
    known = truth != 255
    pairs = truth[known].long() * K + predicted[known].long()
    counts = torch.bincount(pairs, minlength=K * K).view(K, K)
    right = counts.diag()
    union = counts.sum(0) + counts.sum(1) - right
    return (right / union)[union > 0].mean()


def iou_by_class(truth, predicted, K, unknown=255):
    shares = []
    for k in range(K):
        here = (truth == k) & (truth != unknown)
        said = (predicted == k) & (truth != unknown)
        if (here | said).any():
            shares.append(float((here & said).sum() / (here | said).sum()))
    return sum(shares) / len(shares)


def librarys_iou(truth, predicted, K):
    return pixels.mean_iou(pixels.pixel_confusion(truth, predicted, K))


@pytest.mark.parametrize(
    ("check", "right"),
    [
        (checks.times_seen, lambda w, s: (w / s) ** 2),
        (checks.times_seen, lambda w, s: (w // s) ** 2),
        (checks.head_parameters, count_by_torch),
        (checks.head_parameters, lambda c, K: K * sum(c) + K * len(c)),
        (checks.sum_scores, add_up),
        (checks.sum_scores, with_layers),
        (checks.window_starts, begin),
        (checks.window_starts, begin_by_range),
        (checks.window_starts, lambda side, w, o: offsets(side, w, w - o)),
        (checks.mean_iou, iou),
        (checks.mean_iou, iou_by_class),
        (checks.mean_iou, librarys_iou),
    ],
)
def test_right(check, right):
    check(right)


def in_place(scores, size):
    total = F.interpolate(scores[0], size=size, mode="bilinear")
    scores[0].zero_()
    return total + sum(F.interpolate(m, size=size, mode="bilinear") for m in scores[1:])


def iou_with_nan(truth, predicted, K):
    known = truth != 255
    truth, predicted = truth[known], predicted[known]
    shares = [
        ((truth == k) & (predicted == k)).sum()
        / ((truth == k) | (predicted == k)).sum()
        for k in range(K)
    ]
    return torch.stack(shares).mean()


def no_filter(truth, predicted, K):
    pairs = truth.flatten().long() * K + predicted.flatten().long()
    counts = torch.bincount(pairs, minlength=K * K).view(K, K)  # 255 has no row
    return (counts.diag() / (counts.sum(0) + counts.sum(1) - counts.diag())).mean()


@pytest.mark.parametrize(
    ("check", "wrong", "hint"),
    [
        (checks.times_seen, lambda w, s: w // s, "this is along one side"),
        (checks.times_seen, lambda w, s: w / s * 2, "they do not add"),
        (checks.times_seen, lambda w, s: 16, "draw one row of pixels"),
        (checks.times_seen, lambda w, s: None, "returned nothing"),
        (checks.head_parameters, lambda c, K: sum(c) * K, "the biases are missing"),
        (
            checks.head_parameters,
            lambda c, K: sum(c) * K + K,
            "the biases were counted once",
        ),
        (checks.head_parameters, lambda c, K: 21_522, "a convolution of 1 x 1 pixel"),
        (
            checks.sum_scores,
            lambda s, size: sum(F.interpolate(m, size) for m in s),
            "repeating pixels",
        ),
        (
            checks.sum_scores,
            lambda s, size: add_up(s, size) / len(s),
            "the mean of the maps",
        ),
        (
            checks.sum_scores,
            lambda s, size: sum(F.interpolate(m, scale_factor=8) for m in s),
            "two shapes do not fit",
        ),
        (
            checks.sum_scores,
            lambda s, size: add_up(s, size).argmax(1),
            "two steps for each map",
        ),
        (checks.sum_scores, in_place, "changed its argument"),
        (
            checks.window_starts,
            lambda s, w, o: list(range(0, s, w - o)),
            "begin up to the last pixel",
        ),
        (
            checks.window_starts,
            lambda s, w, o: list(range(0, max(s - w, 0) + 1, w - o)),
            "the border is left out",
        ),
        (
            checks.window_starts,
            lambda s, w, o: [*range(0, s - w, w - o), s - w],
            "a start below 0",
        ),
        (
            checks.window_starts,
            lambda s, w, o: [*range(0, max(s - w, 0) + 1, w - o), max(s - w, 0)],
            "there twice",
        ),
        (
            checks.window_starts,
            lambda s, w, o: list(range(0, s - w, o)),
            "your function raised an error",
        ),
        (checks.window_starts, lambda s, w, o: 3, "the last begins at side - window"),
        (
            checks.mean_iou,
            lambda t, p, K: iou_by_class(t, p, K, unknown=99),
            "count as wrong",
        ),
        (checks.mean_iou, iou_with_nan, "0 / 0 gave NaN"),
        (
            checks.mean_iou,
            lambda t, p, K: (t == p)[t != 255].float().mean(),
            "overall accuracy",
        ),
        (checks.mean_iou, lambda t, p, K: 0.5, "print the confusion matrix first"),
        (checks.mean_iou, no_filter, "two shapes do not fit"),
    ],
)
def test_wrong(check, wrong, hint, refusal):
    assert hint in refusal(check, wrong)
