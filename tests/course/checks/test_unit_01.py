"""Unit 01: right answers pass however they are written, wrong ones get their hint."""

import numpy as np
import pytest
import torch

from workshop_lib.course import checks


def looped(image, kernel):
    H, W = image.shape
    result = torch.zeros(H - 2, W - 2)
    for i in range(H - 2):
        for j in range(W - 2):
            result[i, j] = (image[i : i + 3, j : j + 3] * kernel).sum()
    return result


def unfolded(image, kernel):
    return (image.unfold(0, 3, 1).unfold(1, 3, 1) * kernel).sum((2, 3))


def in_numpy(image, kernel):
    windows = np.lib.stride_tricks.sliding_window_view(image.numpy(), (3, 3))
    return (windows.astype(np.float64) * kernel.numpy()).sum((2, 3))


def short_loop(image, kernel):
    H, W = image.shape
    rows = [
        [(image[i : i + 3, j : j + 3] * kernel).sum() for j in range(W - 3)]
        for i in range(H - 3)
    ]
    return torch.tensor(rows).reshape(H - 3, W - 3)


@pytest.mark.parametrize(
    ("check", "right"),
    [
        (checks.convolve, looped),
        (checks.convolve, unfolded),
        (checks.convolve, in_numpy),
        (checks.majority_accuracy, lambda y: y.bincount().max() / len(y)),
        (
            checks.majority_accuracy,
            lambda y: max((y == k).float().mean().item() for k in set(y.tolist())),
        ),
        (checks.majority_accuracy, lambda y: (y == y.mode().values).double().mean()),
    ],
)
def test_right(check, right, capsys):
    check(right)
    assert capsys.readouterr().out.startswith(f"✓ {check.__name__}: ")


@pytest.mark.parametrize(
    ("check", "wrong", "hint"),
    [
        (checks.convolve, lambda x, k: looped(x, k.flip(0).flip(1)), "180 degrees"),
        (
            checks.convolve,
            lambda x, k: looped(torch.nn.functional.pad(x, (1,) * 4), k),
            "padded",
        ),
        (checks.convolve, lambda x, k: looped(x, k.t()), "filter are exchanged"),
        (checks.convolve, short_loop, "the last row and the last column are missing"),
        (checks.convolve, lambda x, k: unfolded(x, k / k.numel()), "averaged"),
        (checks.convolve, lambda x, k: x, "compute one position by hand"),
        (
            checks.majority_accuracy,
            lambda y: 1 / len(set(y.tolist())),
            "guessing at random",
        ),
        (
            checks.majority_accuracy,
            lambda y: y.bincount().max(),
            "divide by the number of all images",
        ),
        (checks.majority_accuracy, lambda y: y.mode().values, "not how common it is"),
        (
            checks.majority_accuracy,
            lambda y: [float((y == k).float().mean()) for k in range(int(y.max()) + 1)],
            "a value for each class",
        ),
        (
            checks.majority_accuracy,
            lambda y: 100 * y.bincount().max() / len(y),
            "per cent",
        ),
        (checks.majority_accuracy, lambda y: 0.5, "count each class"),
    ],
)
def test_wrong(check, wrong, hint, refusal):
    assert hint in refusal(check, wrong)
