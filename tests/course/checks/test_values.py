"""What a check says of a value, when two count as the same, and what is a change."""

import random

import numpy as np
import pytest
import torch

from workshop_lib.course.checks.values import (
    as_tensor,
    describe_value,
    fingerprint,
    global_random,
    same,
)
from workshop_lib.data.split import Split

NAN = float("nan")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (torch.tensor([1, 2]), "shape (2,), int64, values 1, 2"),
        (np.array([[True, False]]), "shape (1, 2), bool, values True, False"),
        (0.123456, "0.1235"),
        ([1.0] * 7, "shape (7,), float64, values from 1 to 1"),
        ({"a"}, "a set of 1"),
        (None, "None"),
        ([[1], [1, 2]], "a list of 2"),
        (object, "an object of type type"),
        ([NAN, *[1.0] * 6], "shape (7,), float64, values from 1 to 1, 1 of them NaN"),
        ([NAN] * 7, "shape (7,), float64, all values NaN"),
    ],
)
def test_in_words(value, text):
    assert describe_value(value) == text


def test_same_numbers():
    assert same(torch.tensor([1, 2]), np.array([1.0, 2.0]))
    assert same(NAN, torch.tensor(NAN))
    assert same(torch.tensor([True, False]), [1, 0])
    assert not same([1.0, 2.0], [[1.0, 2.0]])
    assert not same(1.0, 1.01)
    assert not same("1", 1) and not same(None, None)


def test_rows_of_tensors_are_stacked():
    rows = as_tensor([torch.ones(2), np.zeros(2)])
    assert rows is not None and rows.tolist() == [[1, 1], [0, 0]]
    assert as_tensor([torch.ones(2), torch.ones(3)]) is None
    mixed = as_tensor((0.5, torch.tensor(1)))
    assert mixed is not None and mixed.tolist() == [0.5, 1]


@pytest.mark.parametrize(
    ("value", "spoil"),
    [
        (torch.zeros(3), lambda x: x.add_(1)),
        (torch.zeros(3), lambda x: x.resize_(2)),
        (np.zeros(3), lambda x: x.fill(1)),
        ([torch.zeros(2)], lambda x: x[0].fill_(2)),
        ([1, 2], lambda x: x.reverse()),
        ({"a": 1}, lambda x: x.update(b=2)),
        (Split(*torch.arange(12).view(4, 3)), lambda x: x.test.add_(1)),
    ],
)
def test_changes_are_seen(value, spoil):
    before = fingerprint(value)
    assert fingerprint(value) == before
    spoil(value)
    assert fingerprint(value) != before


def test_nan_and_generators_are_no_change():
    args = (torch.tensor([NAN]), torch.Generator().manual_seed(0))
    before = fingerprint(args)
    torch.rand(2, generator=args[1])
    assert fingerprint(args) == before


def test_global_random_numbers():
    before = global_random()

    def moved() -> list[str]:
        now = global_random()
        return [name for name in now if now[name] != before[name]]

    torch.rand(2, generator=torch.Generator().manual_seed(0))
    np.random.default_rng(0).random()
    assert moved() == []
    torch.rand(1)
    assert moved() == ["torch"]
    random.random()
    np.random.rand()
    assert moved() == ["torch", "numpy", "random"]
