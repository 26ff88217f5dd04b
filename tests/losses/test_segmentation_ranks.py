"""Losses on two ranks: their mean, and its gradient, are those of one.

Both ranks are in this process: the first call collects the sums, the second gets the
mean of both, as an exchange would.
"""

import pytest
import torch
from torch import Tensor

from tests.losses.draws import draw
from workshop_lib import ranks
from workshop_lib.losses import pseudo_labels
from workshop_lib.losses.pseudo_labels import SEGMENTATION_LOSSES
from workshop_lib.models import MultiLabel
from workshop_lib.pixels import IGNORE

B, K, H, W = 4, 3, 5, 6
WEIGHTS = torch.tensor([1.0, 0.5, 2.0], dtype=torch.float64)


def batch() -> tuple[Tensor, Tensor]:
    """Four tiles, of which the second rank's (1 and 3) are nearly all unknown."""
    generator = torch.Generator().manual_seed(0)
    masks = torch.randint(0, K, (B, H, W), generator=generator).to(torch.uint8)
    masks[1, 1:], masks[3] = IGNORE, IGNORE
    return draw(B, K, H, W), masks


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


def check_two_ranks(monkeypatch, out: Tensor, loss) -> None:
    """Compare `loss(rows, scores)` of each half with that of the whole batch."""
    whole = out.clone().requires_grad_()
    expected = loss(slice(None), whole)
    (slope,) = torch.autograd.grad(expected, whole)
    exchange = Exchange()
    for module in (ranks, pseudo_labels):
        monkeypatch.setattr(module, "mean_over_ranks", exchange)
    monkeypatch.setattr(ranks, "world_size", lambda: 2)
    losses, gradients = [], []
    for rank in (0, 1, 0, 1):
        exchange.turn(rank)
        exchange.listening = len(losses) < 2
        mine = out[rank::2].clone().requires_grad_()
        found = loss(slice(rank, None, 2), mine)
        losses.append(found.detach())
        gradients += torch.autograd.grad(found, mine)
    rows = torch.stack(gradients[2:], 1).flatten(0, 1)  # 0, 1, ... of the whole batch
    mean = (losses[2] + losses[3]) / 2
    torch.testing.assert_close(mean, expected.detach(), rtol=1e-12, atol=0)
    torch.testing.assert_close(rows / 2, slope, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("name", sorted(SEGMENTATION_LOSSES))
def test_each_loss_is_that_of_the_whole_batch(name, weights, monkeypatch):
    out, masks = batch()
    loss = SEGMENTATION_LOSSES[name]
    check_two_ranks(monkeypatch, out, lambda i, x: loss(x, masks[i], weights))


def test_supervised_loss_counts_the_known_of_all_ranks(monkeypatch):
    head, out = MultiLabel(1, 2).double(), draw(B, 2)
    nan = torch.nan
    target = torch.tensor([[1, 0], [nan, nan], [0, 1], [nan, 1]])
    check_two_ranks(monkeypatch, out, lambda i, x: head.supervised_loss(x, target[i]))
