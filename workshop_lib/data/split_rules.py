"""Stratified drawing of splits from a seed and the names of the images.

First every image goes to a subset, training, validation or test: image by image (here)
or in whole groups (`split_spatial`). Then the labeled images are chosen among those for
training.
"""

__all__ = ["Candidates", "SplitSpec", "choose_parts", "shuffled", "stratified"]

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from workshop_lib.data.dataset import Dataset
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


class Candidates(NamedTuple):
    """The images of a data set, as a split sees them."""

    order: list[int]  # (N,) positions, shuffled
    strata: list[int]  # (N,) the class that each image is drawn for; -1: not known
    class_names: tuple[str, ...]

    @classmethod
    def of(cls, scenes: Dataset, seed: int) -> "Candidates":
        """Shuffle the images, and find the class of each.

        An image with several labels is drawn for its rarest one (the class of the
        fewest images; of a tie, the first): common classes come along with the rare
        ones, while the other way round they might not.
        """
        labels = scenes.labels.cpu()
        if labels.ndim == 2:  # multi-hot (N, K)
            count = labels.sum(dim=0)  # (K,)
            cost = torch.where(labels > 0, count, count.max() + 1)  # (N, K)
            labels = torch.where((labels > 0).any(dim=1), cost.argmin(dim=1), -1)
        return cls(shuffled(scenes.names, seed), labels.tolist(), scenes.class_names)


def shuffled(names: Sequence[str], seed: int) -> list[int]:
    """Put images in an order that depends on nothing but the seed and their names."""
    rank = [hashlib.sha256(f"{seed}/{name}".encode()).digest() for name in names]
    return sorted(range(len(names)), key=lambda i: rank[i])


def stratified(images: Candidates, fractions: Mapping[int, float]) -> list[int]:
    """Draw each class by itself: its first images to one subset, the next to another.

    Args:
        images: those that are not in `order` are excluded; those of no known class are
            for training.
        fractions: subset -> fraction of each class, in the order of being served.

    Returns:
        (N,) the subset of each image.
    """
    classes: dict[int, list[int]] = {}
    for i in images.order:
        classes.setdefault(images.strata[i], []).append(i)
    subset = [EXCLUDED] * len(images.strata)
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
    images: Candidates, subset: Sequence[int], spec: SplitSpec, needed: Sequence[int]
) -> dict[str, Tensor]:
    """Choose the labeled images; return each part as (n,) int64 positions.

    Each part is in the order given: its beginning is then a mixed sample, and more
    labels keep the labels of fewer.

    Args:
        needed: classes that must be in each subset.

    Raises:
        WorkshopError: a class has too few images in some subset.
    """
    members: list[list[int]] = [[] for _ in images.class_names]  # of training, by class
    parts: dict[str, list[int]] = {"unlabeled": [], "val": [], "test": []}
    part_of = {TRAIN: "unlabeled", VAL: "val", TEST: "test"}
    for i in images.order:
        # An image of no known class can teach, but not measure.
        known = images.strata[i] >= 0
        if subset[i] == TRAIN or (subset[i] != EXCLUDED and known):
            parts[part_of[subset[i]]].append(i)
        if subset[i] == TRAIN and known:
            members[images.strata[i]].append(i)
    _check_subsets(images, subset, needed)
    _check_room({images.class_names[k]: len(members[k]) for k in needed}, spec)
    chosen = {i for k in needed for i in members[k][: spec.labels(len(members[k]))]}
    parts["labeled"] = [i for i in parts["unlabeled"] if i in chosen]
    return {k: torch.tensor(v, dtype=torch.int64) for k, v in parts.items()}


def _check_subsets(
    images: Candidates, subset: Sequence[int], needed: Sequence[int]
) -> None:
    present = set(zip(images.strata, subset, strict=True))
    for k in needed:
        missing = [text for one, text in _SUBSETS.items() if (k, one) not in present]
        if missing:
            raise WorkshopError(
                f"class {images.class_names[k]!r} has too few images to be split"
                f" ({images.strata.count(k)}, none for {' or '.join(missing)}): give"
                " each class at least one for training, one for validation and one for"
                " the test, in different places if whole places are kept together."
            )


def _check_room(room: Mapping[str, int], spec: SplitSpec) -> None:
    need = spec.labels_per_class if spec.label_fraction is None else 1
    name, n = min(room.items(), key=lambda item: item[1])
    if n < need:
        raise WorkshopError(
            f"labels_per_class={need} but class {name!r} has only {n} training images:"
            f" use at most {n}."
        )
