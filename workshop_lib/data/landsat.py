"""A Landsat-7 scene near Raleigh, North Carolina, with a map of its land cover.

The scene is of the year 2000, the map of 1996: some of the ground had changed, so no
honest model agrees with the map everywhere. `workshop data landsat get` fetches both.
"""

__all__ = ["LANDSAT_BANDS", "LANDSAT_CLASSES", "LandsatScene", "open_landsat"]

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workshop_lib.data.tiles.reader import RasterImage, missing
from workshop_lib.errors import WorkshopError
from workshop_lib.pixels import IGNORE

# ETM+ bands 1 to 5, by their light; 28.5 m. Band 7 covers only a part of the scene.
LANDSAT_BANDS = ("blue", "green", "red", "nir", "swir1")
_FILES = tuple(f"lsat7_2000_{k}0.tif" for k in range(1, 6))
_MAP = "strata.tif"  # 1 to 7

LANDSAT_CLASSES = (
    "developed",
    "agriculture",
    "herbaceous",
    "shrubland",
    "forest",
    "water",
    "sediment",
)


@dataclass(frozen=True)
class LandsatScene:
    """Image and map.

    Args:
        image: (5, H, W) float32, the sensor's numbers / 255, NaN where there is none.
        mask: (H, W) uint8, 0 to 6, and `IGNORE` where map or image have no data.
        crs, transform: where it lies, as rasterio tells.
    """

    image: NDArray[np.float32]
    mask: NDArray[np.uint8]
    crs: Any
    transform: Any


def open_landsat(folder: Path | str) -> LandsatScene:
    """Read the scene from a folder that holds its files, at whatever depth.

    Raises:
        WorkshopError: a file is missing or cannot be read, or they differ in size.
    """
    found = sorted(Path(folder).rglob(_MAP))
    if not found:
        raise WorkshopError(
            f"{folder} holds no {_MAP}: run `workshop data landsat get`, and give the"
            " folder that it prints."
        )
    rasters = [RasterImage(found[0].with_name(name)) for name in (*_FILES, _MAP)]
    shapes = {raster.shape for raster in rasters}
    if len(shapes) != 1:
        raise WorkshopError(
            f"the files beside {found[0]} are of different sizes ({shapes}): get the"
            " scene again."
        )
    _, H, W = rasters[0].shape
    layers = [raster.read(0, 0, H, W)[0] for raster in rasters]
    image = (np.stack(layers[:-1]) / 255).astype(np.float32)  # (5, H, W)
    known = np.isfinite(layers[-1]) & ~missing(image, None)
    mask = np.full((H, W), IGNORE, dtype=np.uint8)
    mask[known] = layers[-1][known].astype(np.uint8) - 1
    return LandsatScene(image, mask, rasters[0].crs, rasters[0].transform)
