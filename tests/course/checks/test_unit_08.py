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


RIGHT = {
    "times_seen": [lambda w, s: (w / s) ** 2, lambda w, s: (w // s) ** 2],
    "head_parameters": [count_by_torch, lambda c, K: K * sum(c) + K * len(c)],
    "sum_scores": [add_up, with_layers],
    "window_starts": [
        begin,
        begin_by_range,
        lambda side, w, o: offsets(side, w, w - o),
    ],
    "mean_iou": [iou, iou_by_class, librarys_iou],
}


@pytest.mark.parametrize(
    ("name", "right"), [(name, right) for name in RIGHT for right in RIGHT[name]]
)
def test_right(name, right):
    getattr(checks, name)(right)


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


WRONG = {
    "times_seen": [
        (lambda w, s: w // s, "this is along one side"),
        (lambda w, s: w / s * 2, "they do not add"),
        (lambda w, s: 16, "draw one row of pixels"),
        (lambda w, s: None, "returned nothing"),
    ],
    "head_parameters": [
        (lambda c, K: sum(c) * K, "the biases are missing"),
        (lambda c, K: sum(c) * K + K, "the biases were counted once"),
        (lambda c, K: 21_522, "a convolution of 1 x 1 pixel"),
    ],
    "sum_scores": [
        (lambda s, size: sum(F.interpolate(m, size) for m in s), "repeating pixels"),
        (lambda s, size: add_up(s, size) / len(s), "the mean of the maps"),
        (
            lambda s, size: sum(F.interpolate(m, scale_factor=8) for m in s),
            "two shapes do not fit",
        ),
        (lambda s, size: add_up(s, size).argmax(1), "two steps for each map"),
        (in_place, "changed its argument"),
    ],
    "window_starts": [
        (lambda s, w, o: list(range(0, s, w - o)), "begin up to the last pixel"),
        (
            lambda s, w, o: list(range(0, max(s - w, 0) + 1, w - o)),
            "the border is left out",
        ),
        (lambda s, w, o: [*range(0, s - w, w - o), s - w], "a start below 0"),
        (
            lambda s, w, o: [*range(0, max(s - w, 0) + 1, w - o), max(s - w, 0)],
            "there twice",
        ),
        (lambda s, w, o: list(range(0, s - w, o)), "your function raised an error"),
        (lambda s, w, o: 3, "the last begins at side - window"),
    ],
    "mean_iou": [
        (lambda t, p, K: iou_by_class(t, p, K, unknown=99), "count as wrong"),
        (iou_with_nan, "0 / 0 gave NaN"),
        (lambda t, p, K: (t == p)[t != 255].float().mean(), "overall accuracy"),
        (lambda t, p, K: 0.5, "print the confusion matrix first"),
        (no_filter, "two shapes do not fit"),
    ],
}


@pytest.mark.parametrize(
    ("name", "wrong", "hint"), [(name, *row) for name in WRONG for row in WRONG[name]]
)
def test_wrong(name, wrong, hint, refusal):
    assert hint in refusal(getattr(checks, name), wrong)
