"""Weighted contrast against golden numbers and a loop, in all its special cases."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from workshop_lib.errors import WorkshopError
from workshop_lib.losses.class_aware_contrast import (
    class_aware_contrast,
    contrast_weights,
)
from workshop_lib.losses.weighted_contrast import weighted_contrast

GOLDEN = Path(__file__).parents[1] / "golden"
MODES = ("soft", "leftout", "supcon", "simclr", "unique")


def unit(N: int, D: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(N, D, generator=generator, dtype=torch.float64)
    return F.normalize(z, dim=1)


def golden_weights(
    mode: str, data: dict[str, np.ndarray], dtype: torch.dtype
) -> Tensor:
    labels = torch.from_numpy(data["labels"])
    confidence = torch.from_numpy(data["max_probs"]).to(dtype)
    if mode == "soft":
        return contrast_weights(labels, confidence)
    if mode == "leftout":
        return contrast_weights(labels, confidence, float(data["T_push"]))
    if mode == "supcon":
        return contrast_weights(labels, torch.ones_like(confidence))
    if mode == "unique":
        return contrast_weights(torch.arange(len(labels)), confidence)
    return torch.eye(len(labels), dtype=dtype)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", range(4))
@pytest.mark.parametrize(
    ("dtype", "rtol", "atol"),
    [(torch.float64, 1e-8, 1e-9), (torch.float32, 1e-5, 1e-6)],
)
def test_golden(
    mode: str, case: int, dtype: torch.dtype, rtol: float, atol: float
) -> None:
    with np.load(GOLDEN / f"ccssl_loss_{case}.npz") as file:
        data = dict(file)
    features = torch.from_numpy(data["features"]).to(dtype).requires_grad_()
    weights = golden_weights(mode, data, dtype)
    temperature = float(data["temperature"])
    z0, z1 = features.unbind(1)

    loss = class_aware_contrast(z0, z1, weights, temperature)
    loss.backward()
    per_anchor = weighted_contrast(z0, z1, weights, temperature)
    per_anchor = per_anchor * temperature / float(data["base_temperature"])
    for ours, key in (
        (loss, f"loss_{mode}"),
        (per_anchor, f"per_anchor_{mode}"),
        (features.grad, f"grad_{mode}"),
    ):
        assert ours is not None
        np.testing.assert_allclose(
            ours.detach().numpy(), data[key], rtol=rtol, atol=atol, err_msg=key
        )


def loop(z: list, labels: list, confidence: list, push: float, T: float) -> list:
    """Loss of each of the 2N views; view a is one of image a modulo N."""
    N = len(labels)

    def near(a: int, b: int) -> float:
        return math.exp(sum(x * y for x, y in zip(z[a], z[b], strict=True)) / T)

    def weight(i: int, j: int) -> float:
        if i == j:
            return 1.0
        sure = confidence[i] >= push and confidence[j] >= push
        return confidence[i] * confidence[j] if sure and labels[i] == labels[j] else 0.0

    losses = []
    for a in range(2 * N):
        others = [b for b in range(2 * N) if b != a]
        total = sum(near(a, b) for b in others)
        w = [weight(a % N, b % N) for b in others]
        log_p = [math.log(near(a, b) / total) for b in others]
        losses.append(-sum(x * y for x, y in zip(w, log_p, strict=True)) / sum(w))
    return losses


@pytest.mark.parametrize(("N", "D", "K"), [(1, 2, 2), (2, 3, 1), (7, 4, 3), (6, 2, 9)])
@pytest.mark.parametrize("push", [0.0, 0.6, 1.0])  # 1: nobody is sure enough
def test_it_equals_its_loop(N: int, D: int, K: int, push: float) -> None:
    z0, z1 = unit(N, D, 0), unit(N, D, 1)
    labels = torch.arange(N) % K  # classes are missing where K > N
    confidence = torch.linspace(0.3, 0.99, N).double()
    weights = contrast_weights(labels, confidence, push)
    ours = weighted_contrast(z0, z1, weights, 0.1)
    expected = loop(
        torch.cat([z0, z1]).tolist(), labels.tolist(), confidence.tolist(), push, 0.1
    )
    assert ours.flatten().tolist() == pytest.approx(expected, rel=1e-9, abs=1e-12)
    mean = class_aware_contrast(z0, z1, weights, 0.1)
    scaled = sum(expected) / (2 * N) * 0.1 / 0.07
    assert mean.item() == pytest.approx(scaled, rel=1e-9, abs=1e-12)


@given(st.integers(1, 10), st.integers(1, 4), st.integers(0, 99))
def test_the_order_of_images_and_of_views_does_not_matter(N, K, seed):
    z0, z1 = unit(N, 4, seed), unit(N, 4, seed + 100)
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, K, (N,), generator=generator)
    confidence = torch.rand(N, generator=generator, dtype=torch.float64)
    p = torch.randperm(N, generator=generator)
    one = class_aware_contrast(z0, z1, contrast_weights(labels, confidence, 0.3))
    moved = contrast_weights(labels[p], confidence[p], 0.3)
    torch.testing.assert_close(class_aware_contrast(z0[p], z1[p], moved), one)
    torch.testing.assert_close(class_aware_contrast(z1[p], z0[p], moved), one)


def test_the_push_threshold_itself_counts() -> None:
    confidence = torch.tensor([0.5, 0.5, 0.49])
    weights = contrast_weights(torch.zeros(3, dtype=torch.int64), confidence, 0.5)
    assert weights.tolist() == [[1, 0.25, 0], [0.25, 1, 0], [0, 0, 1]]


def test_gathered_classes_cost_less_than_scattered_ones() -> None:
    labels, sure = torch.tensor([0, 0, 1, 1]), torch.ones(4)
    weights = contrast_weights(labels, sure)
    gathered = torch.eye(2)[labels]
    scattered = torch.eye(2)[torch.tensor([0, 1, 0, 1])]
    low = class_aware_contrast(gathered, gathered, weights)
    high = class_aware_contrast(scattered, scattered, weights)
    assert low < high


def test_gradient_reaches_embeddings_alone() -> None:
    z0, z1 = unit(4, 3, 0).requires_grad_(), unit(4, 3, 1).requires_grad_()
    confidence = torch.rand(4, dtype=torch.float64).requires_grad_()
    weights = contrast_weights(torch.tensor([0, 0, 1, 1]), confidence)
    class_aware_contrast(z0, z1, weights).backward()
    assert not weights.requires_grad and confidence.grad is None
    assert z0.grad is not None and z0.grad.abs().sum() > 0
    assert z1.grad is not None and z1.grad.abs().sum() > 0


@pytest.mark.parametrize("N", [1, 3])
def test_zero_embeddings_give_no_nan(N: int) -> None:
    z = torch.zeros(N, 4, requires_grad=True)
    loss = class_aware_contrast(z, z, torch.ones(N, N))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2 * N - 1), abs=1e-6)
    assert z.grad is not None and z.grad.isfinite().all()


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(half: torch.dtype) -> None:
    z0, z1 = unit(6, 8, 0).to(half), unit(6, 8, 1).to(half)
    labels, confidence = torch.arange(6) % 2, torch.linspace(0.4, 1, 6).to(half)
    weights = contrast_weights(labels, confidence)
    assert weights.dtype == torch.float32
    plain = class_aware_contrast(z0.float(), z1.float(), weights)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(class_aware_contrast(z0, z1, weights), plain)
        assert torch.equal(class_aware_contrast(z0.float(), z1.float(), weights), plain)


def test_shapes_that_do_not_fit_are_told() -> None:
    with pytest.raises(WorkshopError, match="do not fit"):
        weighted_contrast(unit(3, 2, 0), unit(4, 2, 0), torch.eye(3), 0.1)
    with pytest.raises(WorkshopError, match=r"weights \(4, 4\) do not fit"):
        weighted_contrast(unit(3, 2, 0), unit(3, 2, 0), torch.eye(4), 0.1)
