"""Land cover of large images: ISPRS Vaihingen, and a Landsat scene near Raleigh.

Vaihingen has to be asked for: `workshop data vaihingen` says how. It becomes patches
with masks, split by tile as published results are. Two layouts are read: that of
`workshop data vaihingen get` (whole areas, `top_mosaic_09cm_areaN.tif`, labels as
colours), and that of pieces cut by others (`img_dir/areaN_X_Y_X_Y.png` beside
`ann_dir/`, labels as numbers: 0 for borders that do not count, 1 to 6 for the classes).

The Landsat-7 scene is of the year 2000, its map of 1996: some of the ground had
changed, so no honest model agrees with the map everywhere. `workshop data landsat get`
fetches both.
"""

__all__ = [
    "LANDSAT_BANDS",
    "LANDSAT_CLASSES",
    "PUBLISHED_TEST",
    "PUBLISHED_VAL",
    "TEST_TILES",
    "TRAIN_TILES",
    "VAIHINGEN_CLASSES",
    "LandsatScene",
    "find_tiles",
    "mask_of",
    "open_landsat",
    "vaihingen_scenes",
]

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from workshop_lib.data.dataset import Dataset
from workshop_lib.data.read.large_image import ArrayImage, RasterImage, missing
from workshop_lib.data.tiles import Tile, cut_scenes
from workshop_lib.errors import WorkshopError, listed
from workshop_lib.files import reading
from workshop_lib.pixels import IGNORE

# The areas whose labels the benchmark gave away, and those it kept for its test.
TRAIN_TILES = (1, 3, 5, 7, 11, 13, 15, 17, 21, 23, 26, 28, 30, 32, 34, 37)
TEST_TILES = (2, 4, 6, 8, 10, 12, 14, 16, 20, 22, 24, 27, 29, 31, 33, 35, 38)

TILE_COLOURS = {
    "impervious": (255, 255, 255),
    "building": (0, 0, 255),
    "low vegetation": (0, 255, 255),
    "tree": (0, 255, 0),
    "car": (255, 255, 0),
    "clutter": (255, 0, 0),
}
VAIHINGEN_CLASSES = tuple(TILE_COLOURS)  # impervious 0, building 1, ... clutter 5
VAIHINGEN_BANDS = ("nir", "red", "green")

# Of the 16 areas with labels: what the published table was tested on, and, by the
# program behind it, what chose; the others taught.
PUBLISHED_TEST = (15, 23)
PUBLISHED_VAL = (30, 32)

_AREA = re.compile(r"(?:top_mosaic_09cm_)?area(\d+)(?:_\d+)*")
_ENDINGS = (".tif", ".png")


def mask_of(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn a label image into class numbers; other colours are `IGNORE`.

    Some label images have black borders between objects, whose classes do not count.

    Shape: (H, W, 3) -> (H, W).
    """
    mask = np.full(colours.shape[:2], IGNORE, dtype=np.uint8)
    for number, colour in enumerate(TILE_COLOURS.values()):
        mask[(colours == np.array(colour)).all(axis=2)] = number
    return mask


def list_tiles(folder: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Find images, and labels, at whatever depth: name -> file each."""
    images, labels = {}, {}
    for path in sorted(folder.rglob("*area*")):
        if path.suffix.lower() not in _ENDINGS or not _AREA.fullmatch(path.stem):
            continue
        # The images' archive also holds some of the labels, beside the folder top/
        inside = path.relative_to(folder).parts
        if "ann_dir" in inside or inside[0] == "labels":
            labels[path.stem] = path
        elif "img_dir" in inside or "top" in inside:
            images[path.stem] = path
    return images, labels


def find_tiles(folder: Path | str) -> dict[str, tuple[Path, Path]]:
    """Find images and their labels, by name, at whatever depth: name -> both files.

    Raises:
        WorkshopError: no such folder, no images, or images without labels.
    """
    images, labels = list_tiles(Path(folder))
    lacking = [name for name in images if name not in labels]
    if not images or lacking:
        what = f"no labels for {listed(lacking)}" if lacking else "no image"
        raise WorkshopError(
            f"{folder}: {what}. Expected images/.../top/top_mosaic_09cm_area1.tif with"
            " labels/.../top_mosaic_09cm_area1.tif (`workshop data vaihingen get` makes"
            " that), or img_dir/.../area1_0_0_512_512.png with the same in ann_dir/."
        )
    return {name: (images[name], labels[name]) for name in images}


def vaihingen_scenes(
    folder: Path | str,
    areas: Sequence[int] = TRAIN_TILES,
    *,
    size: int = 256,
    overlap_factor: float = 0.6,
) -> Dataset:
    """Cut areas into overlapping patches with masks.

    The metadata "tile" is the number of the area; hold out as published with
    `Split.by_region(scenes, test=PUBLISHED_TEST, val=PUBLISHED_VAL, key="tile")`. The
    16 areas together are 3.2 thousand patches and 0.9 GB.

    Args:
        folder: with the data; see `find_tiles`.
        areas: which of them, by number.
        size, overlap_factor: of the patches. The published program takes a step of 0.6
            of a patch, so that neighbours share 40 %, and leaves out what remains at
            the edges; here the last patches are pulled back to cover that too.

    Raises:
        WorkshopError: an area is missing, an image cannot be read, or image and labels
            differ in size.
    """
    tiles, found = [], find_tiles(folder)
    for name, (image, label) in found.items():
        number = int(_AREA.fullmatch(name)[1])  # type: ignore[index]
        if number in areas:
            pixels = np.moveaxis(read_pixels(image), 2, 0)  # (3, H, W)
            mask = ArrayImage(read_labels(label))
            tiles.append(Tile(name, ArrayImage(pixels), mask, number))
    missing = sorted(set(areas) - {tile.number for tile in tiles})
    if missing:
        raise WorkshopError(
            f"{folder} lacks the areas {listed([str(m) for m in missing])}: it holds"
            f" {listed(sorted(found))}. Ask for areas that are there."
        )
    return cut_scenes(
        tiles, VAIHINGEN_CLASSES, size=size, overlap_factor=overlap_factor,
        bands=VAIHINGEN_BANDS,
    )  # fmt: skip


def read_labels(path: Path) -> NDArray[np.uint8]:
    """Read labels that are colours, or numbers from 1 with 0 for "does not count"."""
    values = read_pixels(path)
    if values.ndim == 3:
        return mask_of(values)
    return np.where(values == 0, IGNORE, values - 1).astype(np.uint8)


def read_pixels(path: Path) -> NDArray[Any]:
    """Read (H, W, 3) colours, or (H, W) numbers.

    Raises:
        WorkshopError: the file cannot be read.
    """
    with reading(path, "get it again."), Image.open(path) as image:
        upright = ImageOps.exif_transpose(image)
        return np.asarray(upright if image.mode == "L" else upright.convert("RGB"))


# ETM+ bands 1 to 5, by their light; 28.5 m. Band 7 covers only a part of the scene.
LANDSAT_BANDS = ("blue", "green", "red", "nir", "swir1")
_FILES = tuple(f"lsat7_2000_{k}0.tif" for k in range(1, 6))
_MAP = "strata.tif"  # 1 to 7

LANDSAT_CLASSES = (
    *("developed", "agriculture", "herbaceous", "shrubland"),
    *("forest", "water", "sediment"),
)


class LandsatScene(NamedTuple):
    """Image and map."""

    image: NDArray[np.float32]  # (5, H, W), the sensor's numbers / 255, NaN for gaps
    mask: NDArray[np.uint8]  # (H, W), 0 to 6; `IGNORE` where map or image have gaps


def open_landsat(folder: Path | str) -> LandsatScene:
    """Read the scene from a folder that holds its files, at whatever depth.

    Raises:
        WorkshopError: a file is missing or cannot be read.
    """
    found = sorted(Path(folder).rglob(_MAP))
    if not found:
        raise WorkshopError(
            f"{folder} holds no {_MAP}: run `workshop data landsat get`, and give the"
            " folder that it prints."
        )
    rasters = [RasterImage(found[0].with_name(name)) for name in (*_FILES, _MAP)]
    _, H, W = rasters[0].shape
    layers = [raster.read(0, 0, H, W)[0] for raster in rasters]
    image = (np.stack(layers[:-1]) / 255).astype(np.float32)  # (5, H, W)
    known = np.isfinite(layers[-1]) & ~missing(image)
    mask = np.full((H, W), IGNORE, dtype=np.uint8)
    mask[known] = layers[-1][known].astype(np.uint8) - 1
    return LandsatScene(image, mask)
