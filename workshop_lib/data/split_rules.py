"""Stratified drawing of splits from a seed and the names of the images.

First every image goes to a subset, training, validation or test: image by image (here)
or in whole groups (`split_spatial`). Then the labeled images are chosen among those for
training.
"""

__all__ = ["EXCLUDED", "SplitSpec", "choose_parts", "shuffled", "stratified"]

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workshop_lib.errors import WorkshopError

TRAIN, VAL, TEST, EXCLUDED = 0, 1, 2, -1
_SUBSETS = {TRAIN: "training", VAL: "validation", TEST: "the test"}


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
    seed: int = 0

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
            return at_least_one(self.label_fraction, room)
        return self.labels_per_class or room


def at_least_one(fraction: float, count: int) -> int:
    """Round a fraction of a class to whole images, at least one."""
    return max(1, int(fraction * count + 0.5))


def strata_of(labels: Tensor) -> list[int]:
    """Return the class that each image is drawn for; -1 if no label of it is known.

    An image with several labels is drawn for its rarest one (the class of the fewest
    images; of a tie, the first): common classes come along with the rare ones, while
    the other way round they might not.

    Shape: (N,) or multi-hot (N, K) -> N numbers.
    """
    if labels.ndim == 1:
        return [int(label) for label in labels.tolist()]
    count = labels.sum(dim=0)  # (K,)
    never = int(count.max()) + 1 if count.numel() else 1
    cost = torch.where(labels > 0, count, never)  # (N, K)
    rarest = cost.argmin(dim=1) if labels.shape[1] else torch.zeros(len(labels))
    known = (labels > 0).any(dim=1)
    return [int(i) for i in torch.where(known, rarest, -1).tolist()]


def shuffled(names: Sequence[str], seed: int) -> list[int]:
    """Put images in an order that depends on nothing but the seed and their names."""
    rank = [hashlib.sha256(f"{seed}/{name}".encode()).digest() for name in names]
    return sorted(range(len(names)), key=lambda i: rank[i])


def stratified(
    order: Sequence[int], strata: Sequence[int], fractions: Mapping[int, float]
) -> list[int]:
    """Draw each class by itself: its first images to one subset, the next to another.

    Args:
        order: positions of the images, shuffled; any others are excluded.
        strata: (N,) the class of each image; those of none (-1) are for training.
        fractions: subset -> fraction of each class, in the order of being served.

    Returns:
        (N,) the subset of each image.
    """
    classes: dict[int, list[int]] = {}
    for i in order:
        classes.setdefault(strata[i], []).append(i)
    subset = [EXCLUDED] * len(strata)
    for stratum, members in classes.items():
        first = 0
        for name, fraction in fractions.items() if stratum >= 0 else ():
            last = first + at_least_one(fraction, len(members))
            for i in members[first:last]:
                subset[i] = name
            first = last
        for i in members[first:]:
            subset[i] = TRAIN
    return subset


def choose_parts(
    subset: Sequence[int],
    order: Sequence[int],
    strata: Sequence[int],
    class_names: Sequence[str],
    spec: SplitSpec,
    absent: Sequence[int] = (),
) -> dict[str, Tensor]:
    """Choose the labeled images; return each part as (n,) int64 positions.

    Each part is in the order given: its beginning is then a mixed sample, and more
    labels keep the labels of fewer.

    Args:
        absent: classes that need not occur; the others need an image in each subset.

    Raises:
        WorkshopError: a class has too few images in some subset.
    """
    members: list[list[int]] = [[] for _ in class_names]  # of training, by class
    parts: dict[str, list[int]] = {"unlabeled": [], "val": [], "test": []}
    part_of = {TRAIN: "unlabeled", VAL: "val", TEST: "test"}
    for i in order:
        # An image of no known class can teach, but not measure.
        if subset[i] == TRAIN or (subset[i] != EXCLUDED and strata[i] >= 0):
            parts[part_of[subset[i]]].append(i)
        if subset[i] == TRAIN and strata[i] >= 0:
            members[strata[i]].append(i)
    needed = [k for k in range(len(class_names)) if k not in absent]
    _check_subsets(subset, strata, class_names, needed)
    room = {k: len(members[k]) for k in needed}
    _check_room({class_names[k]: n for k, n in room.items()}, spec)
    chosen = {i for k, n in room.items() for i in members[k][: spec.labels(n)]}
    parts["labeled"] = [i for i in parts["unlabeled"] if i in chosen]
    return {k: torch.tensor(v, dtype=torch.int64) for k, v in parts.items()}


def _check_subsets(
    subset: Sequence[int],
    strata: Sequence[int],
    class_names: Sequence[str],
    needed: Sequence[int],
) -> None:
    present = set(zip(strata, subset, strict=True))
    short = [k for k in needed if any((k, one) not in present for one in _SUBSETS)]
    if short:
        k = short[0]
        missing = [text for one, text in _SUBSETS.items() if (k, one) not in present]
        raise WorkshopError(
            f"class {class_names[k]!r} has too few images to be split"
            f" ({strata.count(k)}, none for {' or '.join(missing)}): give each class at"
            " least one for training, one for validation and one for the test, in"
            " different places if whole places are kept together"
            f"{_others(len(short) - 1)}."
        )


def _check_room(room: Mapping[str, int], spec: SplitSpec) -> None:
    need = spec.labels_per_class if spec.label_fraction is None else 1
    short = {name: n for name, n in room.items() if n < need}
    if short:
        name, n = min(short.items(), key=lambda item: item[1])
        raise WorkshopError(
            f"labels_per_class={need} but class {name!r} has only {n} training images:"
            f" use at most {n}{_others(len(short) - 1)}."
        )


def _others(count: int) -> str:
    return f" ({count} other classes have too few as well)" if count else ""
