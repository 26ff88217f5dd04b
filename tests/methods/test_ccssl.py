"""CCSSL on FixMatch and on CoMatch: golden numbers, a loop twin, and its promises."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from workshop_lib.errors import WorkshopError
from workshop_lib.losses.class_aware_contrast import (
    class_aware_contrast,
    contrast_weights,
)
from workshop_lib.methods import CCSSL, CCSSLCoMatch, CoMatch
from workshop_lib.methods.ccssl import ccssl_loss
from workshop_lib.methods.fixmatch import fixmatch_loss
from workshop_lib.models.output import Output

GOLDEN = Path(__file__).parents[1] / "golden"
INPUTS = ("logits_x", "logits_u_w", "logits_u_s0", "feats_u_s0", "feats_u_s1")


def draw(*shape: int, seed: int = 0, scale: float = 2.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)


def unit(N: int, D: int, seed: int) -> Tensor:
    return F.normalize(draw(N, D, seed=seed), dim=1)


@pytest.mark.parametrize("case", [0, 1])
@pytest.mark.parametrize(
    ("dtype", "rtol", "atol"),
    [(torch.float64, 1e-8, 1e-9), (torch.float32, 1e-5, 1e-6)],
)
def test_golden(case: int, dtype: torch.dtype, rtol: float, atol: float) -> None:
    data = np.load(GOLDEN / f"ccssl_step_{case}.npz")
    inputs = {
        name: torch.from_numpy(data[name]).to(dtype).requires_grad_() for name in INPUTS
    }
    terms = ccssl_loss(
        inputs["logits_x"],
        torch.from_numpy(data["y"]),
        inputs["logits_u_w"],
        inputs["logits_u_s0"],
        inputs["feats_u_s0"],
        inputs["feats_u_s1"],
        threshold=float(data["threshold"]),
        temperature=float(data["T"]),
        # -1 where the implementation leaves it out
        push_threshold=max(0.0, float(data["T_push"])),
        contrast_temperature=float(data["temperature"]),
        lambda_u=float(data["lambda_u"]),
        lambda_c=float(data["lambda_contrast"]),
    )
    terms.total.backward()
    for ours, key in (
        (terms.total, "loss"),
        (terms.parts["loss_x"], "Lx"),
        (terms.parts["loss_u"], "Lu"),
        (terms.parts["loss_c"], "Lcontrast"),
    ):
        np.testing.assert_allclose(ours.detach(), data[key], rtol=rtol, atol=atol)
    np.testing.assert_array_equal(terms.mask, data["mask"])
    np.testing.assert_array_equal(terms.pseudo_labels, data["pseudo_label"])
    for name, tensor in inputs.items():
        gradient = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
        expected = data[f"grad_{name}"]
        np.testing.assert_allclose(gradient, expected, rtol=rtol, atol=atol)


@pytest.mark.parametrize(
    ("B", "mu", "K"), [(1, 1, 2), (1, 3, 2), (3, 2, 7), (2, 5, 10)]
)
@pytest.mark.parametrize("threshold", [0.0, 0.6, 1.1])  # all, some, none confident
def test_loop_twin(B: int, mu: int, K: int, threshold: float) -> None:
    N = mu * B
    x, u_w, u_s = draw(B, K), draw(N, K, seed=1), draw(N, K, seed=2)
    z = torch.cat([unit(N, 4, 3), unit(N, 4, 4)])
    z[0] = 0.0  # what a projection of zero becomes
    y = torch.arange(B) % K

    confidence, pseudo = u_w.softmax(1).max(1)
    c, q = confidence.tolist(), pseudo.tolist()
    loss_c = 0.0
    for a in range(2 * N):
        others = [b for b in range(2 * N) if b != a]
        near = [math.exp(float(z[a] @ z[b]) / 0.2) for b in others]
        w = []
        for b in others:
            i, j = a % N, b % N
            sure = min(c[i], c[j]) >= 0.5
            w.append(1.0 if i == j else float(sure and q[i] == q[j]) * c[i] * c[j])
        log_p = [math.log(n / sum(near)) for n in near]
        loss_c -= sum(u * v for u, v in zip(w, log_p, strict=True)) / sum(w)
    loss_c *= 0.2 / 0.07 / (2 * N)

    terms = ccssl_loss(
        x,
        y,
        u_w,
        u_s,
        z[:N],
        z[N:],
        threshold=threshold,
        push_threshold=0.5,
        contrast_temperature=0.2,
        lambda_u=3.0,
        lambda_c=2.0,
    )
    plain = fixmatch_loss(x, y, u_w, u_s, threshold, lambda_u=3.0)
    assert terms.parts["loss_c"].item() == pytest.approx(loss_c)
    assert terms.total.item() == pytest.approx(plain.total.item() + 2 * loss_c)
    assert terms.parts["mask_rate"] == plain.parts["mask_rate"]
    assert not any(part.requires_grad for part in terms.parts.values())


def test_without_weight_it_is_fixmatch() -> None:
    x, u_w, u_s = draw(2, 3), draw(6, 3, seed=1), draw(6, 3, seed=2)
    y, z = torch.tensor([0, 2]), unit(6, 4, 3)
    ours = ccssl_loss(x, y, u_w, u_s, z, z, threshold=0.6, lambda_c=0.0)
    plain = fixmatch_loss(x, y, u_w, u_s, threshold=0.6)
    assert torch.equal(ours.total, plain.total)
    assert ours.pseudo_labels is not None and plain.pseudo_labels is not None
    assert torch.equal(ours.pseudo_labels, plain.pseudo_labels)


def test_alignment_decides_who_is_pulled_to_whom() -> None:
    x, y, u_w = draw(1, 2), torch.tensor([0]), torch.tensor([[5.0, 0.0], [0.0, 1.0]])
    z = torch.eye(2).double()
    args = (x, y, u_w.double(), u_w.double(), z, z)
    apart = ccssl_loss(*args).parts["loss_c"]
    same = ccssl_loss(*args, align=lambda probs: probs[:1].expand(2, 2))
    assert same.parts["loss_c"] > apart  # one class, and embeddings at right angles


def test_the_order_of_images_does_not_matter() -> None:
    x, u_w, u_s = draw(2, 3), draw(6, 3, seed=1), draw(6, 3, seed=2)
    y, z0, z1 = torch.tensor([0, 2]), unit(6, 4, 3), unit(6, 4, 4)
    p, q = torch.tensor([1, 0]), torch.tensor([4, 2, 0, 5, 1, 3])
    one = ccssl_loss(x, y, u_w, u_s, z0, z1, threshold=0.6)
    other = ccssl_loss(x[p], y[p], u_w[q], u_s[q], z0[q], z1[q], threshold=0.6)
    torch.testing.assert_close(one.total, other.total)


def test_on_comatch_it_is_comatch_and_the_contrast() -> None:
    knobs = {"num_classes": 3, "batch_size": 2, "mu": 2, "projection_dim": 4}
    plain = CoMatch(**knobs, threshold=0.5, lambda_c=0.7)
    both = CCSSLCoMatch(
        **knobs,
        threshold=0.5,
        lambda_c=0.7,
        push_threshold=0.4,
        contrast_temperature=0.1,
    )
    lab = Output(draw(2, 3), unit(2, 4, 5))
    strong, contrastive = (
        Output(draw(4, 3, seed=s), unit(4, 4, s + 10)) for s in (1, 2)
    )
    y, probs = torch.tensor([0, 2]), draw(4, 3, seed=9).softmax(1)
    one = plain.loss(lab, y, strong, contrastive, probs)
    two = both.loss(lab, y, strong, contrastive, probs)
    confidence, pseudo = probs.max(1)
    contrast = class_aware_contrast(
        strong.embedding,
        contrastive.embedding,
        contrast_weights(pseudo, confidence, 0.4),
        0.1,
    )
    torch.testing.assert_close(two.total, one.total + 0.7 * contrast)
    torch.testing.assert_close(two.parts.pop("loss_class_contrast"), contrast)
    assert two.parts == one.parts


@pytest.mark.parametrize(
    "knobs", [{"num_classes": 3}, {"num_classes": 3, "batch_size": 2, "mu": 2}]
)
def test_impossible_knobs_are_told(knobs: dict[str, int]) -> None:
    method = CCSSLCoMatch if "mu" in knobs else CCSSL
    with pytest.raises(WorkshopError, match="contrast_temperature=0.*above 0"):
        method(**knobs, contrast_temperature=0)
    with pytest.raises(WorkshopError, match="push_threshold=2.*between 0 and 1"):
        method(**knobs, push_threshold=2)
