"""SoftMatch against golden numbers, a loop twin, and its promises."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from workshop_lib.errors import WorkshopError
from workshop_lib.losses import DistributionAlignment
from workshop_lib.methods import SoftMatch
from workshop_lib.methods.softmatch import GaussianWeight, softmatch_loss


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    "name", ["distalign_a", "distalign_b", "distalign_c", "plain_a", "plain_b"]
)
def test_golden(name: str, replay: Any) -> None:
    data = replay.load(f"softmatch_{name}")
    K, momentum = int(data["K"]), float(data["ema_p"])
    weigh = GaussianWeight(K, momentum, float(data["n_sigma"]))
    align = None
    states = {"mu": lambda: weigh.mean, "var": lambda: weigh.variance}
    if name.startswith("distalign"):
        labeled = not data["dist_uniform"]
        align = DistributionAlignment(
            K, momentum, "labeled" if labeled else "uniform", "first batch"
        )
        states["p_model"] = lambda: align.average
        if labeled:
            states["p_target"] = lambda: align.wanted
        else:
            np.testing.assert_allclose(data["p_target"], 1 / K)

    def loss(x: Tensor, y: Tensor, u_w: Tensor, u_s: Tensor, step: int) -> Any:
        def aligned(probs: Tensor) -> Tensor:
            assert align is not None
            found = align(probs, x.detach().softmax(1))
            replay.same(found, data["probs_aligned"][step])
            return found

        weight = float(data["lambda_u"])
        return softmatch_loss(x, y, u_w, u_s, weigh, weight, align and aligned)

    replay.check(data, loss, states, exact_mask=False)


def slow_softmax(row: list[float]) -> list[float]:
    weights = [math.exp(v) for v in row]
    return [w / sum(weights) for w in weights]


@pytest.mark.parametrize(("N", "K"), [(1, 3), (2, 2), (7, 5)])
def test_loop_twin(N: int, K: int) -> None:
    weigh = GaussianWeight(K, momentum=0.6, n_sigma=1.5).double()
    weigh.mean.fill_(1 / K)  # in double precision
    mean, variance = 1 / K, 1.0
    for step in range(4):
        u_w, u_s = draw(N, K, seed=step), draw(N, K, seed=step + 10)
        x, y = draw(1, K, seed=step + 20), torch.tensor([1])
        q = [slow_softmax(row) for row in u_w.tolist()]
        tops = [max(row) for row in q]
        average = sum(tops) / N
        mean = 0.6 * mean + 0.4 * average
        if N > 1:
            spread = sum((top - average) ** 2 for top in tops) / (N - 1)
            variance = 0.6 * variance + 0.4 * spread
        loss_u, weights = 0.0, []
        for i in range(N):
            below = min(tops[i] - mean, 0)
            weights.append(math.exp(-(below**2) * 1.5**2 / (2 * variance)))
            p = slow_softmax(u_s[i].tolist())[q[i].index(tops[i])]
            loss_u -= weights[i] * math.log(p) / N
        terms = softmatch_loss(x, y, u_w, u_s, weigh, lambda_u=3.0)
        assert terms.mask is not None
        assert terms.mask.tolist() == pytest.approx(weights)
        assert terms.parts["loss_u"].item() == pytest.approx(loss_u)
        total = terms.parts["loss_x"].item() + 3 * loss_u
        assert terms.total.item() == pytest.approx(total)


def test_a_single_image_gives_no_nan_and_leaves_the_variance() -> None:
    weigh = GaussianWeight(3, momentum=0.5)
    weight = weigh(torch.tensor([[0.2, 0.5, 0.3]]))
    assert weight.isfinite().all()
    assert weigh.variance == 1
    assert weigh.mean.item() == pytest.approx((1 / 3 + 0.5) / 2)


def test_equal_confidences_for_long_give_no_nan() -> None:
    weigh = GaussianWeight(2, momentum=0.0)
    same = torch.tensor([[0.75, 0.25], [0.25, 0.75]])
    assert weigh(same).tolist() == [1, 1]
    assert weigh.variance == 0


def test_weights_fall_with_confidence_below_the_mean_alone() -> None:
    weigh = GaussianWeight(2, momentum=0.9)
    for _ in range(50):
        weigh(torch.tensor([[0.9, 0.1], [0.6, 0.4]]))
    weights = weigh.eval()(torch.tensor([[1.0, 0.0], [0.8, 0.2], [0.7, 0.3]]))
    assert weights[:2].tolist() == [1, 1]
    assert 0 < weights[2] < 1


def test_alignment_weighs_and_does_not_name() -> None:
    x, y = draw(2, 3), torch.tensor([0, 1])
    u_w, u_s = draw(5, 3, seed=1), draw(5, 3, seed=2)
    flipped = softmatch_loss(
        x, y, u_w, u_s, GaussianWeight(3), align=lambda probs: probs.flip(1)
    )
    assert flipped.pseudo_labels is not None
    assert torch.equal(flipped.pseudo_labels, u_w.argmax(1))


def test_what_it_remembers() -> None:
    names = ["weigh.mean", "weigh.variance", "align.average", "align.batches"]
    assert list(SoftMatch(num_classes=3).state_dict()) == names
    assert list(SoftMatch(num_classes=3, alignment=False).state_dict()) == names[:2]


def test_n_sigma_must_be_positive() -> None:
    with pytest.raises(WorkshopError, match="2 is usual"):
        GaussianWeight(3, n_sigma=0)
