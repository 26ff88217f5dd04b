"""Label propagation: against a dense solution, and as the start of a training."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from workshop_lib.errors import WorkshopError
from workshop_lib.methods import Supervised
from workshop_lib.methods.propagation import (
    NEIGHBOURS,
    REACH,
    LabelPropagationWarmup,
    propagate_labels,
)


def groups(n: int, K: int, spread: float, seed: int = 0):
    """K bundles of directions; the first image of each has a known label."""
    generator = torch.Generator().manual_seed(seed)
    centres = F.normalize(torch.randn(K, 16, generator=generator), dim=1)
    truth = torch.arange(K).repeat_interleave(n)
    noise = spread * torch.randn(len(truth), 16, generator=generator)
    labels = torch.full_like(truth, -1)
    labels[::n] = truth[::n]
    return centres[truth] + noise, labels, truth


def dense_twin(features, labels, K):
    """The closed form (I - alpha S)^-1 Y, image by image, no sparse matrices."""
    n = len(features)
    W = torch.zeros(n, n, dtype=torch.float64)
    for i in range(n):
        cosine = [
            float(F.cosine_similarity(features[i], features[j], dim=0))
            for j in range(n)
        ]
        order = sorted((j for j in range(n) if j != i), key=lambda j: -cosine[j])
        for j in order[:NEIGHBOURS]:
            W[i, j] = max(cosine[j], 0) ** 3
    W = W + W.T
    scale = W.sum(1).rsqrt()
    S = scale[:, None] * W * scale
    Y = torch.zeros(n, K, dtype=torch.float64)
    for i in range(n):
        if labels[i] >= 0:
            Y[i, labels[i]] = 1
    Z = torch.linalg.solve(torch.eye(n, dtype=torch.float64) - REACH * S, Y)
    Z = Z / Z.sum(0)
    return Z / Z.sum(1, keepdim=True)


def test_it_is_the_closed_form():
    features, labels, _ = groups(n=15, K=4, spread=0.25)
    guess, sure = propagate_labels(features, labels, 4)
    probs = dense_twin(features, labels, 4)
    unknown = labels < 0
    assert guess[unknown].equal(probs.argmax(1)[unknown])
    entropy = -(probs * probs.clamp_min(1e-12).log()).sum(1) / torch.log(
        torch.tensor(4.0)
    )
    torch.testing.assert_close(
        sure[unknown].double(), (1 - entropy)[unknown], atol=1e-4, rtol=0
    )


@given(st.integers(1, 12), st.integers(1, 5), st.integers(0, 10**6))
def test_known_labels_stay_and_weights_are_shares(n: int, K: int, seed: int):
    if n * K < 2:
        return
    features, labels, _ = groups(n, K, spread=1.0, seed=seed)
    guess, sure = propagate_labels(features, labels, K)
    known = labels >= 0
    assert guess[known].equal(labels[known])
    assert ((guess >= 0) & (guess < K)).all()
    assert ((sure >= 0) & (sure <= 1)).all() and not sure.isnan().any()


def test_an_image_that_no_label_reaches_counts_for_nothing():
    features = torch.zeros(6, 4)  # zero vectors are like nothing
    features[:4] = torch.eye(4)[[0, 0, 1, 1]]
    labels = torch.tensor([0, -1, 1, -1, -1, -1])
    guess, sure = propagate_labels(features, labels, 2)
    assert guess[:4].tolist() == [0, 0, 1, 1]
    assert sure[4:].tolist() == [0, 0] and not sure.isnan().any()


@pytest.mark.parametrize("second", [0, 5])
def test_what_cannot_be_propagated_is_refused(second):
    with pytest.raises(WorkshopError, match="at least one of each"):
        propagate_labels(torch.ones(4, 3), torch.tensor([0, second, -1, -1]), 2)


def test_a_method_without_a_strong_view_cannot_be_started():
    with pytest.raises(WorkshopError, match="propagation_steps=0"):
        LabelPropagationWarmup(
            Supervised(), "scene", torch.zeros(3).long(), torch.ones(3)
        )
