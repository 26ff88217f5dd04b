"""UDA against a loop twin, and its promises."""

import math

import pytest
import torch
from torch import Tensor

from workshop_lib.errors import WorkshopError
from workshop_lib.losses import pseudo_label, sharpen
from workshop_lib.methods.fixmatch import fixmatch_loss
from workshop_lib.methods.uda import uda_loss


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(*shape, generator=generator, dtype=torch.float64)


def slow_softmax(row: list[float], T: float = 1.0) -> list[float]:
    weights = [math.exp(v / T) for v in row]
    return [w / sum(weights) for w in weights]


@pytest.mark.parametrize(("B", "N", "K"), [(1, 1, 2), (3, 7, 4), (2, 5, 6)])
@pytest.mark.parametrize("threshold", [0.0, 0.6, 1.1])  # all, some, none confident
def test_loop_twin(B: int, N: int, K: int, threshold: float) -> None:
    x, u_w, u_s = draw(B, K), draw(N, K, seed=1), draw(N, K, seed=2)
    loss_u = 0.0
    for i in range(N):
        target = slow_softmax(u_w[i].tolist(), 0.4)
        strong = slow_softmax(u_s[i].tolist())
        if max(slow_softmax(u_w[i].tolist())) >= threshold:  # before sharpening
            loss_u -= sum(target[k] * math.log(strong[k]) for k in range(K)) / N
    y = torch.arange(B) % K
    terms = uda_loss(x, y, u_w, u_s, threshold, 0.4, lambda_u=3.0)
    assert terms.parts["loss_u"].item() == pytest.approx(loss_u)
    expected = terms.parts["loss_x"].item() + 3 * loss_u
    assert terms.total.item() == pytest.approx(expected)


def test_a_cold_target_is_fixmatch() -> None:
    x, y = draw(2, 3), torch.tensor([0, 1])
    u_w, u_s = draw(8, 3, seed=1), draw(8, 3, seed=2)
    cold = uda_loss(x, y, u_w, u_s, threshold=0.7, temperature=1e-3)
    hard = fixmatch_loss(x, y, u_w, u_s, threshold=0.7)
    torch.testing.assert_close(cold.total, hard.total)
    assert torch.equal(cold.mask, hard.mask)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.0])
def test_sharpening_probabilities_is_dividing_logits(temperature: float) -> None:
    logits = draw(6, 5)
    torch.testing.assert_close(
        sharpen(pseudo_label(logits), temperature), pseudo_label(logits, temperature)
    )
    sharp = sharpen(torch.tensor([[1.0, 0.0], [0.8, 0.2]]), temperature)
    assert sharp.isfinite().all() and sharp[0].tolist() == [1, 0]
    with pytest.raises(WorkshopError, match="above 0"):
        sharpen(sharp, 0.0)


def test_alignment_comes_before_sharpening() -> None:
    u_w = torch.tensor([[2.0, 0.0, -1.0]]).double()
    flipped = uda_loss(
        draw(1, 3),
        torch.tensor([0]),
        u_w,
        draw(1, 3, seed=1),
        align=lambda probs: probs.flip(1),
    )
    assert flipped.pseudo_labels is not None and flipped.pseudo_labels.tolist() == [2]
