"""Rules by which images are given to training, validation and test.

First every image goes to a subset: class by class (`stratified`), or whole groups,
blocks of the map or regions together (`by_group`, `by_region`). Neighbours look alike:
where some of them teach and others test, the score says how well a model knows places
it has seen, not how it will do elsewhere. Then `choose_parts` chooses the labeled
images among those for training.

All of it follows from a seed and the names of the images, on every machine alike.
"""

__all__ = [
    "Candidates",
    "SplitSpec",
    "by_group",
    "by_region",
    "choose_parts",
    "shuffled",
    "spatial_buffer",
    "stratified",
]

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from workshop_lib.data.dataset import Dataset
from workshop_lib.data.places import Degrees, nearest_km
from workshop_lib.errors import WorkshopError, listed, unknown_name

Whole = NDArray[np.int64]

TRAIN, VAL, TEST, EXCLUDED = 0, 1, 2, -1
_SUBSETS = {TRAIN: "training", VAL: "validation", TEST: "the test"}
_SCALE = 1 << 20  # costs are whole numbers, equal on every machine


@dataclass(frozen=True)
class SplitSpec:
    """How many images of each class go where.

    Raises:
        WorkshopError: fractions outside 0 to 1, or fewer than 0 labels.
    """

    labels_per_class: int = 4  # 0: every training image keeps its label
    label_fraction: float | None = None  # of the training images, instead of a number
    val: float = 0.15
    test: float = 0.25

    def __post_init__(self) -> None:
        if not (0 < self.val < 1 and 0 < self.test < 1 and self.val + self.test < 1):
            raise WorkshopError(
                f"val={self.val}, test={self.test}: give fractions between 0 and 1 that"
                " leave some images for training, e.g. 0.15 and 0.25."
            )
        if self.labels_per_class < 0:
            raise WorkshopError(
                f"labels_per_class={self.labels_per_class}: use 0 for all labels, or a"
                " number of labels per class."
            )
        if self.label_fraction is not None and not 0 < self.label_fraction <= 1:
            raise WorkshopError(
                f"label_fraction={self.label_fraction}: give the labeled fraction of"
                " the training images, above 0 and at most 1, e.g. 0.1 for 10 %."
            )

    def labels(self, room: int) -> int:
        """Return how many of a class's `room` training images are labeled."""
        if self.label_fraction is not None:
            return int(_whole(self.label_fraction, room))
        return self.labels_per_class or room


def _whole(fraction: float, count: int | Whole) -> Whole:
    """Round a fraction of each count to whole images, at least one."""
    return np.maximum(1, np.floor(fraction * count + 0.5)).astype(np.int64)


class Candidates(NamedTuple):
    """The images of a data set, as a split sees them."""

    order: Whole  # (N,) positions, shuffled
    strata: Whole  # (N,) the class that each image is drawn for; -1: not known
    class_names: tuple[str, ...]
    needed: Sequence[int]  # classes that every part must have

    @classmethod
    def of(cls, scenes: Dataset, seed: int) -> "Candidates":
        """Shuffle the images, and find the class of each.

        An image with several labels is drawn for its rarest one (the class of the
        fewest images; of a tie, the first): common classes come along with the rare
        ones, while the other way round they might not.
        """
        labels, needed = scenes.labels.cpu(), list(range(scenes.num_classes))
        if labels.ndim == 2:  # multi-hot (N, K)
            count = labels.sum(dim=0)  # (K,)
            cost = torch.where(labels > 0, count, count.max() + 1)  # (N, K)
            labels = torch.where((labels > 0).any(dim=1), cost.argmin(dim=1), -1)
            # A common class may always come with a rarer one.
            needed = sorted(set(labels.tolist()) - {-1})
        order = np.array(shuffled(scenes.names, seed), dtype=np.int64)
        return cls(order, labels.numpy(), scenes.class_names, needed)


def shuffled(names: Sequence[str], seed: int) -> list[int]:
    """Put images in an order that depends on nothing but the seed and their names."""
    rank = [hashlib.sha256(f"{seed}/{name}".encode()).digest() for name in names]
    return sorted(range(len(names)), key=lambda i: rank[i])


def stratified(images: Candidates, fractions: Mapping[int, float]) -> Whole:
    """Draw each class by itself: its first images to one subset, the next to another.

    Args:
        images: those that are not in `order` are excluded; those of no known class are
            for training.
        fractions: subset -> fraction of each class, in the order of being served.

    Returns:
        (N,) the subset of each image.
    """
    subset = np.full(len(images.strata), EXCLUDED)
    subset[images.order] = TRAIN
    for k in range(len(images.class_names)):
        members = images.order[images.strata[images.order] == k]
        first = 0
        for name, fraction in fractions.items() if len(members) else ():
            last = first + int(_whole(fraction, len(members)))
            subset[members[first:last]] = name
            first = last
    return subset


def by_group(
    images: Candidates, groups: Sequence[int] | Tensor, spec: SplitSpec
) -> Whole:
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
        WorkshopError: not one number per image, or NaN.
    """
    group = np.array(groups.tolist() if isinstance(groups, Tensor) else groups)
    if len(group) != len(images.strata) or pd.isna(group).any():
        raise WorkshopError(
            f"{(~pd.isna(group)).sum()} group numbers for {len(images.strata)} images:"
            " give one per image."
        )
    row = np.empty(len(group), dtype=np.int64)  # of each image's group, as shuffled
    row[images.order], _ = pd.factorize(group[images.order])
    count = np.zeros((row.max() + 1, len(images.class_names)), dtype=np.int64)  # (G, K)
    known = images.strata >= 0
    np.add.at(count, (row[known], images.strata[known]), 1)
    by_size = sorted(range(len(count)), key=lambda g: -int(count[g].sum()).bit_length())
    subset = np.empty(len(count), dtype=np.int64)
    subset[by_size] = _assign(count[by_size], spec)
    return subset[row]


def _assign(count: Whole, spec: SplitSpec) -> Whole:
    """Choose a subset for each row of `count`, one after the other: (G, K) -> (G,)."""
    total = count.sum(axis=0)
    val, test = _whole(spec.val, total), _whole(spec.test, total)
    want = np.stack([np.maximum(1, total - val - test), val, test])  # (3, K)
    have = np.zeros_like(want)
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
) -> Whole:
    """Give whole regions to the test, and others (or a fraction) to validation.

    Returns:
        (N,) the subset of each image.

    Raises:
        WorkshopError: no such metadata or region, or a region in two subsets.
    """
    if key not in metadata:
        raise unknown_name("metadata", key, metadata)
    region = metadata[key].flatten().cpu().numpy()
    chosen = () if isinstance(val, (int, float)) else val
    unknown = {*test, *chosen} - set(region.tolist())
    if unknown or set(test) & set(chosen) or not len(test):
        known = listed([f"{r:g}" for r in np.unique(region)])
        raise WorkshopError(
            f"test regions {list(test)} and validation regions {list(chosen)} of"
            f" {key!r}: give different ones of {known}, at least one for the test."
        )
    held_out = np.isin(region, test)
    if isinstance(val, (int, float)):
        rest = images.order[~held_out[images.order]]
        subset = stratified(images._replace(order=rest), {VAL: val})
    else:
        subset = np.where(np.isin(region, val), VAL, TRAIN)
    return np.where(held_out, TEST, subset)


def spatial_buffer(subset: Whole, places: Degrees, buffer_km: float) -> Whole:
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
    kept = subset.copy()
    for one, unknown in ((VAL, (TEST,)), (TRAIN, (VAL, TEST))) if buffer_km else ():
        index = np.flatnonzero(kept == one)
        near = nearest_km(places[index], places[np.isin(kept, unknown)]) < buffer_km
        kept[index[near]] = EXCLUDED
    return kept


def choose_parts(
    images: Candidates, subset: Whole, spec: SplitSpec
) -> dict[str, Tensor]:
    """Choose the labeled images; return each part as (n,) int64 positions.

    Each part is in the order given: its beginning is then a mixed sample, and more
    labels keep the labels of fewer.

    Raises:
        WorkshopError: a class has too few images in some subset.
    """
    order, strata = images.order, images.strata
    for k in images.needed:
        there = set(subset[strata == k].tolist())
        missing = [text for one, text in _SUBSETS.items() if one not in there]
        if missing:
            raise WorkshopError(
                f"class {images.class_names[k]!r} has too few images to be split"
                f" ({(strata == k).sum()}, none for {' or '.join(missing)}): give each"
                " class some for every part, in different places if these stay whole."
            )
    training = order[subset[order] == TRAIN]
    members = {k: training[strata[training] == k] for k in images.needed}
    least = min(members, key=lambda k: len(members[k]))
    name, n = images.class_names[least], len(members[least])
    if spec.label_fraction is None and spec.labels_per_class > n:
        raise WorkshopError(
            f"labels_per_class={spec.labels_per_class} but class {name!r} has only {n}"
            f" training images: use at most {n}."
        )
    chosen = [some[: spec.labels(len(some))] for some in members.values()]
    known = order[strata[order] >= 0]  # the others can teach, but not measure
    parts = {
        "labeled": training[np.isin(training, np.concatenate(chosen))],
        "unlabeled": training,
        "val": known[subset[known] == VAL],
        "test": known[subset[known] == TEST],
    }
    return {name: torch.from_numpy(index) for name, index in parts.items()}
