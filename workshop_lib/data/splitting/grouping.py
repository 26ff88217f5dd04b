"""Whole groups of images to one side: a place, a flight, pictures of the same ground.

Neighbours look alike. Where some of them teach and others test, the score says how well
a model knows places it has seen, not how it will do elsewhere.
"""

__all__ = ["leave_gap", "sides_by_group", "sides_by_region"]

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from workshop_lib.data.checks import listed
from workshop_lib.data.splitting.drawing import (
    LEFT_OUT,
    TEST,
    TRAIN,
    VAL,
    Wishes,
    sides_by_image,
    whole_images,
)
from workshop_lib.data.splitting.geography import nearest_km
from workshop_lib.errors import WorkshopError, unknown_name

Counts = NDArray[np.int64]
_SCALE = 1 << 20  # costs are whole numbers, equal on every machine


def sides_by_group(
    order: Sequence[int],
    strata: Sequence[int],
    groups: Sequence[int] | Tensor,
    wishes: Wishes,
) -> list[int]:
    """Give each group a side, such that every class comes near its shares.

    Large groups first, equally large ones (within a factor of two) in shuffled order.
    Each goes where it helps most: the side whose shares it brings nearest to what was
    asked. Where a class has just enough groups left for the sides that lack it, they
    get it first. The rule of scikit-learn's StratifiedGroupKFold, for unequal shares.

    Args:
        order: positions of the images, shuffled.
        strata: (N,) the class of each image, -1 for none.
        groups: (N,) numbers of the groups; which number it is does not matter.

    Returns:
        (N,) the side of each image.

    Raises:
        WorkshopError: not one number per image.
    """
    group = groups.tolist() if isinstance(groups, Tensor) else list(groups)
    if len(group) != len(strata):
        raise WorkshopError(
            f"{len(group)} group numbers for {len(strata)} images: give one per image."
        )
    number: dict[int, int] = {}  # group -> row, in shuffled order
    for i in order:
        number.setdefault(group[i], len(number))
    row = np.array([number[g] for g in group], dtype=np.int64)  # (N,)
    count = _count(row, np.array(strata), len(number))  # (G, K)
    size = count.sum(axis=1)
    by_size = sorted(range(len(size)), key=lambda g: -int(size[g]).bit_length())
    side = _assign(count[by_size], _wanted(count.sum(axis=0), wishes))
    of_group = np.empty(len(size), dtype=np.int64)
    of_group[by_size] = side
    return [int(s) for s in of_group[row]]


def sides_by_region(
    order: Sequence[int],
    strata: Sequence[int],
    metadata: Mapping[str, Tensor],
    key: str,
    test: Sequence[int],
    val: Sequence[int] | float,
) -> list[int]:
    """Give whole regions to the test, and others (or a share) to validation.

    Returns:
        (N,) the side of each image.

    Raises:
        WorkshopError: no such metadata or region, or a region on two sides.
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
        rest = [i for i in order if region[i] not in test]
        sides = sides_by_image(rest, strata, {VAL: val})
    else:
        sides = [VAL if r in val else TRAIN for r in region]
    return [TEST if r in test else s for r, s in zip(region, sides, strict=True)]


def leave_gap(
    sides: Sequence[int], places: NDArray[np.float64], gap_km: float
) -> list[int]:
    """Leave out images near a side that they must not know.

    Training images nearer than the gap to validation or test, and validation images
    nearer than it to the test.

    Args:
        places: (N, 2) degrees.

    Raises:
        WorkshopError: a gap below 0.
    """
    if not 0 <= gap_km < np.inf:
        raise WorkshopError(
            f"gap_km={gap_km}: give the least distance in kilometres, or 0 for none."
        )
    kept = np.array(sides)
    for side, unknown in ((VAL, (TEST,)), (TRAIN, (VAL, TEST))) if gap_km else ():
        index = np.flatnonzero(kept == side)
        near = nearest_km(places[index], places[np.isin(kept, unknown)]) < gap_km
        kept[index[near]] = LEFT_OUT
    return [int(side) for side in kept]


def _count(row: Counts, strata: Counts, groups: int) -> Counts:
    """Count the images of each class in each group: (G, K)."""
    classes = max(int(strata.max(initial=-1)) + 1, 1)
    known = strata >= 0
    flat = np.bincount(row[known] * classes + strata[known], minlength=groups * classes)
    return flat.reshape(groups, classes)


def _wanted(total: Counts, wishes: Wishes) -> Counts:
    """Tell how many images of each class every side should have: (3, K)."""
    want = np.ones((3, len(total)), dtype=np.int64)
    for k, n in enumerate(total.tolist()):
        want[VAL, k] = whole_images(wishes.val, n)
        want[TEST, k] = whole_images(wishes.test, n)
        want[TRAIN, k] = max(1, n - want[VAL, k] - want[TEST, k])
    return want


def _assign(count: Counts, want: Counts) -> Counts:
    """Choose a side for each row of `count`, one after the other: (G,)."""
    have = np.zeros_like(want)  # (3, K)
    left = (count > 0).sum(axis=0)  # (K,) groups to come that hold the class
    chosen = np.empty(len(count), dtype=np.int64)
    for g, c in enumerate(count):
        lacks = have == 0  # (3, K)
        urgent = (c > 0) & (left <= lacks.sum(axis=0))
        # Change of ((have - want) / want) ** 2, summed over the classes
        cost = ((2 * (have - want) * c + c * c) * _SCALE // want**2).sum(axis=1)  # (3,)
        helps = (lacks & urgent).sum(axis=1)
        best = min((TRAIN, VAL, TEST), key=lambda s: (-int(helps[s]), int(cost[s])))  # noqa: B023
        chosen[g] = best
        have[best] += c
        left -= c > 0
    return chosen
