"""Tiles: large images cut into patches for training, and how much each class weighs."""

__all__ = [
    "Tile",
    "blocks",
    "class_weights",
    "cut_scenes",
    "offsets",
    "stride",
    "windows",
]

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workshop_lib.data.dataset import RGB, Dataset
from workshop_lib.data.read.large_image import LargeImage, missing
from workshop_lib.errors import WorkshopError
from workshop_lib.pixels import IGNORE, count_pixels


class Window(NamedTuple):
    """A rectangle of pixels: its upper left corner, and its size."""

    row: int
    col: int
    height: int
    width: int


def stride(size: int, overlap_factor: float) -> int:
    """Return the pixels from one patch to the next.

    Args:
        size: side of the patches in pixels.
        overlap_factor: the step as a fraction of the side, above 0 to 1. With 0.6,
            which is usual for Vaihingen, neighbours share 40 % of their side: a
            smaller factor is more overlap, and 1 is none.

    Raises:
        WorkshopError: a factor outside that range, or a size below 1.
    """
    if size < 1 or not 0 < overlap_factor <= 1:
        raise WorkshopError(
            f"patches of {size} pixels with overlap_factor={overlap_factor}: give at"
            " least 1 pixel, and a factor above 0 and at most 1 (the step from patch to"
            " patch as a fraction of its side; 1 is no overlap)."
        )
    return max(1, int(size * overlap_factor))


def offsets(length: int, size: int, step: int) -> list[int]:
    """List where patches begin along one side, so that all of it is covered.

    The last one is pulled back to end where the image ends: nothing is left out and
    nothing made up. An image smaller than a patch gives one, at 0.

    Example:
        >>> offsets(10, size=4, step=3), offsets(11, size=4, step=3)
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
        WorkshopError: an impossible size or factor; see `stride`.
    """
    step = stride(size, overlap_factor)
    rows, cols = offsets(height, size, step), offsets(width, size, step)
    h, w = min(size, height), min(size, width)
    return [Window(row, col, h, w) for row, col in itertools.product(rows, cols)]


def blocks(height: int, width: int, side: int) -> list[Window]:
    """Cut an image into blocks of about equal size, for a split by place.

    Patches that are cut from one block never reach into another: pixels that teach and
    pixels that test are then apart, except along the borders.

    Args:
        height, width: of the image.
        side: least side of a block in pixels; blocks are as much larger as it takes
            for whole blocks to fill the image.
    """

    def pieces(length: int) -> list[tuple[int, int]]:
        """Cut one side: where each piece begins and ends."""
        count = max(1, length // side)
        return list(itertools.pairwise(length * i // count for i in range(count + 1)))

    areas = itertools.product(pieces(height), pieces(width))
    return [Window(top, left, b - top, r - left) for (top, b), (left, r) in areas]


class Tile(NamedTuple):
    """A large image and its map."""

    name: str  # of the image; the patches are called NAME/ROW_COLUMN
    image: LargeImage  # (C, H, W)
    mask: LargeImage  # (1, H, W) uint8, class numbers, or `IGNORE` where not known
    number: int = 0  # in the patches' metadata "tile", to split by


def cut_scenes(
    tiles: Sequence[Tile],
    class_names: Sequence[str],
    *,
    size: int = 256,
    overlap_factor: float = 0.6,
    block: int = 0,
    least_known: float = 0.0,
    bands: Sequence[str] = RGB,
) -> Dataset:
    """Cut large images into overlapping patches with masks.

    Where data are missing, and beyond the edge of an image that is smaller than a
    patch, the mask is `IGNORE` and the image the mean of each band (in 8-bit pictures
    what the file holds there, or black). As scenes all patches are of one class,
    "patch": `labels_per_class=20` asks for 20 labelled patches. Those without a
    labelled pixel have label -1, so they can only be unlabelled ones.

    The patches of a split must not share pixels across its parts, and overlapping ones
    do. So split by tile, `Split.by_region(scenes, test=(15, 23), key="tile")`, or by
    block, `Split.random(scenes, groups=scenes.metadata["block"])`.

    Args:
        tiles: images and maps; all with the same bands and type.
        class_names: names of the numbers in the masks.
        size: side of the patches in pixels.
        overlap_factor: see `stride`; 1 is no overlap.
        block: side of blocks in pixels, at least `size`, that no patch leaves; 0 takes
            a tile as one block.
        least_known: leaves patches out that have a smaller fraction of labelled pixels.
        bands: names of the channels.

    Returns:
        Patches (N, C, size, size), uint8 if the images are, else float32; with masks,
        and the metadata "tile", "block" (a number of its own for each block of each
        tile), "row" and "col".

    Raises:
        WorkshopError: image and mask of different sizes, blocks smaller than a patch, a
            label that is no class, or no patch left.
    """
    if block and block < size:
        raise WorkshopError(
            f"blocks of {block} pixels hold no patch of {size}: use larger ones."
        )
    images, masks, labels, names, where = [], [], [], [], []
    block_number = -1
    for tile in tiles:
        _, H, W = tile.image.shape
        if tile.mask.shape != (1, H, W):
            raise WorkshopError(
                f"tile {tile.name}: an image of {tile.image.shape} and a mask of"
                f" {tile.mask.shape}: the mask has one band and the image's size."
            )
        for area in blocks(H, W, block) if block else [Window(0, 0, H, W)]:
            block_number += 1
            for window in windows(area.height, area.width, size, overlap_factor):
                row, col = area.row + window.row, area.col + window.col
                inside = Window(row, col, window.height, window.width)
                pixels, mask = _patch(tile, inside, size)
                counts = count_pixels([mask], len(class_names))
                if counts.sum() < least_known * size * size:
                    continue
                images.append(pixels)
                masks.append(mask)
                labels.append(0 if counts.any() else -1)
                names.append(f"{tile.name}/{row:05d}_{col:05d}")
                where.append((tile.number, block_number, row, col))
    if not images:
        raise WorkshopError(
            f"no patch has {100 * least_known:g} % labelled pixels: lower least_known,"
            " or give images with labels."
        )
    columns = torch.tensor(where).unbind(dim=1)  # 4 of (N,)
    return Dataset(
        images=torch.from_numpy(_without_gaps(images)),
        labels=torch.tensor(labels),
        class_names=("patch",),
        names=tuple(names),
        bands=tuple(bands),
        masks=torch.from_numpy(np.stack(masks)),
        mask_names=tuple(class_names),
        metadata=dict(zip(("tile", "block", "row", "col"), columns, strict=True)),
    )


def _patch(
    tile: Tile, window: Window, size: int
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Read a patch: image (C, size, size), and mask with `IGNORE` where it has gaps."""
    pixels = tile.image.read(*window)
    mask = np.full((size, size), IGNORE, dtype=np.uint8)
    gaps = missing(pixels)
    given = tile.mask.read(*window)[0]
    if len(odd := given[~np.isin(given, range(256))]):
        raise WorkshopError(
            f"tile {tile.name}: its mask holds {odd[0]:g}: give class numbers, uint8."
        )
    labels = np.where(gaps, IGNORE, given)
    mask[: window.height, : window.width] = labels
    pixels = np.asarray(pixels)
    if pixels.dtype != np.uint8:
        pixels = pixels.astype(np.float32)
        pixels[:, gaps] = np.nan
    short = ((0, 0), (0, size - window.height), (0, size - window.width))
    fill = np.nan if pixels.dtype == np.float32 else 0
    return np.pad(pixels, short, constant_values=fill), mask


def _without_gaps(images: list[NDArray[Any]]) -> NDArray[Any]:
    """Stack patches; fill what is missing with the mean of each band: (N, C, h, w)."""
    stacked = np.stack(images)
    if stacked.dtype == np.uint8:
        return stacked
    for band in np.moveaxis(stacked, 1, 0):
        gaps = np.isnan(band)
        band[gaps] = band[~gaps].mean(dtype=np.float64)
    return stacked


def class_weights(counts: NDArray[np.int64], power: float = 0.5) -> Tensor:
    """Weigh classes for a loss: the rarer, the more; (K,) float32.

    In proportion to `count ** -power`, and such that the mean weight of all pixels is
    1: the size of the loss, and with it the learning rate, stays what it was. A class
    without pixels gets 0.

    Args:
        counts: (K,) pixels of each class in the training part only, not all 0.
        power: 0 weighs all pixels alike, 1 all classes; 0.5 lies between: with 1 a few
            mislabelled pixels of a rare class would rule the training.
    """
    weights = (counts.sum() / np.maximum(counts, 1)) ** power * (counts > 0)
    weights *= counts.sum() / (weights * counts).sum()
    return torch.from_numpy(weights).float()
