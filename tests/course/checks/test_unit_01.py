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


RIGHT = {
    "convolve": [looped, unfolded, in_numpy],
    "majority_accuracy": [
        lambda y: y.bincount().max() / len(y),
        lambda y: max((y == k).float().mean().item() for k in set(y.tolist())),
        lambda y: (y == y.mode().values).double().mean(),
    ],
}


@pytest.mark.parametrize(
    ("name", "right"), [(name, right) for name in RIGHT for right in RIGHT[name]]
)
def test_right(name, right, capsys):
    getattr(checks, name)(right)
    assert capsys.readouterr().out.startswith(f"✓ {name}: ")


WRONG = {
    "convolve": [
        (lambda x, k: looped(x, k.flip(0).flip(1)), "180 degrees"),
        (lambda x, k: looped(torch.nn.functional.pad(x, (1,) * 4), k), "padded"),
        (lambda x, k: looped(x, k.t()), "filter are exchanged"),
        (short_loop, "the last row and the last column are missing"),
        (lambda x, k: unfolded(x, k / k.numel()), "averaged"),
        (lambda x, k: x, "compute one position by hand"),
    ],
    "majority_accuracy": [
        (lambda y: 1 / len(set(y.tolist())), "guessing at random"),
        (lambda y: y.bincount().max(), "divide by the number of all images"),
        (lambda y: y.mode().values, "not how common it is"),
        (
            lambda y: [float((y == k).float().mean()) for k in range(int(y.max()) + 1)],
            "a value for each class",
        ),
        (lambda y: 100 * y.bincount().max() / len(y), "per cent"),
        (lambda y: 0.5, "count each class"),
    ],
}


@pytest.mark.parametrize(
    ("name", "wrong", "hint"), [(name, *row) for name in WRONG for row in WRONG[name]]
)
def test_wrong(name, wrong, hint, refusal):
    assert hint in refusal(getattr(checks, name), wrong)
