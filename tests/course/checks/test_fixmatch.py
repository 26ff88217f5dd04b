"""FixMatch's loss of scenes and of pixels: values and gradients, however written."""

import pytest
import torch
import torch.nn.functional as F

from workshop_lib import losses
from workshop_lib.augment.occlusion import Follow
from workshop_lib.course import checks


def ten_lines(logits_x, y, logits_u_w, logits_u_s, threshold):
    loss_x = F.cross_entropy(logits_x, y)
    probs = torch.softmax(logits_u_w.detach(), dim=1)
    confidence, pseudo = probs.max(dim=1)
    mask = (confidence >= threshold).float()
    each = F.cross_entropy(logits_u_s, pseudo, reduction="none")
    return loss_x + (each * mask).mean()


def looped(logits_x, y, logits_u_w, logits_u_s, threshold):
    total = sum(-z.log_softmax(0)[k] for z, k in zip(logits_x, y, strict=True)) / len(y)
    for weak, strong in zip(logits_u_w, logits_u_s, strict=True):
        probs = weak.softmax(0)
        if probs.max() >= threshold:
            total = total - strong.log_softmax(0)[probs.argmax()] / len(logits_u_w)
    return total


def without_grad(logits_x, y, logits_u_w, logits_u_s, threshold):
    with torch.no_grad():
        confidence, pseudo = logits_u_w.softmax(1).max(1)
    each = F.cross_entropy(logits_u_s, pseudo, reduction="none")
    loss_u = each[confidence >= threshold].sum() / len(each)
    return loss_u + F.cross_entropy(logits_x, y)


def librarys(logits_x, y, logits_u_w, logits_u_s, threshold):
    probs = losses.pseudo_label(logits_u_w)
    mask = losses.confidence_mask(probs, threshold)
    loss_u = losses.consistency_loss(logits_u_s, probs.argmax(dim=1), mask)
    return F.cross_entropy(logits_x, y) + loss_u


@pytest.mark.parametrize("right", [ten_lines, looped, without_grad, librarys])
def test_right(right, capsys):
    checks.fixmatch_loss(right)
    assert capsys.readouterr().out.startswith("✓ fixmatch_loss: value and gradients")


def only_confident(x, y, w, s, t):
    keep = w.softmax(1).amax(1) >= t
    return F.cross_entropy(x, y) + F.cross_entropy(s[keep], w.argmax(1)[keep])


def by_confidence(x, y, w, s, t):
    confidence, pseudo = w.softmax(1).max(1)
    mask = (confidence >= t).float() * confidence / confidence.detach()
    each = F.cross_entropy(s, pseudo, reduction="none")
    return F.cross_entropy(x, y) + (each * mask).mean()


def maskless(x, y, w, s, t):
    return F.cross_entropy(x, y) + F.cross_entropy(s, w.argmax(1))


def mean_at_once(x, y, w, s, t):
    confidence, pseudo = w.detach().softmax(1).max(1)
    mask = (confidence >= t).float()
    return F.cross_entropy(x, y) + (F.cross_entropy(s, pseudo) * mask).mean()


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (mean_at_once, "has already taken the mean: with reduction='none'"),
        (only_confident, "0 / 0, which is NaN"),
        (by_confidence, "cut it off with logits_u_w.detach()"),
        (lambda x, y, w, s, t: ten_lines(x, y, s, w, t), "weak and strong are exch"),
        (maskless, "the mask is missing"),
        (
            lambda x, y, w, s, t: ten_lines(x, y, w, s.softmax(1), t),
            "softmax is taken twice: F.cross_entropy",
        ),
        (lambda x, y, w, s, t: F.cross_entropy(x, y), "look at the parts separately"),
        (lambda *a: ten_lines(*a[:4], a[4] + 1e-6), "look at the parts separately"),
        (lambda *a: ten_lines(*a).item(), "cannot be learnt from"),
        (lambda *a: ten_lines(*a).detach(), "cannot be learnt from"),
        (
            lambda x, y, w, s, t: ten_lines(x, y, w, s.detach(), t),
            "nothing is learnt from logits_u_s",
        ),
        (
            lambda x, y, w, s, t: ten_lines(x.detach(), y, w, s, t),
            "nothing is learnt from logits_x",
        ),
        (lambda x, y: 0.0, "the check calls fixmatch_loss(logits_x, y, logits_u_w"),
    ],
)
def test_wrong(wrong, hint, refusal):
    assert hint in refusal(checks.fixmatch_loss, wrong)


def follow(values, box):
    return torch.where(box, values.roll(1, dims=0), values)


def loss(weak, strong, box, hole, threshold):
    confidence, labels = weak.detach().softmax(dim=1).max(dim=1)
    confidence, labels = follow(confidence, box), follow(labels, box)
    each = F.cross_entropy(strong, labels, reduction="none")
    return (each * (confidence >= threshold))[~hole].mean()


def loss_by_pixels(weak, strong, box, hole, threshold):
    """Pixel by pixel, each from the tile that it shows."""
    total = 0.0
    for n, row, column in (~hole).nonzero().tolist():
        tile = n - 1 if box[n, row, column] else n
        probs = weak[tile, :, row, column].detach().softmax(0)
        if probs.max() >= threshold:
            scores = strong[n, :, row, column].log_softmax(0)
            total = total - scores[probs.argmax()]
    return total / (~hole).sum() + 0 * strong.sum()


def loss_ignoring(weak, strong, box, hole, threshold):
    """As with masks: pixels that must not count become 255."""
    mixed = torch.where(box[:, None], weak.roll(1, 0), weak)
    confidence, labels = mixed.detach().softmax(1).max(1)
    labels = labels.masked_fill(hole | (confidence < threshold), 255)
    total = F.cross_entropy(strong, labels, ignore_index=255, reduction="sum")
    return total / (~hole).sum()


def librarys_pixels(weak, strong, box, hole, threshold):
    """Follow CutMix and cutout as the views of a training do."""
    after = Follow(boxes=box, distance=1, hidden=hole)
    confidence, labels = weak.detach().softmax(1).max(1)
    mask = after((confidence >= threshold).float())
    each = F.cross_entropy(strong, after(labels), reduction="none")
    return (each * mask).sum() / after(torch.ones_like(mask)).sum()


@pytest.mark.parametrize(
    "right", [loss, loss_by_pixels, loss_ignoring, librarys_pixels]
)
def test_pixels_right(right):
    checks.pixel_loss(right)


def teaches_the_weak_view(weak, strong, box, hole, threshold):
    confidence = weak.softmax(1).amax(1)
    pull = (confidence - confidence.detach())[~hole].mean()  # 0, but with a gradient
    return loss(weak, strong, box, hole, threshold) + pull


def tile_after(weak, strong, box, hole, threshold):
    mixed = torch.where(box[:, None], weak.roll(-1, 0), weak)
    return loss(mixed, strong, box & False, hole, threshold)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda w, s, b, h, t: loss(w, s, b & False, h, t), "the box was left as it"),
        (lambda w, s, b, h, t: loss(w, s, ~b, h, t), "a single pixel"),
        (tile_after, "which tile does it show there?"),
        (lambda w, s, b, h, t: loss(w, s, b, h & False, t), "what lies under the hole"),
        (lambda w, s, b, h, t: loss(w, s, b, h, 0.0), "the mask of confidence is miss"),
        (lambda w, s, b, h, t: loss(w, s, b, h.flip(-1), t), "a single pixel"),
        (lambda w, s, b, h, t: loss(w, s, b, h, t) + 1, "a single pixel"),
        (lambda w, s, b, h, t: loss(w, s, b, h, t).item(), "cannot be learnt from"),
        (teaches_the_weak_view, "cut it off with logits_weak.detach()"),
    ],
)
def test_pixels_wrong(wrong, hint, refusal):
    assert hint in refusal(checks.pixel_loss, wrong)
