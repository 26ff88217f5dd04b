"""AdaMatch against golden numbers, a loop twin, and its promises."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from workshop_lib.errors import WorkshopError
from workshop_lib.losses import DistributionAlignment
from workshop_lib.methods.adamatch import adamatch_loss


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(*shape, generator=generator, dtype=torch.float64)


def alignment(K: int, momentum: float) -> DistributionAlignment:
    return DistributionAlignment(K, momentum, target="labeled", start="first batch")


@pytest.mark.parametrize("name", ["adamatch_a", "adamatch_b"])
def test_golden(name: str, replay: Any) -> None:
    data = replay.load(name)
    align = alignment(int(data["K"]), float(data["ema_p"]))

    def loss(x: Tensor, y: Tensor, u_w: Tensor, u_s: Tensor, step: int) -> Any:
        settings = float(data["p_cutoff"]), float(data["lambda_u"])
        terms = adamatch_loss(x, y, u_w, u_s, align, *settings)
        replay.same(terms.parts["threshold"], data["threshold_relative"][step])
        probs = u_w.detach().softmax(1)
        replay.same(align.divide(probs), data["probs_aligned"][step])
        return terms

    states = {"p_model": lambda: align.average, "p_target": lambda: align.wanted}
    replay.check(data, loss, states)


def slow_softmax(row: list[float]) -> list[float]:
    weights = [math.exp(v) for v in row]
    return [w / sum(weights) for w in weights]


@pytest.mark.parametrize(("B", "N", "K"), [(1, 1, 2), (3, 7, 4), (2, 5, 6)])
def test_loop_twin(B: int, N: int, K: int) -> None:
    align = alignment(K, 0.7).double()
    align.wanted.fill_(1 / K)  # in double precision
    average, wanted = [0.0] * K, [1 / K] * K
    for step in range(3):
        x, y = draw(B, K, seed=step), torch.zeros(B, dtype=torch.int64)
        u_w, u_s = draw(N, K, seed=step + 10), draw(N, K, seed=step + 20)
        p = [slow_softmax(row) for row in x.tolist()]
        q = [slow_softmax(row) for row in u_w.tolist()]
        for k in range(K):
            mean = sum(row[k] for row in q) / N
            average[k] = mean if step == 0 else 0.7 * average[k] + 0.3 * mean
            wanted[k] = 0.7 * wanted[k] + 0.3 * sum(row[k] for row in p) / B
        threshold = 0.8 * sum(max(row) for row in p) / B
        loss_u, mask = 0.0, []
        for i in range(N):
            row = [q[i][k] * (wanted[k] + 1e-6) / (average[k] + 1e-6) for k in range(K)]
            row = [v / sum(row) for v in row]
            mask.append(float(max(row) >= threshold))
            if mask[i]:
                strong = slow_softmax(u_s[i].tolist())
                loss_u -= math.log(strong[row.index(max(row))]) / N
        terms = adamatch_loss(x, y, u_w, u_s, align, 0.8, 2.0)
        assert terms.mask is not None and terms.mask.tolist() == mask
        assert terms.parts["loss_u"].item() == pytest.approx(loss_u)
        assert terms.parts["threshold"].item() == pytest.approx(threshold)
        total = terms.parts["loss_x"].item() + 2 * loss_u
        assert terms.total.item() == pytest.approx(total)


def test_the_threshold_has_no_gradient_into_labeled_images() -> None:
    x, y = draw(3, 3).requires_grad_(), torch.tensor([0, 1, 2])
    u_w, u_s = draw(4, 3, seed=1).requires_grad_(), draw(4, 3, seed=2).requires_grad_()
    adamatch_loss(x, y, u_w, u_s, alignment(3, 0.9)).total.backward()
    plain = draw(3, 3).requires_grad_()
    torch.nn.functional.cross_entropy(plain, y).backward()
    assert x.grad is not None and plain.grad is not None
    torch.testing.assert_close(x.grad, plain.grad)
    assert u_w.grad is None


def test_unsure_labeled_images_lower_the_bar() -> None:
    u = draw(6, 3, seed=1)
    y = torch.tensor([0, 1])
    rates = [
        adamatch_loss(x, y, u, u, alignment(3, 0.9)).parts["mask_rate"].item()
        for x in (torch.zeros(2, 3).double(), 50 * torch.eye(3)[:2].double())
    ]
    assert rates[0] == 1 > rates[1]


def test_the_labeled_target_must_be_given() -> None:
    with pytest.raises(WorkshopError, match="give them as probs_labeled"):
        alignment(3, 0.9)(draw(4, 3).softmax(1))
