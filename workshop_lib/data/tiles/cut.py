"""From large images with a label for every pixel to patches for training."""

__all__ = ["Tile", "cut_scenes"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from workshop_lib.data.scenes import RGB, Scenes
from workshop_lib.data.tiles.counts import count_pixels
from workshop_lib.data.tiles.reader import LargeImage, missing
from workshop_lib.data.tiles.windows import Window, blocks, windows
from workshop_lib.errors import WorkshopError
from workshop_lib.pixels import IGNORE


@dataclass(frozen=True)
class Tile:
    """A large image and its map.

    Args:
        name: of the image; the patches are called NAME/ROW_COLUMN.
        image: (C, H, W).
        mask: (1, H, W) uint8, class numbers, or `IGNORE` where nobody knows.
        number: in the patches' metadata "tile", to split by.
    """

    name: str
    image: LargeImage
    mask: LargeImage
    number: int = 0


def cut_scenes(
    tiles: Sequence[Tile],
    class_names: Sequence[str],
    *,
    size: int = 256,
    overlap_factor: float = 0.6,
    block: int = 0,
    gap: int = 0,
    least_known: float = 0.0,
    bands: Sequence[str] = RGB,
) -> Scenes:
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
        overlap_factor: see `step_of`; 1 is no overlap.
        block: side of blocks in pixels, at least `size`, that no patch leaves; 0 takes
            a tile as one block.
        gap: pixels left out between blocks.
        least_known: leaves patches out that have a smaller share of labelled pixels.
        bands: names of the channels.

    Returns:
        Patches (N, C, size, size), uint8 if the images are and have three bands, else
        float32; with masks, and the metadata "tile", "block" (a number of its own for
        each block of each tile), "row" and "col".

    Raises:
        WorkshopError: image and mask of different sizes, blocks smaller than a patch, a
            label that is no class, or no patch left.
    """
    if block and block - gap < size:
        raise WorkshopError(
            f"blocks of {block} pixels with a gap of {gap} hold no patch of {size}: use"
            " larger blocks or smaller patches."
        )
    images, masks, labels, names, where = [], [], [], [], []
    first_block = 0
    for tile in tiles:
        _, H, W = tile.image.shape
        if tile.mask.shape != (1, H, W):
            raise WorkshopError(
                f"tile {tile.name}: an image of {tile.image.shape} and a mask of"
                f" {tile.mask.shape}: the mask has one band and the image's size."
            )
        areas = blocks(H, W, block, gap) if block else [Window(0, 0, H, W)]
        for number, area in enumerate(areas, first_block):
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
                where.append((tile.number, number, row, col))
        first_block += len(areas)
    if not images:
        raise WorkshopError(
            f"no patch has {100 * least_known:g} % labelled pixels: lower least_known,"
            " or give images with labels."
        )
    numbers = torch.tensor(where)  # (N, 4)
    keys = ("tile", "block", "row", "col")
    return Scenes(
        images=torch.from_numpy(_without_gaps(images, masks)),
        labels=torch.tensor(labels),
        class_names=("patch",),
        names=tuple(names),
        bands=tuple(bands),
        masks=torch.from_numpy(np.stack(masks)),
        mask_names=tuple(class_names),
        metadata=dict(zip(keys, numbers.unbind(dim=1), strict=True)),
    )


def _patch(
    tile: Tile, window: Window, size: int
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Read a patch: image (C, size, size), and mask with `IGNORE` where it has gaps."""
    pixels = tile.image.read(*window)
    mask = np.full((size, size), IGNORE, dtype=np.uint8)
    gaps = missing(pixels, tile.image.nodata)
    labels = tile.mask.read(*window)[0]
    if labels.dtype != np.uint8:
        raise WorkshopError(
            f"tile {tile.name}: a mask of type {labels.dtype}: give class numbers as"
            f" uint8, {IGNORE} where nobody knows."
        )
    mask[: window.height, : window.width] = np.where(gaps, IGNORE, labels)
    if pixels.dtype != np.uint8 or len(pixels) != 3:
        pixels = pixels.astype(np.float32)
        pixels[:, gaps] = np.nan
    short = ((0, 0), (0, size - window.height), (0, size - window.width))
    fill = np.nan if pixels.dtype == np.float32 else 0
    return np.pad(pixels, short, constant_values=fill), mask


def _without_gaps(
    images: list[NDArray[Any]], masks: list[NDArray[np.uint8]]
) -> NDArray[Any]:
    """Stack patches; fill what is missing with the mean of each band: (N, C, h, w)."""
    stacked = np.stack(images)
    if stacked.dtype == np.uint8:
        return stacked
    for channel in range(stacked.shape[1]):
        values = stacked[:, channel]
        gaps = np.isnan(values)
        if gaps.all():
            raise WorkshopError(f"band {channel + 1} holds no data at all.")
        values[gaps] = values[~gaps].mean(dtype=np.float64)
    return stacked
