"""Sliding-window inference on images of any size, without visible seams.

At the edge of a patch a network sees only one side of each pixel's surroundings, so
neighbouring patches would meet in a seam. Patches therefore overlap, and a pixel counts
the more, the farther it is from the patch's edge.

The weights are whole numbers and the sums float64: products and sums of float32
probabilities are then exact, so patches that agree give exactly what they agree on, in
whatever order they are added.
"""

__all__ = [
    "Predict",
    "RowBlock",
    "blend_window",
    "blended_row_blocks",
    "pixel_predictor",
    "sliding_window_classify",
]

import copy
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from workshop_lib.augment.normalize import IMPOSSIBLE, to_float
from workshop_lib.data.read.large_image import LargeImage, missing, open_image
from workshop_lib.data.tiles import offsets, stride
from workshop_lib.errors import WorkshopError
from workshop_lib.pixels import IGNORE
from workshop_lib.sample import interleaved

Array = NDArray[Any]
Weights = NDArray[np.float64]
# (B, C, h, w) pixels and (B, h, w) gaps -> (B, K, h, w) float32 probabilities
Predict = Callable[[Array, Array], Array]

_PIXELS = 256 * 64 * 64  # of all patches of one forward pass


class RowBlock(NamedTuple):
    """Finished rows of a map, over its whole width."""

    row: int  # the first of them
    probs: NDArray[np.float32]  # (K, rows, W)
    missing: NDArray[np.bool_]  # (rows, W) where the image has no data


def blended_row_blocks(
    predict: Predict,
    image: LargeImage,
    *,
    size: int = 256,
    overlap_factor: float = 0.6,
    margin: int = 0,
    from_row: int = 0,
) -> Iterator[RowBlock]:
    """Predict a large image block by block, with only one block of rows in memory.

    Args:
        predict: see `Predict`; all patches of one call have the same size.
        image: to map. One smaller than a patch is one patch of its own size.
        size: side of the patches in pixels.
        overlap_factor: step from patch to patch as a fraction of their side.
        margin: pixels along the edges of patches that get no weight, except at the edge
            of the image. With half the network's receptive field as the margin, the
            result is that of one pass over the whole image.
        from_row: skips the blocks that end above this row; the others are the same to
            the last bit.

    Raises:
        WorkshopError: margins that leave pixels without any weight.
    """
    _, H, W = image.shape
    h, w = min(size, H), min(size, W)
    step = stride(size, overlap_factor)
    if margin < 0 or (max(H, W) > size and step > size - 2 * margin):
        raise WorkshopError(
            f"patches of {size} pixels every {step} with a margin of {margin}: some"
            " pixels would lie in the margins only. Use larger patches, or a smaller"
            f" overlap_factor: at most {max(0, size - 2 * margin) / size:.2f}."
        )
    rows, cols = offsets(H, h, step), offsets(W, w, step)
    down = [blend_window(h, margin, row == 0, row + h == H) for row in rows]
    along = [blend_window(w, margin, col == 0, col + w == W) for col in cols]
    down_sum, along_sum = _summed(rows, down, H), _summed(cols, along, W)
    at_once = max(1, _PIXELS // (h * w))
    total: Array | None = None  # (K, h, W) of the rows from the current patch on
    first = max(i for i, row in enumerate(rows) if row <= from_row)
    for i in range(len(rows)):
        if rows[i] + h <= rows[first]:  # patches below it reach into the first block
            continue
        pixels = image.read(rows[i], 0, h, W)  # (C, h, W)
        gaps = missing(pixels)  # (h, W)
        for begin in range(0, len(cols), at_once):
            part = cols[begin : begin + at_once]
            across = along[begin : begin + at_once]
            patches = np.stack([pixels[:, :, col : col + w] for col in part])
            holes = np.stack([gaps[:, col : col + w] for col in part])
            found = predict(patches, holes)  # (B, K, h, w)
            for col, weights, probs in zip(part, across, found, strict=True):
                if total is None:
                    total = np.zeros((len(probs), h, W))
                weight = np.outer(down[i], weights)  # (h, w)
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
            yield RowBlock(rows[i], probs, gaps[:done])
        for k in range(len(total)):  # class by class: the temporary copy is smaller
            total[k, : h - done] = total[k, done:].copy()
            total[k, h - done :] = 0


def blend_window(
    length: int, margin: int = 0, at_start: bool = False, at_end: bool = False
) -> Weights:
    """Weigh the pixels along one side of a patch by their distance from its edges.

    Args:
        length: of the side in pixels.
        margin: pixels at an edge with weight 0.
        at_start, at_end: whether the image ends there too; the weights do not fall off
            where no other patch takes over.

    Example:
        >>> blend_window(6, at_start=True).tolist()
        [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    """
    position = np.arange(length)
    far = np.full(length, length)
    left = far if at_start else position + 1 - margin
    right = far if at_end else length - position - margin
    return np.clip(np.minimum(left, right), 0, length).astype(np.float64)


def _summed(begins: list[int], windows: list[Weights], length: int) -> Weights:
    """Add up the weights of all patches along one side of the image: (length,)."""
    total = np.zeros(length)
    for begin, weights in zip(begins, windows, strict=True):
        total[begin : begin + len(weights)] += weights
    return total


def pixel_predictor(
    model: nn.Module, normalize: nn.Module, device: torch.device
) -> Predict:
    """Wrap a segmentation network for `blended_row_blocks`, as a copy in eval mode.

    Where the image has no data, the network sees the mean of each band, which carries
    the least information.

    Args:
        model: maps (B, C, h, w) to logits (B, K, h, w); see `single_sensor`.
        normalize: as fitted on the training images.
        device: where to compute.
    """
    model = copy.deepcopy(model).to(device).eval()  # the caller's stays as it is
    normalize = copy.deepcopy(normalize).to(device)

    def predict_patches(patches: Array, holes: Array) -> Array:
        with torch.inference_mode():
            logits = model(_normalized(normalize, patches, holes, device))
            return logits.float().softmax(dim=1).cpu().numpy()

    return predict_patches


def sliding_window_classify(
    model: nn.Module,
    normalize: nn.Module,
    source: "Array | Tensor | LargeImage",
    *,
    window: int,
    stride: int,
) -> NDArray[np.uint8]:
    """Classify the window around every `stride`-th pixel: a slow way to a coarse map.

    It needs scene labels only, none for pixels. But each pixel is computed
    `(window / stride) ** 2` times, and an answer is about a whole window: borders in
    the map are as wide as one. A network that scores pixels (`map_image`) runs once.

    Args:
        model: a scene classifier, (B, C, h, w) to logits (B, K); see `single_sensor`.
        normalize: as fitted on its training images.
        source: the image; see `open_image`.
        window: side of the images that the classifier was trained on, in pixels.
        stride: pixels from window to window.

    Returns:
        (rows, columns) uint8: entry (i, j) is the class of the window whose upper left
        corner is pixel (i * stride, j * stride); 255 where its middle has no data.
        Windows that would leave the image are left out.

    Raises:
        WorkshopError: a window larger than the image, or a stride below 1.
    """
    image = open_image(source)
    _, H, W = image.shape
    if not 1 <= window <= min(H, W) or stride < 1:
        raise WorkshopError(
            f"windows of {window} pixels every {stride} in an image of {H}x{W}: give"
            " windows that fit in, and a stride of at least 1."
        )
    device = next(model.parameters()).device
    model = copy.deepcopy(model).eval()  # the caller's stays as it is
    normalize = copy.deepcopy(normalize).to(device)
    at_once = max(1, _PIXELS // window**2)
    rows = []
    for row in range(0, H - window + 1, stride):
        pixels = image.read(row, 0, window, W)  # (C, window, W)
        gaps = missing(pixels)
        with torch.inference_mode():
            (strip,) = _normalized(normalize, pixels[None], gaps[None], device)
            views = strip.unfold(2, window, stride)  # (C, window, n, window), no copy
            some = views.permute(2, 0, 1, 3).split(at_once)
            parts = [model(interleaved(x)).argmax(dim=1) for x in some]  # (n,)
        classes = torch.cat(parts).to(torch.uint8).cpu().numpy()
        middle = gaps[window // 2, window // 2 :: stride][: len(classes)]
        rows.append(np.where(middle, IGNORE, classes).astype(np.uint8))
    return np.stack(rows)


def _normalized(
    normalize: nn.Module, pixels: Array, gaps: Array, device: torch.device
) -> Tensor:
    """Normalise images (B, C, h, w); 0, the mean of a band, where they have no data."""
    x: Tensor = normalize(to_float(torch.from_numpy(pixels).to(device)))
    if gaps.any():
        x.masked_fill_(torch.from_numpy(gaps).to(device)[:, None], 0)
    if (far := x.abs().max()) > IMPOSSIBLE:
        value = pixels.flat[int(x.abs().argmax())]
        raise WorkshopError(
            f"the image holds {value:g}, {far:,.0f} standard deviations from the"
            " training's mean: is it no data? Declare it in the file, or put NaN."
        )
    return interleaved(x)
