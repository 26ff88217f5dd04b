"""The learning-rate factor against golden numbers and by its shape."""

import math
from pathlib import Path

import numpy as np
import pytest

from workshop_lib.errors import WorkshopError
from workshop_lib.training.schedule import cosine_7_16

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("case", range(4))
def test_golden(case: int) -> None:
    data = np.load(GOLDEN / "schedule_cosine.npz")
    assert int(data["n_cases"]) == 4
    base, warmup, total, steps, rates = (
        data[f"c{case}_{k}"] for k in ("base_lr", "warmup", "total", "step", "lr")
    )
    ours = [float(base) * cosine_7_16(int(s), int(total), int(warmup)) for s in steps]
    np.testing.assert_allclose(ours, rates, rtol=1e-8, atol=1e-12)


def test_rises_to_one_then_falls_to_a_fifth() -> None:
    factors = [cosine_7_16(step, 100, 10) for step in range(101)]
    assert factors[0] == 0
    assert factors[10] == 1
    assert factors[:11] == sorted(factors[:11])
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[100] == pytest.approx(math.cos(7 * math.pi / 16))


def test_a_warm_up_longer_than_the_training() -> None:
    assert cosine_7_16(5, 3, 10) == 0.5


@pytest.mark.parametrize("arguments", [(-1, 10, 0), (0, 0, 0), (0, 10, -1)])
def test_impossible_steps(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(WorkshopError, match="expected step >= 0"):
        cosine_7_16(*arguments)
