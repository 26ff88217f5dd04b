"""Pseudo-labels, masks, consistency and ramp-up against plain formulas."""

import math

import pytest
import torch

from tests.losses.draws import draw, slow_softmax
from workshop_lib.losses.pseudo_labels import (
    confidence_mask,
    consistency_loss,
    pseudo_label,
)
from workshop_lib.methods.classic import RampUp


@pytest.mark.parametrize(("N", "K"), [(1, 2), (7, 2), (5, 10), (12, 3)])
@pytest.mark.parametrize("temperature", [1.0, 0.4, 3.0])
def test_pseudo_label_and_mask_equal_their_loops(N, K, temperature):
    logits = draw(N, K)
    probs = pseudo_label(logits, temperature)
    mask = confidence_mask(probs, 0.7)
    for i in range(N):
        expected = slow_softmax(logits[i].tolist(), temperature)
        assert probs[i].tolist() == pytest.approx(expected, rel=1e-12)
        assert mask[i] == (1.0 if max(expected) >= 0.7 else 0.0)


@pytest.mark.parametrize(("N", "K"), [(1, 2), (7, 2), (5, 10), (12, 3)])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("filled", [0.0, 0.5, 1.0])
def test_consistency_equals_its_loop(N, K, soft, filled):
    logits, targets = draw(N, K), draw(N, K, seed=1).softmax(1)
    mask = (torch.arange(N) < filled * N).double()
    total = 0.0
    for i in range(N):
        p = slow_softmax(logits[i].tolist())
        q = targets[i].tolist()
        if not soft:
            q = [float(c == q.index(max(q))) for c in range(K)]
        total += mask[i].item() * -sum(q[c] * math.log(p[c]) for c in range(K))
    pseudo = targets if soft else targets.argmax(1)
    # divided by all N, not by the number of confident ones
    assert consistency_loss(logits, pseudo, mask).item() == pytest.approx(total / N)


def test_the_threshold_itself_counts():
    probs = torch.tensor([[0.5, 0.5], [0.49, 0.51], [1.0, 0.0]])
    assert confidence_mask(probs, 0.5).tolist() == [1, 1, 1]
    assert confidence_mask(probs, 1.0).tolist() == [0, 0, 1]


def test_no_gradient_into_targets_or_mask():
    weak = draw(4, 3).requires_grad_()
    strong = draw(4, 3, seed=1).requires_grad_()
    assert not pseudo_label(weak).requires_grad
    soft, mask = weak.softmax(1), weak.amax(1).sigmoid()
    consistency_loss(strong, soft, mask).backward()
    assert weak.grad is None
    assert strong.grad is not None
    assert strong.grad.abs().sum() > 0


def test_large_logits_stay_finite():
    logits = torch.tensor([[1e4, -1e4], [-1e4, 1e4]])
    loss = consistency_loss(logits, torch.tensor([1, 1]), torch.ones(2))
    assert pseudo_label(logits).isfinite().all()
    assert loss.item() == pytest.approx(1e4)


@pytest.mark.parametrize("shape", ["linear", "bell"])
@pytest.mark.parametrize("length", [1, 4, 2.5])
def test_every_step_of_a_ramp_is_the_formula_and_it_ends_at_one(shape, length):
    ramp = RampUp(length, shape)
    for step in range(8):
        t = min(1.0, step / length)
        expected = t if shape == "linear" else math.exp(-5 * (1 - t) ** 2)
        assert ramp().item() == pytest.approx(expected)
        ramp.advance()
    assert ramp() == RampUp(0)() == 1
