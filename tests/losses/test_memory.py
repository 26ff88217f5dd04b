"""Queues of the latest rows against a list that forgets, and what is recalled."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.losses.draws import probabilities, unit
from workshop_lib.errors import WorkshopError
from workshop_lib.losses.memory import MemoryQueue, PseudoLabelMemory


def numbered(start: int, count: int) -> torch.Tensor:
    """Rows that can be told apart: (1, -1), (2, -2), ..."""
    return torch.arange(start, start + count)[:, None] * torch.tensor([1.0, -1.0])


@given(st.integers(1, 7), st.lists(st.integers(0, 16), max_size=8))
def test_it_holds_the_latest_rows_whatever_their_number(size, counts):
    queue, written = MemoryQueue(size, 2), []
    for count in counts:
        rows = numbered(1 + len(written), count)
        queue.push(rows)
        written += rows[:, 0].tolist()
    latest = written[-size:]
    # a list that forgets: row k of all that were written lies at k modulo size
    expected = [0.0] * size
    for k, value in list(enumerate(written))[-size:]:
        expected[k % size] = value
    assert queue.rows[:, 0].tolist() == expected
    assert queue.rows[:, 1].tolist() == [-value for value in expected]
    assert queue.filled == len(latest)
    assert queue.pointer == len(written) % size
    assert bool(queue.is_full) == (len(written) >= size)


def test_it_is_saved_and_moves() -> None:
    queue = MemoryQueue(3, 2)
    queue.push(numbered(1, 4))
    other = MemoryQueue(3, 2)
    other.load_state_dict(queue.state_dict())
    for one in (queue, other):
        one.push(numbered(5, 1))
    assert torch.equal(other.rows, queue.rows)
    assert other.filled == 3 and other.pointer == 2
    assert all(buffer.is_meta for buffer in queue.to("meta").buffers())
    assert other.double().rows.dtype == torch.float64
    assert other.double().pointer.dtype == torch.int64


def test_what_is_written_has_no_gradient_and_the_queues_type() -> None:
    queue = MemoryQueue(2, 2)
    queue.push(numbered(1, 1).double().requires_grad_())
    assert not queue.rows.requires_grad
    assert queue.rows.dtype == torch.float32


def test_bad_sizes_are_told() -> None:
    for size, width in ((0, 2), (2, 0)):
        with pytest.raises(WorkshopError, match="at least 1"):
            MemoryQueue(size, width)
    with pytest.raises(WorkshopError, match=r"\(1, 3\) given to a memory of \(n, 2\)"):
        MemoryQueue(4, 2).push(torch.zeros(1, 3))


@pytest.mark.parametrize(("N", "D", "K", "size"), [(1, 2, 2, 1), (3, 4, 5, 6)])
def test_a_full_memory_smooths_like_its_loop(N: int, D: int, K: int, size: int) -> None:
    memory = PseudoLabelMemory(size, D, K).double()
    known_z, known_p = unit(size, D, 0), probabilities(size, K, 1)
    memory.push(known_z, known_p)
    z, probs = unit(N, D, 2), probabilities(N, K, 3)
    smoothed = memory.smooth(probs, z, weight=0.7, temperature=0.3)
    for i in range(N):
        near = [math.exp(sum((z[i] * known_z[k]).tolist()) / 0.3) for k in range(size)]
        for c in range(K):
            recalled = sum(a * known_p[k, c].item() for k, a in enumerate(near))
            expected = 0.7 * probs[i, c].item() + 0.3 * recalled / sum(near)
            assert smoothed[i, c].item() == pytest.approx(expected, rel=1e-12)
    torch.testing.assert_close(smoothed.sum(1), torch.ones(N).double())


def test_a_memory_that_is_not_full_is_not_asked() -> None:
    memory = PseudoLabelMemory(5, 3, 2).double()
    z, probs = unit(4, 3, 0), probabilities(4, 2, 1)
    for pushed in range(5):  # 0, 1, ..., 4 rows of 5
        assert torch.equal(memory.smooth(probs, z), probs), pushed
        memory.push(z[:1], probs[:1])
    assert not torch.equal(memory.smooth(probs, z), probs)


def test_when_it_is_asked_can_be_overruled() -> None:
    memory = PseudoLabelMemory(4, 3, 2).double()
    z, probs = unit(4, 3, 0), probabilities(4, 2, 1)
    memory.push(z[:2], probs[:2])
    smoothed = memory.smooth(probs, z, ready=True)
    # the two empty rows take a share of the softmax and give nothing for it
    assert (smoothed.sum(1) < 1).all()
    memory.push(z, probs)
    assert torch.equal(memory.smooth(probs, z, ready=False), probs)


def test_a_zero_embedding_recalls_the_mean() -> None:
    memory = PseudoLabelMemory(3, 2, 2).double()
    memory.push(unit(3, 2, 0), probabilities(3, 2, 1))
    probs = torch.tensor([[0.5, 0.5]]).double()
    smoothed = memory.smooth(probs, torch.zeros(1, 2).double(), weight=0.0)
    torch.testing.assert_close(smoothed[0], memory.probs.mean(0))


def test_no_gradient_reaches_what_is_remembered() -> None:
    memory = PseudoLabelMemory(2, 2, 2).double()
    z, probs = unit(2, 2, 0).requires_grad_(), probabilities(2, 2, 1).requires_grad_()
    memory.push(z, probs)
    assert not memory.smooth(probs, z).requires_grad
    assert not memory.embeddings.requires_grad


def test_similarities_keep_float32_under_autocast() -> None:
    memory = PseudoLabelMemory(8, 16, 3)
    memory.push(unit(8, 16, 0), probabilities(8, 3, 1))
    z, probs = unit(4, 16, 2).float(), probabilities(4, 3, 3).float()
    plain = memory.smooth(probs, z)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(memory.smooth(probs, z), plain)


def test_embeddings_of_another_width_are_told() -> None:
    with pytest.raises(WorkshopError, match=r"\(2, 7\) given to a memory of \(n, 5\)"):
        PseudoLabelMemory(4, 3, 2).push(unit(2, 5, 0), probabilities(2, 2, 1))
