"""Losses of maps on two ranks: their mean, and its gradient, are those of one.

Both ranks live in this process: the first call tells the sums, the second gets the mean
of both, as an exchange would.
"""

import pytest
import torch
from torch import Tensor

from workshop_lib import ranks
from workshop_lib.losses import segmentation
from workshop_lib.losses.segmentation import SEGMENTATION_LOSSES
from workshop_lib.methods import pixel_fixmatch
from workshop_lib.methods.pixel_fixmatch import pixel_consistency
from workshop_lib.pixels import IGNORE

B, K, H, W = 4, 3, 5, 6
WEIGHTS = torch.tensor([1.0, 0.5, 2.0], dtype=torch.float64)


def batch() -> tuple[Tensor, Tensor]:
    """Four tiles, of which the second rank's (1 and 3) are nearly all unknown."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(B, K, H, W, generator=generator, dtype=torch.float64)
    masks = torch.randint(0, K, (B, H, W), generator=generator).to(torch.uint8)
    masks[1, 1:], masks[3] = IGNORE, IGNORE
    return logits, masks


class Exchange:
    """Stands for `mean_over_ranks`: listens to both ranks, then answers both."""

    def __init__(self) -> None:
        self.told: list[list[Tensor]] = [[], []]
        self.rank, self.calls, self.listening = 0, 0, True

    def turn(self, rank: int) -> None:
        """Go on as another rank."""
        self.rank, self.calls = rank, 0

    def __call__(self, values: Tensor) -> Tensor:
        """Note what this rank tells, or return the mean of what both have told."""
        k, self.calls = self.calls, self.calls + 1
        if self.listening:
            self.told[self.rank].append(values.detach().clone())
            return values.detach()
        return (self.told[0][k] + self.told[1][k]) / 2


def on_two_ranks(monkeypatch, compute) -> tuple[Tensor, Tensor]:
    """Run `compute(rank)` for both ranks; return the mean loss and all gradients."""
    exchange = Exchange()
    for module in (ranks, segmentation, pixel_fixmatch):
        monkeypatch.setattr(module, "mean_over_ranks", exchange)
    monkeypatch.setattr(ranks, "world_size", lambda: 2)
    losses, gradients = [], []
    for rank in (0, 1, 0, 1):
        exchange.turn(rank)
        exchange.listening = len(losses) < 2
        loss, leaf = compute(rank)
        losses.append(loss.detach())
        gradients += torch.autograd.grad(loss, leaf)
    rows = torch.stack(gradients[2:], 1).flatten(0, 1)  # 0, 1, ... of the whole batch
    return (losses[2] + losses[3]) / 2, rows / 2


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("name", sorted(SEGMENTATION_LOSSES))
def test_each_loss_is_that_of_the_whole_batch(name, weights, monkeypatch):
    loss = SEGMENTATION_LOSSES[name]
    logits, masks = batch()
    whole = logits.clone().requires_grad_()
    expected = loss(whole, masks, weights)
    (slope,) = torch.autograd.grad(expected, whole)

    def compute(rank):
        mine = logits[rank::2].clone().requires_grad_()
        return loss(mine, masks[rank::2], weights), mine

    found, gradients = on_two_ranks(monkeypatch, compute)
    torch.testing.assert_close(found, expected.detach(), rtol=1e-12, atol=0)
    torch.testing.assert_close(gradients, slope, rtol=1e-10, atol=1e-14)


def test_consistency_is_that_of_the_whole_batch(monkeypatch):
    logits, masks = batch()
    generator = torch.Generator().manual_seed(1)
    pseudo = torch.randint(0, K, (B * H * W,), generator=generator)
    sure = (torch.rand(B * H * W, generator=generator) < 0.5).double()
    source = torch.randint(0, B * H * W, (B, H, W), generator=generator)
    source[masks == IGNORE] = -1
    whole = logits.clone().requires_grad_()
    expected = pixel_consistency(whole, pseudo, sure, source)
    (slope,) = torch.autograd.grad(expected, whole)

    def compute(rank):
        mine = logits[rank::2].clone().requires_grad_()
        return pixel_consistency(mine, pseudo, sure, source[rank::2]), mine

    found, gradients = on_two_ranks(monkeypatch, compute)
    torch.testing.assert_close(found, expected.detach(), rtol=1e-12, atol=0)
    torch.testing.assert_close(gradients, slope, rtol=1e-10, atol=1e-14)
