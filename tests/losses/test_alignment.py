"""Distribution alignment and memories: what they promise.

Their numbers are those of loops and of golden files in the tests of methods.
"""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.losses.draws import probabilities, unit
from workshop_lib.losses.memory import (
    DistributionAlignment,
    MemoryQueue,
    MovingAverageAlignment,
    PseudoLabelMemory,
)


def test_a_uniform_average_changes_nothing() -> None:
    probs = probabilities(5, 4, seed=0)
    torch.testing.assert_close(DistributionAlignment((4,)).eval()(probs), probs)


def test_a_class_that_swallows_all_is_pushed_back() -> None:
    align = DistributionAlignment((2,), momentum=0.5)
    greedy = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])
    for _ in range(31):
        aligned = align(greedy)
    # The average is (0.8, 0.2): what leans less than that to the first class changes
    assert greedy.argmax(1).tolist() == [0, 0, 0]
    assert aligned[0, 0] > 0.5
    assert aligned[1, 0].item() == pytest.approx(0.5, abs=1e-4)
    assert aligned[2, 1] > 0.5
    torch.testing.assert_close(aligned.sum(1), torch.ones(3))


@pytest.mark.parametrize(
    "align", [DistributionAlignment((3,)), MovingAverageAlignment(3)]
)
def test_averages_move_in_training_only(align) -> None:
    probs = probabilities(4, 3, seed=0).float()
    before = {k: v.clone() for k, v in align.state_dict().items()}
    # Nothing is known about the classes yet: nothing changes
    torch.testing.assert_close(align.eval()(probs), probs)
    assert all(torch.equal(v, before[k]) for k, v in align.state_dict().items())
    align.train()(probs)
    assert any(not torch.equal(v, before[k]) for k, v in align.state_dict().items())


@pytest.mark.parametrize(
    "align", [DistributionAlignment((3,), momentum=0.0), MovingAverageAlignment(3)]
)
def test_a_class_that_is_never_predicted_gives_no_nan(align) -> None:
    certain = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    assert torch.equal(align(certain), certain)


def numbered(start: int, count: int) -> torch.Tensor:
    """Rows that can be told apart: (1, -1), (2, -2), ..."""
    return torch.arange(start, start + count)[:, None] * torch.tensor([1.0, -1.0])


@given(st.integers(1, 7), st.lists(st.integers(0, 16), max_size=8))
def test_a_queue_holds_the_latest_rows_whatever_their_number(size, counts):
    queue, written = MemoryQueue(size, 2), []
    for count in counts:
        rows = numbered(1 + len(written), count)
        queue.push(rows)
        written += rows[:, 0].tolist()
    # A list that forgets: row k of all that were written is at k modulo size
    expected = [0.0] * size
    for k, value in list(enumerate(written))[-size:]:
        expected[k % size] = value
    assert queue.rows[:, 0].tolist() == expected
    assert queue.rows[:, 1].tolist() == [-value for value in expected]
    assert queue.filled == min(size, len(written))
    assert queue.pointer == len(written) % size
    assert bool(queue.is_full) == (len(written) >= size)


def test_a_memory_that_is_not_full_is_not_asked() -> None:
    memory = PseudoLabelMemory(5, 3, 2).double()
    z, probs = unit(4, 3, 0).requires_grad_(), probabilities(4, 2, 1)
    for pushed in range(5):  # 0, 1, ..., 4 rows of 5
        assert torch.equal(memory.smooth(probs, z), probs), pushed
        memory.push(z[:1], probs[:1])
    smoothed = memory.smooth(probs, z)
    assert not torch.equal(smoothed, probs) and not smoothed.requires_grad
