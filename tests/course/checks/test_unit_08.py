"""Unit 08: windows, heads and maps, written as a learner would."""

import pytest
import torch
import torch.nn.functional as F

from workshop_lib.course import checks


@pytest.mark.parametrize(
    "right", [lambda w, s: (w / s) ** 2, lambda w, s: (w // s) ** 2]
)
def test_times_right(right):
    checks.times_seen(right)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda w, s: w // s, "this is along one side"),
        (lambda w, s: w / s * 2, "they do not add"),
        (lambda w, s: 16, "draw one row of pixels"),
        (lambda w, s: None, "returned nothing"),
    ],
)
def test_times_wrong(wrong, hint, refusal):
    assert hint in refusal(checks.times_seen, wrong)


def count_by_torch(channels, K):
    heads = [torch.nn.Conv2d(c, K, 1) for c in channels]
    return sum(p.numel() for head in heads for p in head.parameters())


def test_parameters_right():
    checks.head_parameters(count_by_torch)
    checks.head_parameters(lambda c, K: K * sum(c) + K * len(c))


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda c, K: sum(c) * K, "the biases are missing"),
        (lambda c, K: sum(c) * K + K, "the biases were counted once"),
        (lambda c, K: 21_522, "a convolution of 1 x 1 pixel"),
    ],
)
def test_parameters_wrong(wrong, hint, refusal):
    assert hint in refusal(checks.head_parameters, wrong)


def add_up(scores, size):
    total = 0
    for one in scores:
        total = total + F.interpolate(one, size=size, mode="bilinear")
    return total


def test_sum_right():
    checks.sum_scores(add_up)
    layer = torch.nn.Upsample
    checks.sum_scores(lambda s, size: sum(layer(size, mode="bilinear")(m) for m in s))


def in_place(scores, size):
    total = F.interpolate(scores[0], size=size, mode="bilinear")
    scores[0].zero_()
    return total + sum(F.interpolate(m, size=size, mode="bilinear") for m in scores[1:])


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda s, size: sum(F.interpolate(m, size) for m in s), "repeating pixels"),
        (lambda s, size: add_up(s, size) / len(s), "the mean of the maps"),
        (
            lambda s, size: sum(F.interpolate(m, scale_factor=8) for m in s),
            "two shapes do not fit",
        ),
        (lambda s, size: sum(s), "two shapes do not fit"),
        (lambda s, size: add_up(s, size).argmax(1), "three steps for each map"),
        (in_place, "changed its argument"),
    ],
)
def test_sum_wrong(wrong, hint, refusal):
    assert hint in refusal(checks.sum_scores, wrong)


def begin(side, window, overlap):
    found, position = [], 0
    while position + window < side:
        found.append(position)
        position += window - overlap
    return [*found, max(side - window, 0)]


def begin_by_range(side, window, overlap):
    last = max(0, side - window)
    return sorted({*range(0, last + 1, window - overlap), last})


@pytest.mark.parametrize("right", [begin, begin_by_range])
def test_starts_right(right):
    checks.window_starts(right)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
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
        (lambda s, w, o: list(range(0, s - w, o)), "your function stopped"),
        (lambda s, w, o: 3, "the last begins at side - window"),
    ],
)
def test_starts_wrong(wrong, hint, refusal):
    assert hint in refusal(checks.window_starts, wrong)


def iou(truth, predicted, K):
    known = truth != 255
    pairs = truth[known].long() * K + predicted[known].long()
    counts = torch.bincount(pairs, minlength=K * K).view(K, K)
    right = counts.diag()
    union = counts.sum(0) + counts.sum(1) - right
    return (right / union)[union > 0].mean()


def iou_by_class(truth, predicted, K):
    shares = []
    for k in range(K):
        here = (truth == k) & (truth != 255)
        said = (predicted == k) & (truth != 255)
        if (here | said).any():
            shares.append(float((here & said).sum() / (here | said).sum()))
    return sum(shares) / len(shares)


@pytest.mark.parametrize("right", [iou, iou_by_class])
def test_iou_right(right):
    checks.mean_iou(right)


def iou_with_unknown(truth, predicted, K):
    shares = []
    for k in range(K):
        here, said = truth == k, predicted == k
        if (here | said).any():
            shares.append(float((here & said).sum() / (here | said).sum()))
    return sum(shares) / len(shares)


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
    ("wrong", "hint"),
    [
        (iou_with_unknown, "count as wrong"),
        (iou_with_nan, "0 / 0 gave NaN"),
        (lambda t, p, K: (t == p)[t != 255].float().mean(), "overall accuracy"),
        (lambda t, p, K: 100 * iou(t, p, K), "per cent"),
        (lambda t, p, K: 0.5, "print the confusion matrix first"),
        (no_filter, "two shapes do not fit"),
    ],
)
def test_iou_wrong(wrong, hint, refusal):
    assert hint in refusal(checks.mean_iou, wrong)


def loss(weak, strong, hole, threshold):
    sure, labels = weak.detach().softmax(dim=1).max(dim=1)
    sure, labels = sure.flip(-1), labels.flip(-1)
    each = F.cross_entropy(strong, labels, reduction="none")
    return (each * (sure >= threshold))[~hole].mean()


def loss_turned_back(weak, strong, hole, threshold):
    """The strong view is mirrored back in place of the weak one's labels."""
    sure, labels = weak.detach().softmax(1).max(1)
    strong, seen = strong.flip(3), ~hole.flip(2)
    each = F.cross_entropy(strong, labels, reduction="none")
    return (each * (sure >= threshold) * seen).sum() / seen.sum()


def loss_ignoring(weak, strong, hole, threshold):
    """As with masks: what must not count becomes 255; the sum is divided by hand."""
    sure, labels = weak.detach().flip(-1).softmax(1).max(1)
    labels = labels.masked_fill(hole | (sure < threshold), 255)
    total = F.cross_entropy(strong, labels, ignore_index=255, reduction="sum")
    return total / (~hole).sum()


@pytest.mark.parametrize("right", [loss, loss_turned_back, loss_ignoring])
def test_loss_right(right):
    checks.pixel_loss(right)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda w, s, h, t: loss(w.flip(-1), s, h, t), "the mirror was not undone"),
        (lambda w, s, h, t: loss(w, s, h & False, t), "what lies under the hole"),
        (lambda w, s, h, t: loss(w, s, h.flip(-1), t), "the hole was mirrored"),
        (lambda w, s, h, t: loss(w, s, ~h, t), "are exchanged: hole"),
        (lambda w, s, h, t: loss(w, s, h, t).item(), "cannot be learnt from"),
        (lambda w, s, h, t: loss(w, s, h, t) + 1, "a single pixel"),
        (lambda w, s, h, t: loss(w, s, h, 0.0), "the mask of confidence is missing"),
    ],
)
def test_loss_wrong(wrong, hint, refusal):
    assert hint in refusal(checks.pixel_loss, wrong)


def test_the_weak_view_is_not_taught(refusal):
    def taught(weak, strong, hole, threshold):
        sure = weak.softmax(1).amax(1).flip(-1)
        pull = (sure - sure.detach())[~hole].mean()  # 0, but with a gradient
        return loss(weak, strong, hole, threshold) + pull

    assert "detach" in refusal(checks.pixel_loss, taught)
