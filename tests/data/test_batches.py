"""Index streams: endless, fair, and a pure function of the step."""

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workshop_lib.data.samples import IndexStream
from workshop_lib.errors import WorkshopError

sizes = st.integers(1, 40)
batches = st.integers(1, 50)
seeds = st.integers(0, 2**31)


def positions(n: int) -> torch.Tensor:
    return torch.arange(n) * 3 + 7  # not 0..n-1, so that positions cannot be mistaken


@given(sizes, batches, seeds)
def test_every_index_comes_once_per_pass(n, batch, seed):
    stream = IndexStream(positions(n), batch, seed)
    steps = -(-3 * n // batch)  # covers three passes
    flat = torch.cat([stream.at(s) for s in range(steps)])
    assert len(flat) == steps * batch
    for e in range(3):
        assert sorted(flat[e * n : (e + 1) * n].tolist()) == positions(n).tolist()


@given(sizes, batches, seeds, st.lists(st.integers(0, 60), min_size=1, max_size=8))
def test_a_step_is_the_same_whatever_came_before(n, batch, seed, steps):
    used = IndexStream(positions(n), batch, seed)
    for step in steps:
        fresh = IndexStream(positions(n), batch, seed)
        assert torch.equal(used.at(step), fresh.at(step))


def test_passes_and_seeds_differ():
    stream = IndexStream(positions(50), 50, seed=0)
    assert not torch.equal(stream.at(0), stream.at(1))
    assert not torch.equal(stream.at(0), IndexStream(positions(50), 50, seed=1).at(0))


def test_first_places_are_drawn_evenly():
    firsts = Counter(
        int(IndexStream(torch.arange(4), 1, seed).at(0)) for seed in range(400)
    )
    assert all(60 <= firsts[i] <= 140 for i in range(4))  # 100 expected, 4.6 sigma


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_gives_the_same_indices():
    here = IndexStream(positions(30), 8, seed=4)
    there = IndexStream(positions(30).cuda(), 8, seed=4)
    assert there.at(9).device.type == "cuda"
    assert torch.equal(here.at(9), there.at(9).cpu())


@pytest.mark.parametrize(("count", "batch"), [(0, 2), (3, 0)])
def test_wrong_use_is_refused(count, batch):
    with pytest.raises(WorkshopError, match=f"batches of {batch} from {count} images"):
        IndexStream(positions(count), batch, seed=0)
