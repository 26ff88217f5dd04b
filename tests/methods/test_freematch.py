"""FreeMatch against golden numbers, a loop twin, and its promises."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from workshop_lib.errors import WorkshopError
from workshop_lib.methods.freematch import (
    SelfAdaptiveThreshold,
    fairness_loss,
    freematch_loss,
)


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("case", "abcd")
def test_golden(case: str, replay: Any) -> None:
    data = replay.load(f"freematch_{case}")
    adaptive = SelfAdaptiveThreshold(
        int(data["K"]),
        float(data["ema_p"]),
        bool(data["use_quantile"]),
        bool(data["clip_thresh"]),
    )

    def loss(x: Tensor, y: Tensor, u_w: Tensor, u_s: Tensor, step: int) -> Any:
        weights = float(data["lambda_u"]), float(data["lambda_e"])
        terms = freematch_loss(x, y, u_w, u_s, adaptive, *weights)
        replay.same(terms.parts["loss_e"], data["ent_loss"][step])
        thresholds = adaptive.eval()(u_w.detach().softmax(1))
        adaptive.train()
        replay.same(thresholds, data["thresholds"][step])
        return terms

    states = {
        "time_p": lambda: adaptive.confidence,
        "p_model": lambda: adaptive.probs,
        "label_hist": lambda: adaptive.histogram,
    }
    replay.check(data, loss, states)


def slow_softmax(row: list[float]) -> list[float]:
    weights = [math.exp(v) for v in row]
    return [w / sum(weights) for w in weights]


def shares(values: list[float]) -> list[float]:
    return [v / sum(values) for v in values]


def slow_fairness(
    rows: list[list[float]], probs: list[float], histogram: list[float]
) -> float:
    K = len(probs)
    if not rows:
        return 0.0
    hard = [row.index(max(row)) for row in rows]
    wanted, current = [], []
    for k in range(K):
        wanted.append(probs[k] / histogram[k] if histogram[k] else 0.0)
        mean, share = sum(row[k] for row in rows), hard.count(k)
        current.append(mean / share if share else 0.0)
    pairs = zip(shares(wanted), shares(current), strict=True)
    return sum(w * math.log(v + 1e-12) for w, v in pairs)


@pytest.mark.parametrize(("N", "K"), [(1, 2), (7, 3), (4, 6)])
@pytest.mark.parametrize("clip", [False, True])
def test_loop_twin(N: int, K: int, clip: bool) -> None:
    adaptive = SelfAdaptiveThreshold(K, 0.3, clip=clip).double()
    for buffer in adaptive.buffers():
        buffer.fill_(1 / K)  # in double precision
    tau, probs, histogram = 1 / K, [1 / K] * K, [1 / K] * K
    for step in range(4):
        # Few sure images at first, then nearly all.
        u_w, u_s = (1 + step) * draw(N, K, seed=step), draw(N, K, seed=step + 10)
        x, y = draw(2, K, seed=step + 20), torch.tensor([0, 1])
        q = [slow_softmax(row) for row in u_w.tolist()]
        pseudo = [row.index(max(row)) for row in q]
        tau = 0.3 * tau + 0.7 * sum(max(row) for row in q) / N
        tau = min(tau, 0.95) if clip else tau
        for k in range(K):
            probs[k] = 0.3 * probs[k] + 0.7 * sum(row[k] for row in q) / N
            histogram[k] = 0.3 * histogram[k] + 0.7 * pseudo.count(k) / N
        mask = [
            float(max(q[i]) >= tau * probs[k] / max(probs))
            for i, k in enumerate(pseudo)
        ]
        strong = [slow_softmax(row) for row in u_s.tolist()]
        loss_u = sum(-mask[i] * math.log(strong[i][k]) for i, k in enumerate(pseudo))
        loss_e = slow_fairness(
            [row for row, counts in zip(strong, mask, strict=True) if counts],
            probs,
            histogram,
        )
        terms = freematch_loss(x, y, u_w, u_s, adaptive, 2.0, 0.1)
        assert terms.mask is not None and terms.mask.tolist() == mask
        assert terms.parts["loss_u"].item() == pytest.approx(loss_u / N)
        assert terms.parts["loss_e"].item() == pytest.approx(loss_e)
        assert terms.parts["threshold"].item() == pytest.approx(tau)
        total = terms.parts["loss_x"] + 2 * loss_u / N + 0.1 * loss_e
        assert terms.total.item() == pytest.approx(total.item())


def test_no_confident_image_no_fairness_and_no_nan_gradient() -> None:
    logits = draw(5, 3).float().requires_grad_()
    adaptive = SelfAdaptiveThreshold(3)
    loss = fairness_loss(logits, torch.zeros(5), adaptive)
    loss.backward()
    assert loss == 0
    assert logits.grad is not None and (logits.grad == 0).all()


def test_a_class_never_predicted_gives_no_nan() -> None:
    adaptive = SelfAdaptiveThreshold(3, momentum=0.0)
    adaptive(torch.tensor([[1.0, 0.0, 0.0], [0.9, 0.1, 0.0]]))
    assert adaptive.histogram.tolist() == [1, 0, 0]
    logits = draw(2, 3).float().requires_grad_()
    loss = fairness_loss(logits, torch.ones(2), adaptive)
    loss.backward()
    assert loss.isfinite() and logits.grad is not None and logits.grad.isfinite().all()


def test_fairness_holds_back_the_class_that_wins_most() -> None:
    logits = torch.tensor([[1.0, 0.0]] * 3 + [[0.0, 1.0]], requires_grad=True)
    fairness_loss(logits, torch.ones(4), SelfAdaptiveThreshold(2)).backward()
    assert logits.grad is not None
    after = (logits - 0.1 * logits.grad).softmax(1).mean(0)
    assert after[0] < logits.softmax(1).mean(0)[0]


def test_thresholds_rise_with_confidence_and_stop_at_the_clip() -> None:
    free, clipped = (SelfAdaptiveThreshold(2, 0.5, clip=c) for c in (False, True))
    sure = torch.tensor([[0.99, 0.01], [0.01, 0.99]])
    taus = []
    for _ in range(20):
        free(sure), clipped(sure)
        taus.append(free.confidence.item())
    assert taus == sorted(taus)
    assert taus[-1] == pytest.approx(0.99, abs=1e-4)
    assert clipped.confidence.item() == pytest.approx(0.95)


def test_state_moves_in_training_mode_only() -> None:
    adaptive = SelfAdaptiveThreshold(4).eval()
    adaptive(draw(3, 4).float().softmax(1))
    assert adaptive.confidence == 0.25
    assert list(adaptive.state_dict()) == ["confidence", "probs", "histogram"]
    assert all(b.is_meta for b in adaptive.to("meta").buffers())


def test_momentum_out_of_range() -> None:
    with pytest.raises(WorkshopError, match="would never learn"):
        SelfAdaptiveThreshold(3, momentum=1.0)
