"""The ramp-up, step by step."""

import math

import pytest
import torch

from workshop_lib.errors import WorkshopError
from workshop_lib.next.losses import RampUp


@pytest.mark.parametrize("shape", ["linear", "bell"])
@pytest.mark.parametrize("length", [1, 4, 2.5])
def test_every_step_is_the_formula_and_it_ends_at_one(shape, length):
    ramp = RampUp(length, shape)
    for step in range(8):
        t = min(1.0, step / length)
        expected = t if shape == "linear" else math.exp(-5 * (1 - t) ** 2)
        assert ramp().item() == pytest.approx(expected)
        ramp.advance()
    assert ramp() == 1


def test_no_length_is_one_from_the_start():
    assert RampUp(0)() == 1


def test_a_resumed_ramp_goes_on_where_it_stood():
    ramp, other = RampUp(10), RampUp(10)
    ramp.advance()
    ramp.advance()
    other.load_state_dict(ramp.state_dict())
    assert torch.equal(other(), ramp())
    assert ramp.to("meta").step.is_meta


def test_bad_arguments():
    with pytest.raises(WorkshopError, match="0 steps or more"):
        RampUp(-1)
    with pytest.raises(WorkshopError, match="linear"):
        RampUp(5, "liner")
