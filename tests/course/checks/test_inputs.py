"""Changes of arguments and of global random numbers are noticed."""

import random

import numpy as np
import pytest
import torch

from workshop_lib.course.checks.inputs import fingerprint, global_random, uneven_lengths
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
        ([1, 2], lambda x: x.append(3)),
        ([1, 2], lambda x: x.reverse()),
        ({"a": torch.zeros(1)}, lambda x: x["a"].add_(1)),
        ({"a": 1}, lambda x: x.update(b=2)),
        (split(), lambda x: x.test.add_(1)),
    ],
)
def test_changes_are_seen(value, spoil):
    before = fingerprint(value)
    assert fingerprint(value) == before
    spoil(value)
    assert fingerprint(value) != before


def test_nan_and_generators_are_no_change():
    args = (torch.tensor([float("nan")]), torch.Generator().manual_seed(0))
    before = fingerprint(args)
    torch.rand(2, generator=args[1])
    assert fingerprint(args) == before


def test_global_random_numbers():
    before = global_random()

    def moved() -> list[str]:
        return [
            name for name, state in global_random().items() if state != before[name]
        ]

    torch.rand(2, generator=torch.Generator().manual_seed(0))
    random.Random(0).random()
    np.random.default_rng(0).random()
    assert moved() == []
    torch.rand(1)
    assert moved() == ["torch"]
    random.random()
    np.random.rand()
    assert moved() == ["torch", "numpy", "random"]


def test_lengths_differ_and_directions_stay():
    vectors = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    scaled = uneven_lengths(vectors)
    lengths = scaled.norm(dim=1)
    assert (
        lengths.min() > 0.19 and lengths.max() < 5.01 and lengths.unique().numel() == 8
    )
    assert torch.allclose(torch.cosine_similarity(scaled, vectors), torch.ones(8))
