"""Where images were taken: neighbours, blocks of the map, and from west to east.

For splits that keep places apart, and for the audit of those that do not.
"""

__all__ = ["Degrees", "block_numbers", "coordinates", "nearest_km", "west_to_east"]

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from workshop_lib.errors import WorkshopError

EARTH_KM = 6371.0  # mean radius
_KM_PER_DEGREE = EARTH_KM * math.pi / 180  # along a meridian

Degrees = NDArray[np.float64]


def coordinates(metadata: Mapping[str, Tensor]) -> Degrees:
    """Take latitude and longitude of each image from `Dataset.metadata`.

    Shape: (N, 2), degrees north and east.

    Raises:
        WorkshopError: there is no "lat" and "lon", or not for every image.
    """
    if not {"lat", "lon"} <= set(metadata):
        raise WorkshopError(
            "these images have no coordinates: give the Dataset the metadata 'lat' and"
            f" 'lon' in degrees (it has {', '.join(sorted(metadata)) or 'none'})."
        )
    found = torch.stack([metadata[k].flatten().double() for k in ("lat", "lon")], 1)
    unknown = int((~found.isfinite()).any(dim=1).sum())
    if unknown:
        raise WorkshopError(
            f"{unknown} of {len(found)} images have no coordinates: leave them out"
            " (Dataset.subset)."
        )
    lat, lon = found.abs().amax(dim=0).tolist() if len(found) else (0.0, 0.0)
    if lat > 90 or lon > 360:
        raise WorkshopError(
            f"coordinates up to {lat:g} north or south and {lon:g} east or west: give"
            " degrees of latitude and longitude, not metres of a map projection."
        )
    return found.cpu().numpy()


def block_numbers(places: Degrees, block_km: float) -> list[int]:
    """Number the images by the block of the map that holds them.

    Blocks are rows of equal height, cut into pieces as wide as high: a degree of
    longitude is shorter in the north, and a grid in degrees would have narrow blocks
    there.

    Shape: (N, 2) -> N numbers, equal within a block.

    Raises:
        WorkshopError: the side of the blocks is not above 0.
    """
    if not 0 < block_km < math.inf:
        raise WorkshopError(
            f"block_km={block_km}: give the side of the blocks in kilometres, e.g. 50."
        )
    lat, lon = places[:, 0], places[:, 1]
    row = np.floor(lat * _KM_PER_DEGREE / block_km)  # (N,)
    middle = np.clip((row + 0.5) * block_km / _KM_PER_DEGREE, -90, 90)
    shrink = np.cos(np.radians(middle))
    column = np.floor(lon * _KM_PER_DEGREE * shrink / block_km)
    _, number = np.unique(np.stack([row, column], axis=1), axis=0, return_inverse=True)
    return [int(i) for i in number.reshape(-1)]


def nearest_km(places: Degrees, others: Degrees) -> Degrees:
    """Return the distance from each place to the nearest of the others.

    Shape: (n, 2), (m, 2) degrees -> (n,) km along the Earth's surface; infinite where
    there are no others.
    """
    from sklearn.neighbors import BallTree  # slow to import, and rarely needed

    if not len(others) or not len(places):
        return np.full(len(places), np.inf)
    tree = BallTree(np.radians(others), metric="haversine")
    distance, _ = tree.query(np.radians(places), k=1)  # (n, 1) radians
    return np.asarray(distance)[:, 0] * EARTH_KM


def west_to_east(places: Degrees, val: float = 0.2, test: float = 0.2) -> list[str]:
    """Give the west to training, the east to the test, what is between to validation.

    As in the spatial split that is published for EuroSAT: by longitude, 60, 20 and 20 %
    of the images. Tried on small files made up like its georeferenced ones, which have
    13 bands and their place in the file; the whole set was not run here.

    Returns:
        "train", "val" or "test" for each of the N places.
    """
    share = pd.Series(places[:, 1]).rank(method="first", pct=True)  # above 0, to 1
    number = np.digitize(share, (1 - val - test, 1 - test), right=True)  # (N,)
    return np.array(("train", "val", "test"))[number].tolist()
