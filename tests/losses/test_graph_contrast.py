"""The two graphs against loops, and what they promise."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from workshop_lib.losses.graph_contrast import graph_contrast, pseudo_label_graph


def draw(N: int, D: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(N, D, generator=generator, dtype=torch.float64)


def loop(
    z0: list, z1: list, probs: list, threshold: float, temperature: float
) -> float:
    N, total = len(z0), 0.0
    for i in range(N):
        w, s = [], []
        for j in range(N):
            alike = sum(p * q for p, q in zip(probs[i], probs[j], strict=True))
            alike = 1.0 if i == j else alike
            w.append(alike if alike >= threshold else 0.0)
            near = sum(a * b for a, b in zip(z0[i], z1[j], strict=True))
            s.append(math.exp(near / temperature))
        for j in range(N):
            total -= w[j] / sum(w) * math.log(s[j] / sum(s) + 1e-7)
    return total / N


@pytest.mark.parametrize(("N", "D", "K"), [(1, 2, 2), (3, 2, 5), (9, 4, 3)])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.8, 1.0])
def test_they_equal_their_loop(N: int, D: int, K: int, threshold: float) -> None:
    z0, z1 = F.normalize(draw(N, D, 0), dim=1), F.normalize(draw(N, D, 1), dim=1)
    probs = draw(N, K, 2).softmax(1)
    probs[:, 0] = 0.0  # a class that nobody is taken for
    probs[0] = 0.0
    probs[0, 1] = 1.0
    graph = pseudo_label_graph(probs, threshold)
    loss = graph_contrast(z0, z1, graph, 0.2)
    expected = loop(z0.tolist(), z1.tolist(), probs.tolist(), threshold, 0.2)
    assert loss.item() == pytest.approx(expected, rel=1e-10)
    fine = graph_contrast(z0.float(), z1.float(), graph.float(), 0.2)
    assert fine.item() == pytest.approx(expected, rel=1e-5, abs=1e-6)


@given(st.integers(1, 12), st.integers(2, 5), st.floats(0, 1), st.integers(0, 99))
def test_rows_of_the_graph_are_distributions(N, K, threshold, seed):
    graph = pseudo_label_graph(draw(N, K, seed).softmax(1), threshold)
    torch.testing.assert_close(graph.sum(1), torch.ones(N).double())
    assert (graph >= 0).all()
    assert (graph.diagonal() > 0).all()


def test_unsure_images_are_alone_and_sure_ones_of_a_class_together() -> None:
    sure, unsure = [0.98, 0.01, 0.01], [0.4, 0.3, 0.3]
    graph = pseudo_label_graph(torch.tensor([sure, sure, unsure]), 0.8)
    assert graph[0, 1] > 0.4
    assert graph[2].tolist() == [0, 0, 1]


def test_the_order_of_images_does_not_matter() -> None:
    z0, z1 = F.normalize(draw(7, 3, 0), dim=1), F.normalize(draw(7, 3, 1), dim=1)
    probs, order = draw(7, 4, 2).softmax(1), torch.tensor([4, 2, 6, 0, 1, 5, 3])
    one = graph_contrast(z0, z1, pseudo_label_graph(probs, 0.5))
    other = graph_contrast(z0[order], z1[order], pseudo_label_graph(probs[order], 0.5))
    torch.testing.assert_close(one, other)


def test_gradient_reaches_embeddings_alone() -> None:
    z0 = F.normalize(draw(4, 3, 0), dim=1).requires_grad_()
    z1 = F.normalize(draw(4, 3, 1), dim=1).requires_grad_()
    probs = draw(4, 3, 2).softmax(1).requires_grad_()
    graph_contrast(z0, z1, pseudo_label_graph(probs, 0.3)).backward()
    assert z0.grad is not None and z0.grad.abs().sum() > 0
    assert z1.grad is not None and z1.grad.abs().sum() > 0
    assert probs.grad is None


def test_zero_embeddings_and_far_ones_give_no_nan() -> None:
    for z in (torch.zeros(3, 2), 1e4 * draw(3, 2, 0).float()):
        z0, z1 = z.clone().requires_grad_(), z.flip(0).clone().requires_grad_()
        loss = graph_contrast(z0, z1, torch.eye(3))
        loss.backward()
        assert loss.isfinite()
        assert z0.grad is not None and z0.grad.isfinite().all()


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(half: torch.dtype) -> None:
    z0, z1 = F.normalize(draw(6, 8, 0), dim=1), F.normalize(draw(6, 8, 1), dim=1)
    z0, z1, probs = z0.to(half), z1.to(half), draw(6, 3, 2).softmax(1).to(half)
    graph = pseudo_label_graph(probs.float(), 0.3)
    plain = graph_contrast(z0.float(), z1.float(), graph)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(pseudo_label_graph(probs, 0.3), graph)
        assert torch.equal(graph_contrast(z0, z1, graph), plain)
        assert torch.equal(graph_contrast(z0.float(), z1.float(), graph), plain)
