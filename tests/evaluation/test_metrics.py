"""Scores against published matrices, scikit-learn on single images, and loops."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from tests.golden import FOLDER, golden
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.head_metrics import (
    border_accuracy,
    border_errors,
    score_multilabel,
)
from workshop_lib.evaluation.metrics import Scores, plain, score, scores_from_confusion

VAIHINGEN = sorted(p.stem for p in FOLDER.glob("metrics_vaihingen_*.npz"))
LABELS = sorted(p.stem for p in FOLDER.glob("metrics_labels_*.npz"))


def one_hot(predicted: np.ndarray, K: int) -> torch.Tensor:
    """Probabilities that choose the given classes."""
    return torch.nn.functional.one_hot(torch.as_tensor(predicted), K).float()


def check_against(scores: Scores, g: dict[str, np.ndarray]) -> None:
    for ours, theirs in (
        (scores.accuracy, "overall_accuracy"),
        (scores.recall, "per_class_accuracy"),
        (scores.precision, "precision"),
        (scores.f1, "f1"),
        (scores.iou, "iou"),
        (scores.kappa, "kappa"),
        (scores.macro_recall, "mean_accuracy_nanmean"),
        (scores.macro_f1, "mean_f1_nanmean"),
        (scores.mean_iou, "mean_iou_nanmean"),
    ):
        np.testing.assert_allclose(ours, g[theirs], rtol=1e-10, err_msg=theirs)


def test_golden_files_are_there() -> None:
    assert len(VAIHINGEN) == 4 and len(LABELS) == 4


@pytest.mark.parametrize("name", VAIHINGEN)
def test_published_matrices(name: str) -> None:
    g = golden(name)
    scores = scores_from_confusion(g["confusion"], g["classes"].tolist())
    check_against(scores, g)
    assert round(100 * scores.accuracy, 2) == float(g["printed_oa_percent"])
    assert scores.support.tolist() == g["printed_pixels"].tolist()
    assert scores.top_k is None


@pytest.mark.parametrize("name", LABELS)
def test_from_labels(name: str) -> None:
    g = golden(name)
    K, true, predicted = int(g["num_classes"]), g["y_true"], g["y_pred"]
    if g["has_ignore"]:  # our labels have no "ignore": who calls leaves them out
        keep = true != g["ignore"]
        true, predicted = true[keep], predicted[keep]
    names = [f"class {k}" for k in range(K)]
    scores = score(one_hot(predicted, K), torch.as_tensor(true), names, k=1)
    assert np.array_equal(scores.confusion, g["confusion"])
    assert scores.top_k == scores.accuracy
    check_against(scores, g)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 7), st.integers(1, 60))
def test_equals_scikit_learn_on_single_images(seed: int, K: int, N: int) -> None:
    rng = np.random.default_rng(seed)
    true, predicted = rng.integers(0, K, N), rng.integers(0, K, N)
    scores = score(one_hot(predicted, K), torch.as_tensor(true), "abcdefg"[:K], k=1)
    classes = np.arange(K)
    matrix = metrics.confusion_matrix(true, predicted, labels=classes)
    assert np.array_equal(scores.confusion, matrix)
    assert scores.accuracy == pytest.approx(metrics.accuracy_score(true, predicted))
    if len(set(true) | set(predicted)) > 1:
        kappa = metrics.cohen_kappa_score(true, predicted, labels=classes)
        assert scores.kappa == pytest.approx(kappa)
    else:
        assert math.isnan(scores.kappa)
    iou = metrics.jaccard_score(
        true, predicted, labels=classes, average=None, zero_division=0
    )
    np.testing.assert_allclose(np.nan_to_num(scores.iou), iou)
    for k in range(K):
        present = (true == k).any()
        assert math.isnan(scores.recall[k]) != present
        assert math.isnan(scores.precision[k]) != (predicted == k).any()


def test_top_k_equals_a_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    probs = torch.rand(50, 6, generator=generator).softmax(1)
    labels = torch.randint(0, 6, (50,), generator=generator)
    for k in range(1, 9):  # more guesses than classes are all classes
        hits = 0
        for row, label in zip(probs, labels, strict=True):
            hits += sum(float(p) > float(row[label]) for p in row) < k
        scores = score(probs, labels, "abcdef", k=k)
        assert scores.top_k == pytest.approx(hits / 50)
        assert scores.k == min(k, 6)


def test_scores_can_be_written_as_json() -> None:
    scores = score(one_hot(np.array([0, 0, 1]), 3), torch.tensor([0, 1, 1]), "abc")
    assert math.isnan(scores.recall[2])
    text = json.dumps(plain(vars(scores)), allow_nan=False)  # NaN is not JSON
    found = json.loads(text)
    assert found["confusion"] == scores.confusion.tolist()
    assert found["recall"] == [1, 0.5, None] and found["class_names"] == ["a", "b", "c"]
    assert (found["macro_f1"], found["kappa"]) == (scores.macro_f1, scores.kappa)


@pytest.mark.parametrize("matrix", [[[1, 2, 3]], [[1, -1], [0, 2]], [[0, 0], [0, 0]]])
def test_wrong_matrices_are_told(matrix: list[list[int]]) -> None:
    with pytest.raises(WorkshopError, match="confusion matrix"):
        scores_from_confusion(matrix, "ab")


def test_golden_values_of_several_labels() -> None:
    g = golden("metrics_multilabel")
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


def test_macro_leaves_out_what_cannot_be_known() -> None:
    p = torch.tensor([[0.9, 0.1, 0.2], [0.2, 0.8, 0.1]])
    y = torch.tensor([[1, 0, 0], [0, 1, 0]])
    scores = score_multilabel(p, y, "abc")
    assert math.isnan(scores.f1[2]) and math.isnan(scores.average_precision[2])
    assert scores.macro_f1 == scores.mean_average_precision == scores.exact_match == 1


def test_pixels_beside_borders_are_counted_apart() -> None:
    truth = torch.tensor([[[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 255]]])
    predicted = torch.tensor([[[1, 0, 0, 1], [0, 0, 1, 1], [0, 0, 0, 0]]])
    kinds = [[[2, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 255]]]
    assert border_errors(truth, predicted).tolist() == kinds
    assert border_accuracy(truth, predicted) == pytest.approx((4 / 5, 5 / 6))


def test_exactly_the_threshold_is_yes() -> None:
    p, y = torch.tensor([[0.5, 0.1]]), torch.tensor([[1, 0]])
    assert score_multilabel(p, y, "ab").exact_match == 1


@pytest.mark.parametrize(
    ("function", "probs", "labels", "names", "message"),
    [
        (score, torch.rand(3, 2), torch.zeros(3).long(), "abc", "expected"),
        (score, torch.rand(3, 2), torch.zeros(4).long(), "ab", "expected"),
        (score, torch.rand(0, 2), torch.zeros(0).long(), "ab", "empty"),
        (score, torch.rand(2, 2), torch.tensor([0, 2]), "ab", "0..1"),
        (score, torch.rand(2, 2), torch.tensor([-1, 0]), "ab", "-1"),
        (score, torch.tensor([[math.nan, 1.0]]), torch.tensor([0]), "ab", "diverged"),
        (score_multilabel, torch.rand(3, 2), torch.ones(3, 3), "ab", "expected"),
        (score_multilabel, torch.rand(3, 2), torch.ones(3, 2), "abc", "expected"),
        (score_multilabel, torch.rand(3, 1), torch.ones(3, 1), "a", "yes-or-no"),
        (score_multilabel, torch.full((3, 2), 1.5), torch.ones(3, 2), "ab", "no prob"),
        (score_multilabel, torch.rand(3, 2), torch.rand(3, 2), "ab", "neither 0 nor 1"),
    ],
)
def test_wrong_input_is_refused(function, probs, labels, names, message) -> None:
    with pytest.raises(WorkshopError, match=message):
        function(probs, labels, names)
