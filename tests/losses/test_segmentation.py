"""Losses of maps against loops over pixels; on two ranks they are those of one."""

import math
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from tests.losses.draws import draw
from workshop_lib import ranks
from workshop_lib.errors import WorkshopError
from workshop_lib.losses import pseudo_labels
from workshop_lib.losses.pseudo_labels import (
    SEGMENTATION_LOSSES,
    dice_loss,
    focal_loss,
    pixel_cross_entropy,
    segmentation_loss,
)
from workshop_lib.models.class_heads import MultiLabel
from workshop_lib.pixels import IGNORE

B, K, H, W = 2, 4, 5, 3


def batch(unknown=0.3, n=B):
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(n, K, H, W, generator=generator, dtype=torch.float64)
    masks = torch.randint(0, K, (n, H, W), generator=generator).to(torch.uint8)
    masks[torch.rand(n, H, W, generator=generator) < unknown] = IGNORE
    return logits, masks


def pixels(logits, masks):
    """All known pixels: probabilities as a list, and the true class."""
    for b in range(B):
        for i in range(H):
            for j in range(W):
                if masks[b, i, j] != IGNORE:
                    scores = [math.exp(float(s)) for s in logits[b, :, i, j]]
                    probs = [s / sum(scores) for s in scores]
                    yield probs, int(masks[b, i, j])


WEIGHTS = torch.tensor([1.0, 0.5, 2.0, 0.1])


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
def test_cross_entropy_and_focal_loss_are_those_of_a_loop(weights, gamma):
    logits, masks = batch()
    total = norm = 0.0
    for probs, y in pixels(logits, masks):
        w = 1.0 if weights is None else float(weights[y])
        total += w * (1 - probs[y]) ** gamma * -math.log(probs[y])
        norm += w
    found = focal_loss(logits, masks, weights, gamma)
    assert float(found) == pytest.approx(total / norm, rel=1e-6)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_dice_is_that_of_a_loop_over_classes_that_occur(weights):
    logits, masks = batch()
    masks[masks == 3] = IGNORE  # a class that is predicted but does not occur
    total = norm = 0.0
    for k in range(K):
        both = predicted = true = 0.0
        for probs, y in pixels(logits, masks):
            both += probs[k] * (y == k)
            predicted += probs[k]
            true += y == k
        if true:
            w = 1.0 if weights is None else float(weights[k])
            total += w * (1 - (2 * both + 1) / (predicted + true + 1))
            norm += w
    assert float(dice_loss(logits, masks, weights)) == pytest.approx(total / norm)


def test_cross_entropy_is_torchs_own():
    logits, masks = batch()
    expected = torch.nn.functional.cross_entropy(
        logits, masks.long(), weight=WEIGHTS.double(), ignore_index=IGNORE
    )
    assert torch.allclose(pixel_cross_entropy(logits, masks, WEIGHTS), expected)


@pytest.mark.parametrize("name", SEGMENTATION_LOSSES)
def test_the_gradient_is_right_and_none_comes_from_unknown_pixels(name):
    loss = segmentation_loss(name)
    logits, masks = batch()
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, masks, WEIGHTS), logits)
    (gradient,) = torch.autograd.grad(loss(logits, masks, None), logits)
    unknown = (masks == IGNORE)[:, None].expand_as(gradient)
    assert (gradient[unknown] == 0).all() and (gradient[~unknown] != 0).any()


@pytest.mark.parametrize("name", SEGMENTATION_LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_batch_of_which_nothing_is_known_gives_zero_and_not_nan(name, dtype):
    logits, masks = batch(unknown=2.0)
    logits = logits.to(dtype).requires_grad_()
    value = segmentation_loss(name)(logits, masks, WEIGHTS)
    value.backward()
    assert float(value.detach()) == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


@pytest.mark.parametrize("name", SEGMENTATION_LOSSES)
def test_sure_and_right_or_sure_and_wrong_stay_finite(name):
    _, masks = batch(unknown=0)
    right = 100.0 * torch.nn.functional.one_hot(masks.long(), K).permute(0, 3, 1, 2)
    for logits in (right, -right):
        logits = logits.clone().requires_grad_()
        value = segmentation_loss(name)(logits, masks, None)
        value.backward()
        assert value.isfinite() and logits.grad.isfinite().all()
    assert segmentation_loss(name)(right, masks, None) < 0.05
    assert segmentation_loss(name)(-right, masks, None) > 0.5


def test_bad_arguments_are_refused_in_words():
    with pytest.raises(WorkshopError, match="dice"):
        segmentation_loss("dise")


def check_two_ranks(monkeypatch, out: Tensor, loss) -> None:
    """Compare `loss(rows, scores)` of each half with that of the whole batch."""
    whole = out.clone().requires_grad_()
    expected = loss(slice(None), whole)
    (slope,) = torch.autograd.grad(expected, whole)
    told: list[Tensor] = [torch.empty(0)] * 2
    here, meet = threading.local(), threading.Barrier(2, timeout=60)

    def mean_over_ranks(values: Tensor) -> Tensor:
        told[here.rank] = values.detach()
        meet.wait()  # for what the other rank tells
        mean = (told[0] + told[1]) / 2
        meet.wait()
        return mean

    def on_rank(rank: int) -> tuple[Tensor, Tensor]:
        here.rank = rank
        mine = out[rank::2].clone().requires_grad_()
        found = loss(slice(rank, None, 2), mine)
        return found.detach(), *torch.autograd.grad(found, mine)

    for module in (ranks, pseudo_labels):
        monkeypatch.setattr(module, "mean_over_ranks", mean_over_ranks)
    monkeypatch.setattr(ranks, "world_size", lambda: 2)
    with ThreadPoolExecutor(2) as threads:
        losses, gradients = zip(*threads.map(on_rank, range(2)), strict=True)
    rows = torch.stack(gradients, 1).flatten(0, 1)  # 0, 1, ... of the whole batch
    torch.testing.assert_close(sum(losses) / 2, expected.detach(), rtol=1e-12, atol=0)
    torch.testing.assert_close(rows / 2, slope, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("name", sorted(SEGMENTATION_LOSSES))
def test_each_loss_is_that_of_the_whole_batch(name, weights, monkeypatch):
    """Of four tiles the second rank's (1 and 3) are nearly all unknown."""
    out, masks = batch(unknown=0, n=4)
    masks[1, 1:], masks[3] = IGNORE, IGNORE
    loss = SEGMENTATION_LOSSES[name]
    check_two_ranks(monkeypatch, out, lambda i, x: loss(x, masks[i], weights))


def test_supervised_loss_counts_the_known_of_all_ranks(monkeypatch):
    head, out = MultiLabel(1, 2).double(), draw(4, 2)
    nan = torch.nan
    target = torch.tensor([[1, 0], [nan, nan], [0, 1], [nan, 1]])
    check_two_ranks(monkeypatch, out, lambda i, x: head.supervised_loss(x, target[i]))
