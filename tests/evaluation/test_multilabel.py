"""Several labels per image: independent values, scikit-learn, loops."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.multilabel import score_multilabel

GOLDEN = Path(__file__).parents[1] / "golden" / "metrics_multilabel.npz"


def test_golden_values() -> None:
    with np.load(GOLDEN, allow_pickle=False) as file:
        g = dict(file)
    logits, y = torch.as_tensor(g["logits"]), torch.as_tensor(g["y"])
    scores = score_multilabel(logits.double().sigmoid(), y, "abcde")
    for ours, theirs in (
        (scores.f1, "f1_per_class"),
        (scores.macro_f1, "f1_macro"),
        (scores.micro_f1, "f1_micro"),
        (scores.average_precision, "ap_per_class"),
        (scores.mean_average_precision, "ap_macro"),
        (scores.micro_average_precision, "ap_micro"),
        (scores.exact_match, "exact_match"),
        (scores.hamming_loss, "hamming_loss"),
    ):
        np.testing.assert_allclose(ours, g[theirs], rtol=1e-10, err_msg=theirs)
    # Logits cut at 0.5 as if they were probabilities: another figure, so refused
    assert float(g["f1_macro_if_logits_thresholded_at_half"]) != scores.macro_f1
    with pytest.raises(WorkshopError, match="logits.sigmoid"):
        score_multilabel(logits, y, "abcde")


def f1_by_loop(p: np.ndarray, y: np.ndarray) -> float:
    tp = sum(a and b for a, b in zip(p, y, strict=True))
    wrong = sum(a != b for a, b in zip(p, y, strict=True))
    return 2 * tp / (2 * tp + wrong) if tp or wrong else math.nan


def ap_by_loop(p: np.ndarray, y: np.ndarray) -> float:
    """Mean over the images that hold the class of the precision at their rank."""
    if not y.any():
        return math.nan
    precisions = []
    for i in np.flatnonzero(y):
        above = p >= p[i]
        precisions.append(y[above].mean())
    return float(np.mean(precisions))


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(2, 5))
def test_equals_loops_also_with_absent_classes(seed: int, N: int, K: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.integers(0, 11, (N, K)) / 10  # many ties
    y = (rng.random((N, K)) < rng.random(K)).astype(int)
    y[:, 0] = 0
    scores = score_multilabel(torch.as_tensor(p), torch.as_tensor(y), "abcde"[:K])
    f1 = [f1_by_loop(p[:, k] >= 0.5, y[:, k] == 1) for k in range(K)]
    ap = [ap_by_loop(p[:, k], y[:, k]) for k in range(K)]
    np.testing.assert_allclose(scores.f1, f1)
    np.testing.assert_allclose(scores.average_precision, ap)
    micro = f1_by_loop((p >= 0.5).ravel(), y.ravel() == 1)
    np.testing.assert_allclose(scores.micro_f1, micro)
    assert math.isnan(scores.recall[0])
    assert scores.support.tolist() == y.sum(axis=0).tolist()
    json.dumps(scores.to_dict(), allow_nan=False)


def test_macro_leaves_out_what_cannot_be_known() -> None:
    p = torch.tensor([[0.9, 0.1, 0.2], [0.2, 0.8, 0.1]])
    y = torch.tensor([[1, 0, 0], [0, 1, 0]])
    scores = score_multilabel(p, y, "abc")
    assert math.isnan(scores.f1[2]) and math.isnan(scores.average_precision[2])
    assert scores.macro_f1 == scores.mean_average_precision == scores.exact_match == 1


def test_exactly_the_threshold_is_yes() -> None:
    p, y = torch.tensor([[0.5, 0.1]]), torch.tensor([[1, 0]])
    assert score_multilabel(p, y, "ab").exact_match == 1
    assert score_multilabel(p, y, "ab", threshold=0.6).exact_match == 0


@pytest.mark.parametrize(
    ("probs", "labels", "names", "message"),
    [
        (torch.rand(3, 2), torch.ones(3, 3), "ab", "expected"),
        (torch.rand(3, 2), torch.ones(3, 2), "abc", "expected"),
        (torch.rand(3, 1), torch.ones(3, 1), "a", "yes-or-no"),
        (torch.rand(0, 2), torch.ones(0, 2), "ab", "empty"),
        (torch.rand(3, 2), torch.full((3, 2), 2), "ab", "other than 0 and 1"),
        (torch.full((1, 2), math.nan), torch.ones(1, 2), "ab", "diverged"),
        (torch.tensor([[1.5, 0.1]]), torch.ones(1, 2), "ab", "no probabilities"),
    ],
)
def test_wrong_input_is_told(
    probs: torch.Tensor, labels: torch.Tensor, names: str, message: str
) -> None:
    with pytest.raises(WorkshopError, match=message):
        score_multilabel(probs, labels, names)


def test_a_threshold_outside_is_told() -> None:
    with pytest.raises(WorkshopError, match="threshold=0.0"):
        score_multilabel(torch.rand(2, 2), torch.ones(2, 2), "ab", threshold=0.0)
