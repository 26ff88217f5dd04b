"""Contrast by classes, by a graph and by image: golden numbers, loops, promises."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from tests.golden import golden
from tests.losses.draws import PRECISIONS, draw, probabilities, unit
from workshop_lib.losses.contrastive import (
    class_aware_contrast,
    contrast_weights,
    graph_contrast,
    nt_xent,
    pseudo_label_graph,
    weighted_contrast,
)

MODES = ("soft", "leftout", "supcon", "simclr", "unique")


def golden_weights(mode, data, dtype):
    labels = torch.from_numpy(data["labels"])
    confidence = torch.from_numpy(data["max_probs"]).to(dtype)
    if mode == "simclr":
        return torch.eye(len(labels), dtype=dtype)
    if mode == "supcon":
        confidence = torch.ones_like(confidence)
    if mode == "unique":
        labels = torch.arange(len(labels))
    probs = F.one_hot(labels) * confidence[:, None]
    return contrast_weights(probs, float(data["T_push"]) * (mode == "leftout"))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", range(4))
@PRECISIONS
def test_golden(mode, case, dtype, rtol, atol):
    data = golden(f"ccssl_loss_{case}")
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


@given(st.integers(1, 10), st.integers(1, 4), st.integers(0, 99))
def test_the_order_of_images_and_of_views_does_not_matter(N, K, seed):
    z0, z1 = unit(N, 4, seed), unit(N, 4, seed + 100)
    probs = probabilities(N, K, seed)
    p = torch.randperm(N, generator=torch.Generator().manual_seed(seed))
    one = class_aware_contrast(z0, z1, contrast_weights(probs, 0.3))
    moved = contrast_weights(probs[p], 0.3)
    torch.testing.assert_close(class_aware_contrast(z0[p], z1[p], moved), one)
    torch.testing.assert_close(class_aware_contrast(z1[p], z0[p], moved), one)
    graph, shuffled = (pseudo_label_graph(q, 0.5) for q in (probs, probs[p]))
    one = graph_contrast(z0, z1, graph)
    torch.testing.assert_close(graph_contrast(z0[p], z1[p], shuffled), one)


def test_the_push_threshold_itself_counts():
    probs = torch.tensor([[0.5, 0.3, 0.2], [0.5, 0.2, 0.3], [0.49, 0.3, 0.21]])
    weights = contrast_weights(probs, 0.5)
    assert weights.tolist() == [[1, 0.25, 0], [0.25, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize("N", [1, 3])
def test_zero_embeddings_give_no_nan(N):
    z = torch.zeros(N, 4, requires_grad=True)
    loss = class_aware_contrast(z, z, torch.ones(N, N))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2 * N - 1), abs=1e-6)
    assert z.grad is not None and z.grad.isfinite().all()


@given(st.integers(1, 12), st.integers(2, 5), st.floats(0, 1), st.integers(0, 99))
def test_rows_of_the_graph_are_distributions(N, K, threshold, seed):
    graph = pseudo_label_graph(probabilities(N, K, seed), threshold)
    torch.testing.assert_close(graph.sum(1), torch.ones(N).double())
    assert (graph >= 0).all()
    assert (graph.diagonal() > 0).all()


def test_zero_embeddings_and_far_ones_give_the_graph_no_nan():
    for z in (torch.zeros(3, 2), 1e4 * draw(3, 2, seed=0).float()):
        z0, z1 = z.clone().requires_grad_(), z.flip(0).clone().requires_grad_()
        loss = graph_contrast(z0, z1, torch.eye(3))
        loss.backward()
        assert loss.isfinite()
        assert z0.grad is not None and z0.grad.isfinite().all()


@pytest.mark.parametrize("case", range(5))
@PRECISIONS
def test_golden_nt_xent(case, dtype, rtol, atol):
    data = golden("ntxent")
    assert data["n_cases"] == 5
    z0, z1 = (
        torch.from_numpy(data[f"c{case}_z{view}"]).to(dtype).requires_grad_()
        for view in (0, 1)
    )
    loss = nt_xent(z0, z1, float(data[f"c{case}_temperature"]))
    loss.backward()
    assert z0.grad is not None and z1.grad is not None
    for ours, key in (
        (loss, "loss"),
        (loss, "loss_mommert"),
        (z0.grad, "grad_z0"),
        (z1.grad, "grad_z1"),
    ):
        expected = data[f"c{case}_{key}"]
        np.testing.assert_allclose(ours.detach(), expected, rtol=rtol, atol=atol)


def test_length_of_an_embedding_does_not_matter_and_zero_gives_no_nan():
    z0, z1 = draw(2, 5, 4)
    torch.testing.assert_close(nt_xent(3 * z0, 0.1 * z1), nt_xent(z0, z1))
    z = torch.zeros(3, 2, requires_grad=True)
    loss = nt_xent(z, torch.eye(3, 2))
    loss.backward()
    assert loss.isfinite()
    assert z.grad is not None and z.grad.isfinite().all()


def test_half_precision_is_computed_in_float32():
    z0, z1 = (unit(6, 8, seed).bfloat16() for seed in (0, 1))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(nt_xent(z0, z1), nt_xent(z0.float(), z1.float()))
