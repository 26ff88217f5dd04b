"""The windowed distribution alignment against a loop over the last batches."""

import pytest
import torch
from torch import Tensor

from workshop_lib.errors import WorkshopError
from workshop_lib.losses.window_alignment import WindowAlignment


def probabilities(N: int, K: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(N, K, generator=generator, dtype=torch.float64).softmax(1)


@pytest.mark.parametrize(("N", "K", "batches"), [(1, 2, 1), (5, 3, 2), (4, 7, 32)])
def test_four_steps_equal_their_loop(N: int, K: int, batches: int) -> None:
    align, means = WindowAlignment(K, batches).double(), []
    for step in range(4):
        probs = probabilities(N, K, seed=step)
        aligned = align(probs)
        means.append([sum(probs[:, c].tolist()) / N for c in range(K)])
        last = means[-batches:]
        average = [sum(mean[c] for mean in last) / len(last) for c in range(K)]
        for i in range(N):
            row = [probs[i, c].item() / average[c] for c in range(K)]
            expected = [value / sum(row) for value in row]
            assert aligned[i].tolist() == pytest.approx(expected, rel=1e-12)


def test_the_window_moves_in_training_only() -> None:
    align = WindowAlignment(3).eval()
    probs = probabilities(4, 3, seed=0).float()
    # nothing in the window: nothing is known about the classes, nothing changes
    torch.testing.assert_close(align(probs), probs)
    assert align.window.filled == 0
    align.train()(probs)
    assert align.window.filled == 1


def test_a_class_that_is_never_predicted_gives_no_nan() -> None:
    align = WindowAlignment(3)
    aligned = align(torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
    assert aligned.tolist() == [[1, 0, 0], [1, 0, 0]]


def test_order_of_images_does_not_matter() -> None:
    probs, order = probabilities(5, 3, seed=0), torch.tensor([3, 0, 4, 1, 2])
    one = WindowAlignment(3).double()(probs)
    other = WindowAlignment(3).double()(probs[order])
    torch.testing.assert_close(one[order], other)


def test_bad_arguments_are_told() -> None:
    with pytest.raises(WorkshopError, match="built for 3 classes"):
        WindowAlignment(3)(probabilities(2, 4, seed=0))
    with pytest.raises(WorkshopError, match="at least 1"):
        WindowAlignment(3, batches=0)
