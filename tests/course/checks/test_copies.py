"""Changes of arguments and of global random numbers are seen."""

import random

import numpy as np
import pytest
import torch

from workshop_lib.course.checks.copies import RandomState, changed, snapshot
from workshop_lib.data.split import Split


def split() -> Split:
    return Split(*(torch.arange(3) for _ in range(4)))


@pytest.mark.parametrize(
    ("value", "spoil"),
    [
        (torch.zeros(3), lambda x: x.add_(1)),
        (torch.zeros(3), lambda x: x.resize_(2)),
        (np.zeros(3), lambda x: x.fill(1)),
        ([torch.zeros(2)], lambda x: x[0].fill_(2)),
        ([1, 2], lambda x: x.append(torch.zeros(1))),
        ({"a": torch.zeros(1)}, lambda x: x["a"].add_(1)),
        ({"a": 1}, lambda x: x.update(b=2)),
        (split(), lambda x: x.test.add_(1)),
    ],
)
def test_changes_are_seen(value, spoil):
    before = snapshot(value)
    assert not changed(value, before)
    spoil(value)
    assert changed(value, before)


def test_nan_and_generators_are_no_change():
    args = (torch.tensor([float("nan")]), torch.Generator().manual_seed(0))
    before = snapshot(args)
    torch.rand(2, generator=args[1])
    assert not changed(args, before)


def test_global_random_numbers():
    state = RandomState()
    torch.rand(2, generator=torch.Generator().manual_seed(0))
    random.Random(0).random()
    np.random.default_rng(0).random()
    assert state.moved() == []
    torch.rand(1)
    assert state.moved() == ["torch"]
    random.random()
    np.random.rand()
    assert state.moved() == ["torch", "numpy", "random"]
