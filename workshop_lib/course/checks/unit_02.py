"""Checks of unit 02: labels counted, a split drawn by hand, faults found in others."""

__all__ = ["count_labels", "detective", "draw_split"]

import itertools
from collections.abc import Mapping, Sequence, Sized
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from workshop_lib.course.checks.attempt import Attempt, exercise
from workshop_lib.course.checks.values import (
    as_tensor,
    describe_value,
    draws,
    generator,
    global_random,
)
from workshop_lib.course.leaky_splits import make_leaky_splits
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.split import PARTS, Split


@exercise("count_labels(labels, index, num_classes)")
def count_labels(attempt: Attempt) -> str:
    """Check how many of the chosen images belong to each class.

    The learner's `count_labels(labels, index, num_classes)` takes the labels of all
    images (N,), positions of some (n,), and K; it gives (K,) counts.
    """
    some, last = torch.tensor([0, 2, 1, 3, 2, 0, 4, 3]), torch.tensor([0, 1, 0, 3])
    cases = {
        "84 labels of 21 classes": (torch.arange(210) % 21, torch.arange(84), 21),
        "a class without labels": (some, torch.tensor([0, 1, 3, 4, 6]), 5),
        "a last class without labels": (last, torch.arange(3), 4),
    }
    attempt.compare(cases, _counts, _COUNTS)
    return "4 of each of 21 classes make 84; a class without labels counts 0"


def _counts(labels: Tensor, index: Tensor, num_classes: int) -> Tensor:
    return labels[index].bincount(minlength=num_classes)


_COUNTS = {
    "all_images": lambda labels, index, K: labels.bincount(minlength=K),
    "no_minlength": lambda labels, index, K: labels[index].bincount(),
    "unique": lambda labels, index, K: labels[index].unique(return_counts=True)[1],
}


@exercise("draw_split(labels, names, labels_per_class, seed)")
def draw_split(attempt: Attempt) -> str:
    """Check a split that anyone can draw again: balanced, without leaks.

    The learner's `draw_split(labels, names, labels_per_class, seed)` takes (N,) labels
    and N file names, and gives a dict of positions (n,): of each class 25 % "test",
    15 % "val", the rest "unlabeled", and `labels_per_class` of these also "labeled".
    Which ones depends on the seed and the names only.
    """
    _check_split(attempt, "5 classes of 20 images, 4 labels each", [20] * 5, 4)
    _check_split(attempt, "classes of 40, 24 and 12, 3 labels each", [40, 24, 12], 3)
    return "balanced, no image in two parts, reproducible on any machine"


def _check_split(attempt: Attempt, case: str, sizes: Sequence[int], asked: int) -> None:
    labels = torch.cat([torch.full((n,), k) for k, n in enumerate(sizes)])
    names = [f"class{k}/{i:03d}.png" for k, n in enumerate(sizes) for i in range(n)]
    mixed = torch.randperm(len(labels), generator=generator(5))

    def drawn(order: Tensor, seed: int) -> dict[str, set[int]]:
        """Draw, and return the images of each part by their number in `names`."""
        files = [names[i] for i in order.tolist()]
        given = attempt.run(case, labels[order], files, asked, seed)
        parts = _positions(attempt, case, given, len(names))
        return {part: set(order[index].tolist()) for part, index in parts.items()}

    before = global_random()
    parts = drawn(mixed, seed=0)
    now = global_random()
    _check_parts(attempt, case, parts, labels, asked)
    for hint, order, seed, alike in (
        ("not_seeded", mixed, 0, True),
        ("seed_unused", mixed, 1, False),
        ("order", mixed.flip(0), 0, True),
    ):
        words = ("the same split", "different splits")
        came, expected = words[::-1] if alike else words
        holds = (drawn(order, seed) == parts) == alike
        attempt.require(holds, case, hint, came, expected)
    moved = ", ".join(name for name in now if now[name] != before[name])
    came = f"global random numbers of {moved} used or seeded"
    attempt.require(not moved, case, "global_random", came, "left as they were")


def _positions(attempt: Attempt, case: str, given: Any, N: int) -> dict[str, Tensor]:
    """Return the parts as positions; fail if they are no such thing."""
    known = isinstance(given, Mapping)
    came = f"the keys {', '.join(map(str, given))}" if known else describe_value(given)
    complete = known and set(given) == set(PARTS)
    expected = f"a dict with the keys {', '.join(PARTS)}"
    attempt.require(complete, case, "parts", came, expected)
    parts = {}
    for part in PARTS:
        index, expected = as_tensor(given[part]), f"(n,) integers below {N}"
        came = describe_value(given[part])
        if index is None or index.ndim != 1 or index.dtype.is_floating_point:
            attempt.fail(case, attempt.hint("positions", part=part), came, expected)
        once = 0 < len(index) == len(index.unique())
        inside = once and int(index.min()) >= 0 and int(index.max()) < N
        attempt.require(inside, case, "positions", came, expected, part=part)
        parts[part] = index.long()
    return parts


def _check_parts(
    attempt: Attempt, case: str, parts: dict[str, set[int]], labels: Tensor, asked: int
) -> None:
    """Check that the parts share no image that they must not, and are balanced."""
    for a, b in itertools.product(("test", "val"), ("unlabeled", "labeled", "val")):
        shared = 0 if a == b else len(parts[a] & parts[b])
        came = f"{shared} images in {a} and {b}"
        attempt.require(not shared, case, "leak", came, "none", a=a, b=b)
    lost = len(parts["labeled"] - parts["unlabeled"])
    came = f"{lost} labelled images outside unlabeled"
    attempt.require(not lost, case, "not_in_pool", came, "none")
    sizes = labels.bincount()
    found = {
        part: labels[list(images)].bincount(minlength=len(sizes))
        for part, images in parts.items()
    }
    right = bool((found["labeled"] == asked).all())
    came = f"labels per class {found['labeled'].tolist()}"
    attempt.require(right, case, "not_stratified", came, f"{asked} each")
    for part, percent in (("test", 25), ("val", 15)):
        wanted = percent / 100 * sizes
        right = bool(((found[part] - wanted).abs() <= 1).all())
        came = f"per class {found[part].tolist()} in {part}"
        expected = f"about {wanted.round().int().tolist()}"
        attempt.require(
            right, case, "share", came, expected, part=part, percent=percent
        )
    used = len(set().union(*parts.values()))
    came, expected = f"{used} images in use", f"all {len(labels)}"
    attempt.require(used == len(labels), case, "left_out", came, expected)


@exercise("find_faults(scenes, split)")
def detective(attempt: Attempt) -> str:
    """Check that a function finds six planted faults and raises no false alarm.

    The learner's `find_faults(scenes, split)` takes a Dataset and a Split and returns
    what it found: a list or set, empty where all is well; or True for a fault of any
    kind.
    """
    scenes = _some_scenes()
    honest = Split.random(scenes, labels_per_class=4, seed=3)
    cases = make_leaky_splits(scenes, honest, seed=1)
    accused = {c.name: _accuses(attempt, c.name, c.scenes, c.split) for c in cases}
    found = f"{sum(accused.values())} of 7 splits accused"
    attempt.require(
        any(accused.values()), "seven splits", "blind", found, "6", clue=cases[0].clue
    )
    (clean,) = (case.name for case in cases if not case.kind)
    if accused[clean]:
        rest = honest.unlabeled[~torch.isin(honest.unlabeled, honest.labeled)]
        apart = replace(honest, unlabeled=rest)
        still = _accuses(attempt, clean, scenes, apart)
        hint = "look" if still else "labelled_in_pool"
        attempt.fail(clean, attempt.hint(hint), "a fault", "nothing found")
    for case in cases:
        if case.kind and not accused[case.name]:
            attempt.fail(case.name, case.clue, f"nothing ({found})", "a fault")
    # Class sizes of real data differ by an image or two, which is no fault
    index = torch.arange(len(scenes))
    uneven = scenes.subset(index[index % 40 != 0])  # three classes lose one image
    split, last = Split.random(uneven, labels_per_class=4, seed=4), "uneven classes"
    wrong = _accuses(attempt, last, uneven, split)
    attempt.require(not wrong, last, "unequal", "a fault", "nothing found")
    return "six faults found, two clean splits cleared"


def _accuses(attempt: Attempt, case: str, scenes: Dataset, split: Split) -> bool:
    found: Any = attempt.run(case, scenes, split)
    if isinstance(found, int):  # True and False are of this type
        return bool(found)
    if isinstance(found, torch.Tensor) or not isinstance(found, Sized):
        attempt.fail(case, attempt.hint("a_list"), describe_value(found), "a list")
    return len(found) > 0


def _some_scenes() -> Dataset:
    return Dataset(
        images=draws(0, 256, 160, 3, 6, 6).to(torch.uint8),
        labels=torch.arange(160) % 4,
        class_names=("Forest", "River", "Harbor", "Orchard"),
        names=tuple(f"{i:03d}.png" for i in range(160)),
    )
