"""Patches cover an image exactly; blocks keep them apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workshop_lib.data.tiles import blocks, offsets, stride, windows
from workshop_lib.errors import WorkshopError

SIDES = st.integers(1, 90)
FACTORS = st.floats(0.05, 1)


def covered(height, width, rectangles):
    times = np.zeros((height, width), dtype=int)
    for row, col, h, w in rectangles:
        assert row >= 0 and col >= 0 and row + h <= height and col + w <= width
        times[row : row + h, col : col + w] += 1
    return times


@given(SIDES, SIDES, st.integers(1, 40), FACTORS)
def test_patches_cover_all_and_nothing_else(height, width, size, factor):
    found = windows(height, width, size, factor)
    assert covered(height, width, found).min() >= 1
    assert {(w.height, w.width) for w in found} == {
        (min(size, height), min(size, width))
    }
    assert len(set(found)) == len(found), "no patch twice"


@given(st.integers(1, 200), st.integers(1, 40), st.integers(1, 40))
def test_starts_are_regular_except_the_last(length, size, step):
    found = offsets(length, size, step)
    assert found[:-1] == [k * step for k in range(len(found) - 1)]
    assert found[-1] == max(length - size, 0)
    gaps = np.diff(found)
    assert (gaps > 0).all() and (gaps <= step).all()


def test_the_usual_step_at_vaihingen():
    assert stride(256, 0.6) == 153  # so neighbours share 40 %, not 60 %
    assert stride(256, 1) == 256
    assert stride(3, 0.1) == 1


@pytest.mark.parametrize("size, factor", [(0, 0.5), (8, 0), (8, 1.1), (8, -1)])
def test_impossible_patches_are_refused(size, factor):
    with pytest.raises(WorkshopError, match="above 0 and at most 1"):
        windows(20, 20, size, factor)


@given(SIDES, SIDES, st.integers(1, 50))
def test_blocks_part_the_image(height, width, side):
    found = blocks(height, width, side)
    assert (covered(height, width, found) == 1).all()
    assert all(b.height >= min(side, height) for b in found)
    assert all(b.width >= min(side, width) for b in found)


@given(SIDES, SIDES, st.integers(12, 50), st.data())
def test_a_gap_lies_between_blocks(height, width, side, data):
    gap = data.draw(st.integers(0, side - 1))
    found = blocks(height, width, side, gap)
    assert covered(height, width, found).max() == 1
    for a in found:
        for b in found:
            if a != b:
                apart = max(
                    b.row - a.row - a.height, a.row - b.row - b.height,
                    b.col - a.col - a.width, a.col - b.col - b.width,
                )  # fmt: skip
                assert apart >= gap


@pytest.mark.parametrize("side, gap", [(0, 0), (5, 5), (5, -1)])
def test_impossible_blocks_are_refused(side, gap):
    with pytest.raises(WorkshopError, match="gap"):
        blocks(20, 20, side, gap)
