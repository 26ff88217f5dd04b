"""The ring of latest rows against a list that forgets."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workshop_lib.errors import WorkshopError
from workshop_lib.losses.ring import Ring


def numbered(start: int, count: int) -> torch.Tensor:
    """Rows that can be told apart: (1, -1), (2, -2), ..."""
    return torch.arange(start, start + count)[:, None] * torch.tensor([1.0, -1.0])


@given(st.integers(1, 7), st.lists(st.integers(0, 16), max_size=8))
def test_it_holds_the_latest_rows_whatever_their_number(size, counts):
    ring, written = Ring(size, 2), []
    for count in counts:
        rows = numbered(1 + len(written), count)
        ring.push(rows)
        written += rows[:, 0].tolist()
    latest = written[-size:]
    # a list that forgets: row k of all that were written lies at k modulo size
    expected = [0.0] * size
    for k, value in list(enumerate(written))[-size:]:
        expected[k % size] = value
    assert ring.rows[:, 0].tolist() == expected
    assert ring.rows[:, 1].tolist() == [-value for value in expected]
    assert ring.filled == len(latest)
    assert ring.pointer == len(written) % size
    assert bool(ring.is_full) == (len(written) >= size)


def test_it_is_saved_and_moves() -> None:
    ring = Ring(3, 2)
    ring.push(numbered(1, 4))
    other = Ring(3, 2)
    other.load_state_dict(ring.state_dict())
    for one in (ring, other):
        one.push(numbered(5, 1))
    assert torch.equal(other.rows, ring.rows)
    assert other.filled == 3 and other.pointer == 2
    assert all(buffer.is_meta for buffer in ring.to("meta").buffers())
    assert other.double().rows.dtype == torch.float64
    assert other.double().pointer.dtype == torch.int64


def test_what_is_written_has_no_gradient_and_the_rings_type() -> None:
    ring = Ring(2, 2)
    ring.push(numbered(1, 1).double().requires_grad_())
    assert not ring.rows.requires_grad
    assert ring.rows.dtype == torch.float32


def test_bad_sizes_are_told() -> None:
    for size, width in ((0, 2), (2, 0)):
        with pytest.raises(WorkshopError, match="at least 1"):
            Ring(size, width)
    with pytest.raises(WorkshopError, match=r"\(1, 3\) given to a memory of \(n, 2\)"):
        Ring(4, 2).push(torch.zeros(1, 3))
