"""What a check says of a result, and when two results count as the same."""

import numpy as np
import pytest
import torch

from workshop_lib.course.checks.describe import (
    as_tensor,
    describe,
    first_difference,
    same,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (torch.zeros(2, 3, 4), "shape (2, 3, 4), float32, values from 0 to 0"),
        (torch.tensor([1, 2]), "shape (2,), int64, values 1, 2"),
        (np.array([[True, False]]), "shape (1, 2), bool, values True, False"),
        (0.123456, "0.1235"),
        (torch.tensor(3), "3"),
        (torch.empty(0, 2), "shape (0, 2), float32, empty"),
        ([1.0] * 7, "shape (7,), float64, values from 1 to 1"),
        ({"a"}, "a set of 1"),
        (None, "None"),
        ([[1], [1, 2]], "a list of 2"),
        (object, "an object of type type"),
    ],
)
def test_in_words(value, text):
    assert describe(value) == text


def test_nan_is_told():
    seven = torch.tensor([float("nan")] + [1.0] * 6)
    assert describe(seven).endswith("values from 1 to 1, 1 of them NaN")
    assert describe(seven * float("nan")).endswith("all values NaN")


def test_same_numbers():
    assert same(torch.tensor([1, 2]), np.array([1.0, 2.0]))
    assert same(float("nan"), torch.tensor(float("nan")))
    assert same(torch.tensor([True, False]), [1, 0])
    assert not same([1.0, 2.0], [[1.0, 2.0]])
    assert not same(1.0, 1.01)
    assert not same("1", 1) and not same(None, None)


def test_first_difference():
    a, b = torch.zeros(2, 3), torch.zeros(2, 3)
    assert first_difference(a, b) == ""
    b[1, 0], b[1, 2] = 5, 6
    assert first_difference(a, b) == (
        "at [1, 0] came 0, expected 5 (2 of 6 values differ)"
    )
    assert first_difference(a, b[0]) == ""


def test_rows_of_tensors_are_stacked():
    rows = as_tensor([torch.ones(2), np.zeros(2)])
    assert rows is not None and rows.tolist() == [[1, 1], [0, 0]]
    assert as_tensor([torch.ones(2), torch.ones(3)]) is None
    mixed = as_tensor((0.5, torch.tensor(1)))
    assert mixed is not None and mixed.tolist() == [0.5, 1]
