"""Paired comparison: p-values by hand and by simulation, answers in words."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.mcnemar import FEW, PairedTest, mcnemar


def answers(both: int, only_a: int, only_b: int, neither: int) -> tuple[list, list]:
    a = [1] * both + [1] * only_a + [0] * only_b + [0] * neither
    b = [1] * both + [0] * only_a + [1] * only_b + [0] * neither
    return a, b


def exact_by_loop(n: int, wins: int) -> float:
    """Share of all ways to hand n images to two models that are as one-sided."""
    ways = itertools.product((0, 1), repeat=n)
    apart = abs(2 * wins - n)
    return float(np.mean([abs(2 * sum(way) - n) >= apart for way in ways]))


@pytest.mark.parametrize(("only_a", "only_b"), [(6, 0), (5, 2), (3, 3), (1, 9), (0, 1)])
def test_few_images_are_counted_exactly(only_a: int, only_b: int) -> None:
    test = mcnemar(*answers(10, only_a, only_b, 4))
    assert test.exact
    assert test.p_value == pytest.approx(exact_by_loop(only_a + only_b, only_a))
    assert (test.both, test.only_a, test.only_b, test.neither) == (
        10,
        only_a,
        only_b,
        4,
    )


def test_many_images_by_hand() -> None:
    # Edwards 1948: (|59 - 121| - 1)^2 / 180 = 20.67
    test = mcnemar(*answers(101, 59, 121, 33))
    assert not test.exact
    assert test.p_value == pytest.approx(stats.chi2.sf(61**2 / 180, 1))
    assert test.difference == pytest.approx(-62 / 314)
    assert test.real


@pytest.mark.parametrize("apart", [0, 1, 4, 9])
def test_both_ways_agree_where_one_gives_way_to_the_other(apart: int) -> None:
    only_b = (FEW - apart) // 2 + 1
    test = mcnemar(*answers(50, only_b + apart, only_b, 5))
    assert not test.exact
    binomial = stats.binomtest(test.only_a, test.only_a + test.only_b).pvalue
    assert test.p_value == pytest.approx(binomial, abs=0.03)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=80))
def test_the_order_of_models_and_of_images_does_not_matter(
    pairs: list[tuple[bool, bool]],
) -> None:
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


def test_equal_models_are_seldom_called_different() -> None:
    rng = np.random.default_rng(0)
    called = covered = 0
    for _ in range(1000):
        hard = rng.random(300) < 0.3  # hard for both: their answers go together
        a, b = (np.where(hard, rng.random(300) < 0.5, 1) for _ in range(2))
        test = mcnemar(a, b)
        called += test.real
        low, high = test.interval()
        covered += low <= 0 <= high
    assert called <= 60
    assert 930 <= covered <= 975


def test_equal_answers_are_no_difference() -> None:
    test = mcnemar([1, 0, 1], [1, 0, 1])
    assert test.p_value == 1 and not test.real and test.difference == 0
    low, high = test.interval()
    assert low < 0 < high


def test_the_answer_is_in_words() -> None:
    yes = mcnemar(*answers(300, 60, 20, 20)).in_words("fixmatch", "supervised")
    assert "fixmatch: 90.0%, supervised: 80.0%" in yes
    assert "+10.0 points" in yes
    assert "Yes: fixmatch is better" in yes
    assert "at most 1 of 100" in yes
    assert "p < 0.0001" in yes
    assert "Yes: B is better" in mcnemar(*answers(300, 20, 60, 20)).in_words()
    no = mcnemar(*answers(300, 12, 8, 20)).in_words()
    assert "One cannot tell" in no and "about 50 of 100" in no
    assert "several seeds" in no and "several seeds" in yes


def test_interval_by_hand() -> None:
    # Agresti & Min 2005: half an image more in each cell
    low, high = PairedTest(1, 3, 0, 4, 0.25, True).interval()
    n, b, c = 10, 3.5, 0.5
    half = 1.959964 * np.sqrt((b + c) - (b - c) ** 2 / n) / n
    assert (low, high) == pytest.approx(((b - c) / n - half, (b - c) / n + half))


@pytest.mark.parametrize(("a", "b"), [([], []), ([1, 0], [1]), ([[1]], [[1]])])
def test_wrong_input_is_told(a: list, b: list) -> None:
    with pytest.raises(WorkshopError, match="one per test image"):
        mcnemar(a, b)
