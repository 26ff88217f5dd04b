"""Overlapping patches, blended into one map without seams, a strip at a time.

At the edge of a patch a network knows only one side of what it looks at, and two
neighbouring patches would meet in a visible seam. So patches overlap, and where they
do, each counts the more the farther a pixel lies from the patch's edge.

The weights are whole numbers and the sums float64: products and sums of a float32
probability then have no rounding at all, so that patches that agree give exactly what
they agree on, in whatever order they are added.
"""

__all__ = ["Strip", "blended_strips", "taper"]

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workshop_lib.data.tiles.reader import LargeImage, missing
from workshop_lib.data.tiles.windows import starts, step_of
from workshop_lib.errors import WorkshopError

Array = NDArray[Any]
# (B, C, h, w) pixels and (B, h, w) gaps -> (B, K, h, w) float32 probabilities
Predict = Callable[[Array, Array], Array]

_PIXELS = 256 * 64 * 64  # of all patches of one forward pass


class Strip(NamedTuple):
    """Some rows of the map, over the whole width, that will not change any more."""

    row: int  # of the first
    probs: NDArray[np.float32]  # (K, rows, W)
    missing: NDArray[np.bool_]  # (rows, W) where the image has no data


def blended_strips(
    predict: Predict,
    image: LargeImage,
    *,
    size: int = 256,
    overlap_factor: float = 0.6,
    margin: int = 0,
    from_row: int = 0,
) -> Iterator[Strip]:
    """Predict a large image, strip by strip; no more than a strip is in memory.

    Args:
        predict: see `Predict`; patches of one call have one size.
        image: to map. One smaller than a patch is one patch, as small as it is.
        size: side of the patches in pixels.
        overlap_factor: step from patch to patch as a share of their side.
        margin: pixels along the edges of patches that do not count at all, except at
            the edge of the image. With the network's reach (half its receptive field)
            the result is that of one pass over the whole image.
        from_row: leaves out the strips that end above this row; the others are the
            same to the last bit.

    Raises:
        WorkshopError: margins that leave pixels which no patch counts.
    """
    _, H, W = image.shape
    h, w = min(size, H), min(size, W)
    step = step_of(size, overlap_factor)
    if margin < 0 or (max(H, W) > size and step > size - 2 * margin):
        raise WorkshopError(
            f"patches of {size} pixels every {step} with a margin of {margin}: some"
            " pixels would lie in the margins only. Use larger patches, or a smaller"
            f" overlap_factor: at most {max(0, size - 2 * margin) / size:.2f}."
        )
    rows, cols = starts(H, h, step), starts(W, w, step)
    down = [taper(h, margin, row == 0, row + h == H) for row in rows]
    along = [taper(w, margin, col == 0, col + w == W) for col in cols]
    down_sum, along_sum = _summed(rows, down, H), _summed(cols, along, W)
    total: Array | None = None  # (K, h, W) of the rows from the current patch on
    first = max(i for i, row in enumerate(rows) if row <= from_row)
    for i in range(len(rows)):
        if rows[i] + h <= rows[first]:  # patches below it reach into the first strip
            continue
        pixels = image.read(rows[i], 0, h, W)  # (C, h, W)
        gaps = missing(pixels, image.nodata)  # (h, W)
        for part in _groups(cols, max(1, _PIXELS // (h * w))):
            patches = np.stack([pixels[:, :, col : col + w] for col in part])
            holes = np.stack([gaps[:, col : col + w] for col in part])
            for col, probs in zip(part, predict(patches, holes), strict=True):
                if total is None:
                    total = np.zeros((len(probs), h, W))
                weight = np.outer(down[i], along[cols.index(col)])  # (h, w)
                for k, values in enumerate(probs):
                    total[k, :, col : col + w] += weight * values
        assert total is not None  # there is at least one patch
        end = rows[i + 1] if i + 1 < len(rows) else H
        done = end - rows[i]
        if i >= first:
            weight = np.outer(down_sum[rows[i] : end], along_sum)
            probs = np.empty((len(total), done, W), dtype=np.float32)
            for k in range(len(total)):
                np.divide(total[k, :done], weight, out=probs[k], casting="same_kind")
            yield Strip(rows[i], probs, gaps[:done])
        for k in range(len(total)):  # class by class: the copy in between is smaller
            total[k, : h - done] = total[k, done:].copy()
            total[k, h - done :] = 0


def taper(
    length: int, margin: int = 0, at_start: bool = False, at_end: bool = False
) -> NDArray[np.float64]:
    """Weigh the pixels along one side of a patch by their distance from its edges.

    Args:
        length: of the side in pixels.
        margin: pixels at an edge with weight 0.
        at_start, at_end: whether the image ends there too; nothing tapers off where no
            other patch takes over.

    Example:
        >>> taper(6, at_start=True).tolist()
        [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    """
    place = np.arange(length)
    far = np.full(length, length)
    left = far if at_start else place + 1 - margin
    right = far if at_end else length - place - margin
    return np.clip(np.minimum(left, right), 0, length).astype(np.float64)


def _summed(
    begins: list[int], tapers: list[NDArray[np.float64]], length: int
) -> NDArray[np.float64]:
    """Add up the weights of all patches along one side of the image: (length,)."""
    total = np.zeros(length)
    for begin, weights in zip(begins, tapers, strict=True):
        total[begin : begin + len(weights)] += weights
    return total


def _groups(items: list[int], size: int) -> Iterator[list[int]]:
    for begin in range(0, len(items), size):
        yield items[begin : begin + size]
