"""Which image goes where: drawn from a seed and the names, balanced over the classes.

Two steps. First every image gets a side: training, validation or test, image by image
(here) or in whole groups (`grouping`). Then the labeled ones are chosen among those
for training.
"""

__all__ = [
    "LEFT_OUT",
    "TEST",
    "TRAIN",
    "VAL",
    "Wishes",
    "in_order",
    "parts_of",
    "sides_by_image",
    "strata_of",
    "whole_images",
]

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workshop_lib.errors import WorkshopError

TRAIN, VAL, TEST, LEFT_OUT = 0, 1, 2, -1
_SIDE_NAMES = {TRAIN: "training", VAL: "validation", TEST: "the test"}


@dataclass(frozen=True)
class Wishes:
    """How many images of each class go where.

    Raises:
        WorkshopError: shares outside 0 to 1, or fewer than 0 labels.
    """

    labels_per_class: int = 4  # 0: every training image keeps its label
    label_share: float | None = None  # of the training images, instead of a number
    val: float = 0.15
    test: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        if not (0 < self.val < 1 and 0 < self.test < 1 and self.val + self.test < 1):
            raise WorkshopError(
                f"val={self.val}, test={self.test}: give shares between 0 and 1 that"
                " leave some images for training, e.g. 0.15 and 0.25."
            )
        if self.labels_per_class < 0:
            raise WorkshopError(
                f"labels_per_class={self.labels_per_class}: use 0 for all labels, or a"
                " number of labels per class."
            )
        if self.label_share is not None and not 0 < self.label_share <= 1:
            raise WorkshopError(
                f"label_share={self.label_share}: give the labeled share of the"
                " training images, above 0 and at most 1, e.g. 0.1 for 10 %."
            )

    def labels(self, room: int) -> int:
        """Tell how many of a class' training images are labeled."""
        if self.label_share is not None:
            return whole_images(self.label_share, room)
        return self.labels_per_class or room


def whole_images(share: float, count: int) -> int:
    """Round a share of a class to whole images, at least one."""
    return max(1, int(share * count + 0.5))


def strata_of(labels: Tensor) -> list[int]:
    """Tell for which class each image is drawn; -1 if no label of it is known.

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


def in_order(names: Sequence[str], seed: int) -> list[int]:
    """Put images in an order that depends on nothing but the seed and their names."""
    rank = [hashlib.sha256(f"{seed}/{name}".encode()).digest() for name in names]
    return sorted(range(len(names)), key=lambda i: rank[i])


def sides_by_image(
    order: Sequence[int], strata: Sequence[int], shares: Mapping[int, float]
) -> list[int]:
    """Draw each class by itself: its first images to one side, the next to another.

    Args:
        order: positions of the images, shuffled; others than these are left out.
        strata: (N,) the class of each image; those of none (-1) are for training.
        shares: side -> share of each class, in the order of being served.

    Returns:
        (N,) the side of each image.
    """
    classes: dict[int, list[int]] = {}
    for i in order:
        classes.setdefault(strata[i], []).append(i)
    sides = [LEFT_OUT] * len(strata)
    for stratum, members in classes.items():
        first = 0
        for side, share in shares.items() if stratum >= 0 else ():
            last = first + whole_images(share, len(members))
            for i in members[first:last]:
                sides[i] = side
            first = last
        for i in members[first:]:
            sides[i] = TRAIN
    return sides


def parts_of(
    sides: Sequence[int],
    order: Sequence[int],
    strata: Sequence[int],
    class_names: Sequence[str],
    wishes: Wishes,
    absent: Sequence[int] = (),
) -> dict[str, Tensor]:
    """Choose the labeled images; return each part as (n,) int64 positions.

    Each part is in the order given: its beginning is then a mixed sample, and more
    labels keep the labels of fewer.

    Args:
        absent: classes that need not occur; the others need an image on every side.

    Raises:
        WorkshopError: a class has too few images on some side.
    """
    members: list[list[int]] = [[] for _ in class_names]  # of training, by class
    parts: dict[str, list[int]] = {"unlabeled": [], "val": [], "test": []}
    part_of = {TRAIN: "unlabeled", VAL: "val", TEST: "test"}
    for i in order:
        # An image of no known class can teach, but not measure.
        if sides[i] == TRAIN or (sides[i] != LEFT_OUT and strata[i] >= 0):
            parts[part_of[sides[i]]].append(i)
        if sides[i] == TRAIN and strata[i] >= 0:
            members[strata[i]].append(i)
    needed = [k for k in range(len(class_names)) if k not in absent]
    _check_sides(sides, strata, class_names, needed)
    rooms = {k: len(members[k]) for k in needed}
    _check_room({class_names[k]: n for k, n in rooms.items()}, wishes)
    chosen = {i for k, n in rooms.items() for i in members[k][: wishes.labels(n)]}
    parts["labeled"] = [i for i in parts["unlabeled"] if i in chosen]
    return {k: torch.tensor(v, dtype=torch.int64) for k, v in parts.items()}


def _check_sides(
    sides: Sequence[int],
    strata: Sequence[int],
    class_names: Sequence[str],
    needed: Sequence[int],
) -> None:
    present = set(zip(strata, sides, strict=True))
    bad = [k for k in needed if any((k, s) not in present for s in _SIDE_NAMES)]
    if bad:
        k = bad[0]
        count = sum(s == k for s in strata)
        lacks = [n for side, n in _SIDE_NAMES.items() if (k, side) not in present]
        raise WorkshopError(
            f"class {class_names[k]!r} has too few images to be split ({count}, none"
            f" for {' or '.join(lacks)}): give each class at least one for training,"
            " one for validation and one for the test, in different places if whole"
            f" places are kept together{_others(len(bad) - 1)}."
        )


def _check_room(rooms: Mapping[str, int], wishes: Wishes) -> None:
    need = wishes.labels_per_class if wishes.label_share is None else 1
    short = {name: room for name, room in rooms.items() if room < need}
    if short:
        name, room = min(short.items(), key=lambda item: item[1])
        raise WorkshopError(
            f"labels_per_class={need} but class {name!r} has only {room} training"
            f" images: use at most {room}{_others(len(short) - 1)}."
        )


def _others(count: int) -> str:
    return f" ({count} other classes have too few as well)" if count else ""
