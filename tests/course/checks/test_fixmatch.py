"""FixMatch's loss: values and gradients, in the ways in which it is written."""

import pytest
import torch
import torch.nn.functional as F

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


@pytest.mark.parametrize("right", [ten_lines, looped, without_grad])
def test_right(right, capsys):
    checks.fixmatch_loss(right)
    assert capsys.readouterr().out.startswith("✓ fixmatch_loss: value and gradients")


def by_sure(x, y, w, s, t):
    confidence, pseudo = w.detach().softmax(1).max(1)
    mask = (confidence >= t).float()
    each = F.cross_entropy(s, pseudo, reduction="none")
    return F.cross_entropy(x, y) + (each * mask).sum() / mask.sum()


def only_sure(x, y, w, s, t):
    keep = w.softmax(1).amax(1) >= t
    return F.cross_entropy(x, y) + F.cross_entropy(s[keep], w.argmax(1)[keep])


def by_confidence(x, y, w, s, t):
    confidence, pseudo = w.softmax(1).max(1)
    mask = (confidence >= t).float() * confidence / confidence.detach()
    each = F.cross_entropy(s, pseudo, reduction="none")
    return F.cross_entropy(x, y) + (each * mask).mean()


def soft(x, y, w, s, t):
    probs = w.softmax(1)
    mask = (probs.amax(1) >= t).float()
    return F.cross_entropy(x, y) + (F.cross_entropy(s, probs, reduction="none") * mask).mean()  # noqa: E501  # fmt: skip


def maskless(x, y, w, s, t):
    return F.cross_entropy(x, y) + F.cross_entropy(s, w.argmax(1))


def on_probs(x, y, w, s, t):
    return ten_lines(x, y, w, s.softmax(1), t)


def mean_at_once(x, y, w, s, t):
    confidence, pseudo = w.detach().softmax(1).max(1)
    mask = (confidence >= t).float()
    return F.cross_entropy(x, y) + (F.cross_entropy(s, pseudo) * mask).mean()


def weak_judged(x, y, w, s, t):
    confidence, pseudo = w.detach().softmax(1).max(1)
    each = F.cross_entropy(w, pseudo, reduction="none")
    return F.cross_entropy(x, y) + (each * (confidence >= t)).mean()


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (mean_at_once, "has already taken the mean: with reduction='none'"),
        (weak_judged, "the strong view is to be judged, not the weak one"),
        (by_sure, "0 / 0, which is NaN"),
        (only_sure, "0 / 0, which is NaN"),
        (by_confidence, "cut it off with logits_u_w.detach()"),
        (soft, "the pseudo-labels are soft"),
        (lambda x, y, w, s, t: ten_lines(x, y, s, w, t), "weak and strong are exch"),
        (maskless, "the mask is missing"),
        (on_probs, "softmax is taken twice: F.cross_entropy"),
        (
            lambda x, y, w, s, t: ten_lines(x, y, w, s, t) - F.cross_entropy(x, y),
            "the labeled images are missing",
        ),
        (lambda x, y, w, s, t: F.cross_entropy(x, y), "unlabeled images are missing"),
        (lambda *a: ten_lines(*a[:4], a[4] + 1e-6), "use >= rather than >"),
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
        (
            lambda x, y, w, s, t: (
                F.cross_entropy(x, y),
                ten_lines(x, y, w, s, t) - F.cross_entropy(x, y),
            ),
            "two losses came",
        ),
        (lambda *a: 0.5 * ten_lines(*a), "look at the parts apart"),
        (lambda x, y: 0.0, "the check calls fixmatch_loss(logits_x, y, logits_u_w"),
    ],
)  # fmt: skip
def test_wrong(wrong, hint, refusal):
    assert hint in refusal(checks.fixmatch_loss, wrong)
