"""Confidence: bins against loops and scikit-learn, temperatures that are known."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.calibration import (
    COLDEST,
    apply_temperature,
    calibrate,
    fit_temperature,
    nll,
    reliability,
)


def draw(seed: int, N: int, K: int, hot: float = 1.0) -> tuple[torch.Tensor, ...]:
    """Labels drawn from the true probabilities; a model that says them `hot` times."""
    g = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(N, K, generator=g, dtype=torch.float64)
    labels = torch.multinomial(logits.softmax(1), 1, generator=g)[:, 0]
    return (hot * logits).softmax(1), labels


def ece_by_loop(probs: torch.Tensor, labels: torch.Tensor, bins: int) -> float:
    total = 0.0
    for b in range(bins):
        sure, right = [], []
        for row, label in zip(probs.tolist(), labels.tolist(), strict=True):
            top = max(row)
            if b / bins < top <= (b + 1) / bins:
                sure.append(top)
                right.append(row.index(top) == label)
        if sure:
            total += len(sure) * abs(np.mean(right) - np.mean(sure))
    return total / len(probs)


@given(st.integers(0, 10**6), st.integers(1, 50), st.integers(2, 6), st.integers(1, 20))
def test_ece_equals_a_loop(seed: int, N: int, K: int, bins: int) -> None:
    probs, labels = draw(seed, N, K, hot=3.0)
    found = reliability(probs, labels, bins)
    assert found.ece == pytest.approx(ece_by_loop(probs, labels, bins), abs=1e-12)
    assert 0 <= found.ece <= 1
    assert found.bins["count"].sum() == N
    assert (found.bins["accuracy"].isna() == (found.bins["count"] == 0)).all()


def test_rounding_above_one_stays_in_the_last_bin() -> None:
    probs = torch.tensor([[1.0 + 1e-6, 0.0]])
    assert reliability(probs, torch.tensor([0])).bins["count"].iloc[-1] == 1


@pytest.mark.parametrize("hot", [0.5, 1.0, 2.5])
def test_the_temperature_undoes_what_was_done(hot: float) -> None:
    val, val_labels = draw(1, 4000, 5, hot)
    test, test_labels = draw(2, 4000, 5, hot)
    found = calibrate(val, val_labels, test, test_labels)
    assert found.temperature == pytest.approx(hot, rel=0.06)
    assert found.after.ece < 0.03
    if hot != 1:
        assert found.before.ece > 2 * found.after.ece
        assert found.nll_after < found.nll_before
    assert set(found.to_dict()) >= {"temperature", "ece", "calibrated_ece"}


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 40), st.integers(2, 6))
def test_no_temperature_on_a_grid_is_better(seed: int, N: int, K: int) -> None:
    probs, labels = draw(seed, N, K, hot=2.0)
    best = nll(apply_temperature(probs, fit_temperature(probs, labels)), labels)
    # The ends themselves are approached, to a millionth, and never tried
    for t in np.geomspace(0.1, 10, 41)[1:-1]:
        assert best <= nll(apply_temperature(probs, float(t)), labels) + 1e-9


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.floats(0.2, 5))
def test_softening_keeps_the_order_and_sums_to_one(seed: int, t: float) -> None:
    g = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(7, 5, generator=g, dtype=torch.float64)
    softened = apply_temperature(logits.softmax(1), t)
    np.testing.assert_allclose(softened, (logits / t).softmax(1), rtol=1e-9)
    assert torch.equal(softened.argsort(1), logits.argsort(1))


def test_nll_is_that_of_scikit_learn() -> None:
    probs, labels = draw(3, 100, 4)
    expected = log_loss(labels.numpy(), probs.numpy(), labels=range(4))
    assert nll(probs, labels) == pytest.approx(expected)


def test_where_all_are_right_certainty_is_best() -> None:
    probs = torch.tensor([[0.8, 0.2], [0.3, 0.7]])
    assert fit_temperature(probs, torch.tensor([0, 1])) == pytest.approx(COLDEST, 1e-3)


def test_certain_and_wrong_is_no_infinity() -> None:
    probs = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    labels = torch.tensor([0, 1, 1])
    assert math.isfinite(nll(probs, labels))
    assert 1 < fit_temperature(probs, labels) <= 10


@pytest.mark.parametrize(
    ("n", "right", "why"), [(40, 40, "right"), (40, 0, "wrong"), (29, 20, "too few")]
)
def test_no_temperature_where_the_images_cannot_tell(n: int, right: int, why: str):
    probs = torch.full((n, 2), 0.02)
    probs[:, 1] = 0.98
    labels = (torch.arange(n) < right).long()
    found = calibrate(probs, labels, probs, labels)
    assert found.temperature == 1 and why in found.why_not
    assert found.to_dict()["temperature"] is None and why in found.summary()
    assert found.before.ece == pytest.approx(found.after.ece)


@pytest.mark.parametrize("function", [reliability, fit_temperature])
def test_wrong_input_is_refused_as_of_scores(function: Callable[..., object]) -> None:
    with pytest.raises(WorkshopError, match=r"0\.\.1"):
        function(torch.rand(2, 2), torch.tensor([0, 2]))
