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


@pytest.mark.parametrize("right", [looped, unfolded, in_numpy])
def test_convolve_right(right, capsys):
    checks.convolve(right)
    assert capsys.readouterr().out.startswith("✓ convolve: 3 images agree")


def short_loop(image, kernel):
    H, W = image.shape
    rows = [
        [(image[i : i + 3, j : j + 3] * kernel).sum() for j in range(W - 3)]
        for i in range(H - 3)
    ]
    return torch.tensor(rows).reshape(H - 3, W - 3)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda x, k: looped(x, k.flip(0).flip(1)), "turned by 180 degrees"),
        (lambda x, k: looped(torch.nn.functional.pad(x, (1,) * 4), k), "padded"),
        (lambda x, k: looped(x, k.t()), "of the filter are exchanged"),
        (short_loop, "the last row and the last column are missing"),
        (lambda x, k: unfolded(x, k / k.numel()), "averaged"),
        (lambda x, k: looped(x.T, k.T), "of the result are exchanged"),
        (lambda x, k: x, "take one place by hand"),
    ],
)
def test_convolve_wrong(wrong, hint, refusal):
    assert hint in refusal(checks.convolve, wrong)


@pytest.mark.parametrize(
    "right",
    [
        lambda y: y.bincount().max() / len(y),
        lambda y: max((y == k).float().mean().item() for k in set(y.tolist())),
        lambda y: (y == y.mode().values).double().mean(),
    ],
)
def test_majority_right(right):
    checks.majority_accuracy(right)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda y: 1 / len(set(y.tolist())), "guessing at random"),
        (lambda y: y.bincount().max(), "divide by the number of all images"),
        (lambda y: y.mode().values, "not how common it is"),
        (lambda y: 100 * y.bincount().max() / len(y), "per cent"),
        (lambda y: 0.5, "count each class"),
    ],
)
def test_majority_wrong(wrong, hint, refusal):
    assert hint in refusal(checks.majority_accuracy, wrong)
