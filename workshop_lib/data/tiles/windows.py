"""Where the patches of a large image begin, and into which blocks it is cut."""

__all__ = ["Window", "blocks", "starts", "step_of", "windows"]

import itertools
from typing import NamedTuple

from workshop_lib.errors import WorkshopError


class Window(NamedTuple):
    """A rectangle of pixels: its upper left corner, and its size."""

    row: int
    col: int
    height: int
    width: int


def step_of(size: int, overlap_factor: float) -> int:
    """Return the pixels from one patch to the next.

    Args:
        size: side of the patches in pixels.
        overlap_factor: the step as a share of the side, above 0 to 1. With 0.6, which
            is usual for Vaihingen, neighbours share 40 % of their side: a smaller
            factor is more overlap, and 1 is none.

    Raises:
        WorkshopError: a factor outside that range, or a size below 1.
    """
    if size < 1 or not 0 < overlap_factor <= 1:
        raise WorkshopError(
            f"patches of {size} pixels with overlap_factor={overlap_factor}: give at"
            " least 1 pixel, and a factor above 0 and at most 1 (the step from patch to"
            " patch as a share of its side; 1 is no overlap)."
        )
    return max(1, int(size * overlap_factor))


def starts(length: int, size: int, step: int) -> list[int]:
    """Tell where patches begin along one side, so that all of it is covered.

    The last one is pulled back to end where the image ends: nothing is left out and
    nothing made up. An image smaller than a patch gives one, at 0.

    Example:
        >>> starts(10, size=4, step=3), starts(11, size=4, step=3)
        ([0, 3, 6], [0, 3, 6, 7])
    """
    last = max(length - size, 0)
    return [*range(0, last, step), last]


def windows(
    height: int, width: int, size: int, overlap_factor: float = 0.6
) -> list[Window]:
    """List the overlapping patches that cover an image, row by row.

    Those of an image smaller than a patch are as small as it is.

    Raises:
        WorkshopError: an impossible size or factor; see `step_of`.
    """
    step = step_of(size, overlap_factor)
    rows, cols = starts(height, size, step), starts(width, size, step)
    h, w = min(size, height), min(size, width)
    return [Window(row, col, h, w) for row, col in itertools.product(rows, cols)]


def blocks(height: int, width: int, side: int, gap: int = 0) -> list[Window]:
    """Cut an image into blocks of about equal size, for a split by place.

    Patches that are cut from one block never reach into another: pixels that teach and
    pixels that test are then apart, except along the borders, where a gap helps.

    Args:
        height, width: of the image.
        side: least side of a block in pixels; blocks are as much larger as it takes
            for whole blocks to fill the image.
        gap: pixels left out between blocks, as far as neighbours are alike.

    Raises:
        WorkshopError: a side below 1, or a gap that leaves nothing.
    """
    if side < 1 or not 0 <= gap < side:
        raise WorkshopError(
            f"blocks of {side} pixels with a gap of {gap}: give at least 1 pixel, and a"
            " gap from 0 that leaves something of a block."
        )
    rows, cols = _edges(height, side, gap), _edges(width, side, gap)
    return [
        Window(top, left, bottom - top, right - left)
        for (top, bottom), (left, right) in itertools.product(rows, cols)
    ]


def _edges(length: int, side: int, gap: int) -> list[tuple[int, int]]:
    """Cut a length into pieces: where each begins and ends; none behind the last."""
    count = max(1, length // side)
    edges = [length * i // count for i in range(count + 1)]
    return [
        (begin, end if end == length else end - gap)
        for begin, end in itertools.pairwise(edges)
    ]
