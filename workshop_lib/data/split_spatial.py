"""Splits by group and place: whole blocks, regions or flights in one subset.

Neighbours look alike. Where some of them teach and others test, the score says how well
a model knows places it has seen, not how it will do elsewhere.
"""

__all__ = ["by_group", "by_region", "nearest_km", "spatial_buffer"]

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workshop_lib.data.split_rules import (
    EXCLUDED,
    TEST,
    TRAIN,
    VAL,
    Candidates,
    SplitSpec,
    at_least_one,
    stratified,
)
from workshop_lib.errors import WorkshopError, listed, unknown_name

EARTH_KM = 6371.0  # mean radius
_KM_PER_DEGREE = EARTH_KM * math.pi / 180  # along a meridian
_SCALE = 1 << 20  # costs are whole numbers, equal on every machine

Degrees = NDArray[np.float64]
Counts = NDArray[np.int64]


def by_group(
    images: Candidates, groups: Sequence[int] | Tensor, spec: SplitSpec
) -> list[int]:
    """Give each group a subset, such that every class comes near its fractions.

    Large groups first, equally large ones (within a factor of two) in shuffled order.
    Each goes where it helps most: the subset whose fractions it brings nearest to what
    was asked. Where a class has just enough groups left for the subsets that miss it,
    they get it first. The rule of scikit-learn's StratifiedGroupKFold, for unequal
    fractions.

    Args:
        images: in shuffled order.
        groups: (N,) numbers of the groups; which number it is does not matter.

    Returns:
        (N,) the subset of each image.

    Raises:
        WorkshopError: not one number per image.
    """
    group = groups.tolist() if isinstance(groups, Tensor) else list(groups)
    stratum = np.array(images.strata, dtype=np.int64)
    if len(group) != len(stratum):
        raise WorkshopError(
            f"{len(group)} group numbers for {len(stratum)} images: give one per image."
        )
    number: dict[int, int] = {}  # group -> row, in shuffled order
    for i in images.order:
        number.setdefault(group[i], len(number))
    row = np.array([number[g] for g in group], dtype=np.int64)  # (N,)
    count = np.zeros((len(number), len(images.class_names)), dtype=np.int64)  # (G, K)
    known = stratum >= 0
    np.add.at(count, (row[known], stratum[known]), 1)
    by_size = sorted(range(len(count)), key=lambda g: -int(count[g].sum()).bit_length())
    subset = np.empty(len(count), dtype=np.int64)
    subset[by_size] = _assign(count[by_size], _wanted(count.sum(axis=0), spec))
    return [int(s) for s in subset[row]]


def _wanted(total: Counts, spec: SplitSpec) -> Counts:
    """Return how many images of each class every subset should have: (3, K)."""
    want = np.ones((3, len(total)), dtype=np.int64)
    for k, n in enumerate(total.tolist()):
        want[VAL, k] = at_least_one(spec.val, n)
        want[TEST, k] = at_least_one(spec.test, n)
        want[TRAIN, k] = max(1, n - want[VAL, k] - want[TEST, k])
    return want


def _assign(count: Counts, want: Counts) -> Counts:
    """Choose a subset for each row of `count`, one after the other: (G,)."""
    have = np.zeros_like(want)  # (3, K)
    left = (count > 0).sum(axis=0)  # (K,) groups to come that hold the class
    chosen = np.empty(len(count), dtype=np.int64)
    for g, c in enumerate(count):
        missing = have == 0  # (3, K)
        urgent = (c > 0) & (left <= missing.sum(axis=0))
        # Change of ((have - want) / want) ** 2, summed over the classes
        cost = ((2 * (have - want) * c + c * c) * _SCALE // want**2).sum(axis=1)  # (3,)
        helps = (missing & urgent).sum(axis=1)
        chosen[g] = np.lexsort((cost, -helps))[0]  # of a tie, training first
        have[chosen[g]] += c
        left -= c > 0
    return chosen


def by_region(
    images: Candidates,
    metadata: Mapping[str, Tensor],
    key: str,
    test: Sequence[int],
    val: Sequence[int] | float,
) -> list[int]:
    """Give whole regions to the test, and others (or a fraction) to validation.

    Returns:
        (N,) the subset of each image.

    Raises:
        WorkshopError: no such metadata or region, or a region in two subsets.
    """
    if key not in metadata:
        raise unknown_name("metadata", key, metadata)
    region = metadata[key].flatten().tolist()
    chosen = () if isinstance(val, (int, float)) else val
    known = sorted(set(region))
    missing = [str(r) for r in (*test, *chosen) if r not in known]
    if missing or set(test) & set(chosen) or not len(test):
        raise WorkshopError(
            f"test regions {list(test)} and validation regions {list(chosen)} of"
            f" {key!r}: give different ones of {listed([f'{r:g}' for r in known])}, at"
            " least one for the test."
        )
    if isinstance(val, (int, float)):
        rest = [i for i in images.order if region[i] not in test]
        subset = stratified(images._replace(order=rest), {VAL: val})
    else:
        subset = [VAL if r in val else TRAIN for r in region]
    return [TEST if r in test else s for r, s in zip(region, subset, strict=True)]


def spatial_buffer(
    subset: Sequence[int], places: Degrees, buffer_km: float
) -> list[int]:
    """Exclude images near a subset that they must not know.

    Training images nearer than the buffer to validation or test, and validation images
    nearer than it to the test.

    Args:
        places: (N, 2) degrees.

    Raises:
        WorkshopError: a buffer below 0.
    """
    if not 0 <= buffer_km < np.inf:
        raise WorkshopError(
            f"buffer_km={buffer_km}: give the least distance in kilometres, or 0 for"
            " none."
        )
    kept = np.array(subset)
    for one, unknown in ((VAL, (TEST,)), (TRAIN, (VAL, TEST))) if buffer_km else ():
        index = np.flatnonzero(kept == one)
        near = nearest_km(places[index], places[np.isin(kept, unknown)]) < buffer_km
        kept[index[near]] = EXCLUDED
    return [int(one) for one in kept]


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
