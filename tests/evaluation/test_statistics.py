"""Intervals against scipy and loops; the paired test by hand and by simulation."""

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import f1_score

from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.metrics import overall_scores, score, scores_from_confusion
from workshop_lib.evaluation.statistics import (
    PairedTest,
    bootstrap_interval,
    mcnemar,
    score_intervals,
)

RIGHT = (np.random.default_rng(0).random(300) < 0.8).astype(float)


def test_the_bootstrap_is_that_of_scipy():
    ours = bootstrap_interval(np.mean, RIGHT, resamples=4000)
    theirs = stats.bootstrap(
        (RIGHT,), np.mean, n_resamples=4000, method="percentile", vectorized=True
    )
    assert ours.value == RIGHT.mean()
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.008)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.008)


def test_the_same_seed_gives_the_same_interval_vectorised_or_not():
    one = bootstrap_interval(np.mean, RIGHT, seed=3, resamples=500)
    many = bootstrap_interval(
        lambda a: a.mean(axis=1), RIGHT, seed=3, resamples=500, vectorized=True
    )
    assert (one.low, one.high) == pytest.approx((many.low, many.high))
    again = bootstrap_interval(np.mean, RIGHT, seed=3, resamples=500)
    other = bootstrap_interval(np.mean, RIGHT, seed=4, resamples=500)
    assert again == one and other != one


def test_any_metric_of_several_arrays_drawn_together():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, 80)
    guess = np.where(rng.random(80) < 0.7, truth, rng.integers(0, 3, 80))

    def macro_f1(y: np.ndarray, p: np.ndarray) -> float:
        return float(f1_score(y, p, average="macro", zero_division=0))

    found = bootstrap_interval(macro_f1, truth, guess, resamples=150)
    assert found.value == macro_f1(truth, guess)
    assert 0.4 < found.low < found.value < found.high < 0.95
    agree = bootstrap_interval(lambda y, p: np.mean(y == p), truth, truth, resamples=50)
    assert agree.value == 1 and math.isnan(agree.low)  # rows stay together
    assert "no interval" in str(agree)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 40))
def test_many_matrices_at_once_equal_one_by_one(seed, K, N):
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(N, rng.dirichlet(np.ones(K * K)), 5).reshape(5, K, K)
    many = overall_scores(counts)
    for r, matrix in enumerate(counts):
        scores = scores_from_confusion(matrix, "abcdef"[:K])
        for name, values in many.items():
            expected = getattr(scores, name)
            np.testing.assert_allclose(values[r], expected, atol=1e-12, err_msg=name)


def test_score_intervals_are_those_of_drawing_images():
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 4, 150)
    guess = np.where(rng.random(150) < 0.6, truth, rng.integers(0, 4, 150))
    probs = torch.nn.functional.one_hot(torch.as_tensor(guess), 4).float()
    scores = score(probs, torch.as_tensor(truth), "abcd")
    found = score_intervals(scores)
    for name in ("macro_f1", "kappa", "accuracy"):  # one by one: slow

        def metric(y: np.ndarray, p: np.ndarray, name: str = name) -> float:
            matrix = np.bincount(4 * y + p, minlength=16).reshape(4, 4)
            return float(getattr(scores_from_confusion(matrix, "abcd"), name))

        slow = bootstrap_interval(metric, truth, guess, resamples=150)
        assert found[name].value == slow.value
        assert found[name].low == pytest.approx(slow.low, abs=0.03)
        assert found[name].high == pytest.approx(slow.high, abs=0.03)


def test_absent_classes_make_no_noise():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = score_intervals(scores_from_confusion([[3, 0], [0, 0]], "ab"))
    low, high = found["accuracy"].low, found["accuracy"].high
    assert 0.3 < low < high == 1  # Wilson's: three images say little
    assert math.isnan(found["kappa"].value) and math.isnan(found["kappa"].low)


@pytest.mark.parametrize("arrays", [([1, 2], [1]), ()])
def test_wrong_input_of_intervals_is_refused(arrays):
    with pytest.raises(WorkshopError, match="same number of rows"):
        bootstrap_interval(np.mean, *arrays)


def answers(both: int, only_a: int, only_b: int, neither: int) -> tuple[list, list]:
    a = [1] * both + [1] * only_a + [0] * only_b + [0] * neither
    b = [1] * both + [0] * only_a + [1] * only_b + [0] * neither
    return a, b


def test_many_images_by_hand():
    # Edwards 1948: (|59 - 121| - 1)^2 / 180 = 20.67
    few, test = mcnemar(*answers(10, 1, 9, 4)), mcnemar(*answers(101, 59, 121, 33))
    assert few.exact and few.p_value == pytest.approx(22 / 2**10)  # 2 (1 + 10) ways
    assert not test.exact
    assert test.p_value == pytest.approx(stats.chi2.sf(61**2 / 180, 1))
    assert test.difference == pytest.approx(-62 / 314)
    assert test.significant


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=80))
def test_the_order_of_models_and_of_images_does_not_matter(pairs):
    a, b = (np.array(column) for column in zip(*pairs, strict=True))
    there, back = mcnemar(a, b), mcnemar(b, a)
    assert 0 <= there.p_value <= 1
    assert there.p_value == pytest.approx(back.p_value)
    assert there.difference == -back.difference
    low, high = there.interval()
    assert (-high, -low) == pytest.approx(back.interval())
    assert -1 <= low <= high <= 1
    turned = mcnemar(a[::-1], b[::-1])
    assert turned == there
    assert there.difference == pytest.approx(a.mean() - b.mean())


def test_equal_answers_are_no_difference():
    test = mcnemar([1, 0, 1], [1, 0, 1])
    assert test.p_value == 1 and not test.significant and test.difference == 0
    low, high = test.interval()
    assert low < 0 < high


def test_the_summary_gives_figures_and_verdict():
    yes = mcnemar(*answers(300, 60, 20, 20)).summary("fixmatch", "supervised")
    assert "fixmatch: 90.0%, supervised: 80.0%" in yes
    assert "+10.0 points" in yes
    assert "Yes: fixmatch is better" in yes
    assert "at most 1 of 100" in yes
    assert "p < 0.0001" in yes
    assert "Yes: B is better" in mcnemar(*answers(300, 20, 60, 20)).summary()
    no = mcnemar(*answers(300, 12, 8, 20)).summary()
    assert "One cannot tell" in no and "about 50 of 100" in no
    assert "several seeds" in no and "several seeds" in yes


def test_interval_by_hand():
    # Agresti & Min 2005: half an image more in each cell
    low, high = PairedTest(1, 3, 0, 4, 0.25, True).interval()
    n, b, c = 10, 3.5, 0.5
    half = 1.959964 * np.sqrt((b + c) - (b - c) ** 2 / n) / n
    assert (low, high) == pytest.approx(((b - c) / n - half, (b - c) / n + half))


@pytest.mark.parametrize(("a", "b"), [([], []), ([1, 0], [1]), ([[1]], [[1]])])
def test_wrong_input_of_the_paired_test_is_refused(a, b):
    with pytest.raises(WorkshopError, match="one per test image"):
        mcnemar(a, b)
