"""Checks of unit 02: labels counted, a split drawn by hand, faults in leaky splits."""

__all__ = ["LeakySplit", "count_labels", "detective", "draw_split", "make_leaky_splits"]

import itertools
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from workshop_lib.course.checks.attempt import (
    Answer,
    Attempt,
    Cases,
    Mistakes,
    comparison,
    exercise,
)
from workshop_lib.course.checks.values import (
    as_tensor,
    describe_value,
    draws,
    generator,
    global_random,
)
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.split import PARTS, Split


@comparison("count_labels(labels, index, num_classes)")
def count_labels(cases: Cases, wrong: Mistakes) -> Answer:
    """Check how many of the chosen images belong to each class.

    The learner's `count_labels(labels, index, num_classes)` takes the labels of all
    images (N,), positions of some (n,), and K; it gives (K,) counts.
    """
    some, last = torch.tensor([0, 2, 1, 3, 2, 0, 4, 3]), torch.tensor([0, 1, 0, 3])
    cases["84 labels of 21 classes"] = torch.arange(210) % 21, torch.arange(84), 21
    cases["a class without labels"] = some, torch.tensor([0, 1, 3, 4, 6]), 5
    cases["a last class without labels"] = last, torch.arange(3), 4
    wrong["all_images"] = lambda labels, index, K: labels.bincount(minlength=K)
    return lambda labels, index, K: labels[index].bincount(minlength=K)


@exercise("draw_split(labels, names, labels_per_class, seed)")
def draw_split(attempt: Attempt) -> None:
    """Check a split that anyone can draw again: balanced, without leaks.

    The learner's `draw_split(labels, names, labels_per_class, seed)` takes (N,) labels
    and N file names, and gives a dict of positions (n,): of each class 25 % "test",
    15 % "val", the rest "unlabeled", and `labels_per_class` of these also "labeled".
    Which ones depends on the seed and the names only.
    """
    _check_split(attempt, "5 classes of 20 images, 4 labels each", [20] * 5, 4)
    _check_split(attempt, "classes of 40, 24 and 12, 3 labels each", [40, 24, 12], 3)


def _check_split(attempt: Attempt, case: str, sizes: Sequence[int], asked: int) -> None:
    labels = torch.cat([torch.full((n,), k) for k, n in enumerate(sizes)])
    names = [f"class{k}/{i:03d}.png" for k, n in enumerate(sizes) for i in range(n)]
    mixed = torch.randperm(len(labels), generator=generator(5))

    def drawn(order: Tensor, seed: int) -> dict[str, set[int]]:
        """Draw, and return the images of each part by their number in `names`."""
        files = [names[i] for i in order]
        parts = attempt.run(case, labels[order], files, asked, seed)
        _check_positions(attempt, parts, len(names))
        return {part: set(order[as_tensor(parts[part])].tolist()) for part in PARTS}

    before = global_random()
    parts = drawn(mixed, seed=0)
    now = global_random()
    _check_parts(attempt, parts, labels, asked)
    for hint, order, seed, alike in (
        ("not_seeded", mixed, 0, True),
        ("seed_unused", mixed, 1, False),
        ("order", mixed.flip(0), 0, True),
    ):
        words = ("the same split", "different splits")
        came, expected = words[::-1] if alike else words
        attempt.require((drawn(order, seed) == parts) == alike, hint, came, expected)
    moved = ", ".join(name for name in now if now[name] != before[name])
    came = f"global random numbers of {moved} used or seeded"
    attempt.require(not moved, "global_random", came, "left as they were")


def _check_positions(attempt: Attempt, parts: Any, N: int) -> None:
    """Check that four parts were given, each as positions of images."""
    known = isinstance(parts, Mapping)
    came = f"the keys {', '.join(map(str, parts))}" if known else describe_value(parts)
    expected = f"a dict with the keys {', '.join(PARTS)}"
    attempt.require(known and set(parts) == set(PARTS), "parts", came, expected)
    for part in PARTS:
        index = as_tensor(parts[part])
        right = index is not None and index.ndim == 1 and not index.is_floating_point()
        given = index.tolist() if index is not None and right else []
        right = 0 < len(given) == len(set(given) & set(range(N)))
        came, expected = describe_value(parts[part]), f"(n,) integers below {N}"
        attempt.require(right, "positions", came, expected, part=part)


def _check_parts(
    attempt: Attempt, parts: dict[str, set[int]], labels: Tensor, asked: int
) -> None:
    """Check that the parts share no image that they must not, and are balanced."""
    for a, b in itertools.product(("test", "val"), ("unlabeled", "labeled", "val")):
        shared = 0 if a == b else len(parts[a] & parts[b])
        came = f"{shared} images in {a} and {b}"
        attempt.require(not shared, "leak", came, "none", a=a, b=b)
    lost = len(parts["labeled"] - parts["unlabeled"])
    came = f"{lost} labelled images outside unlabeled"
    attempt.require(not lost, "not_in_pool", came, "none")
    sizes = labels.bincount()

    def per_class(part: str) -> Tensor:
        return labels[list(parts[part])].bincount(minlength=len(sizes))

    counts = per_class("labeled").tolist()
    right, came = set(counts) == {asked}, f"labels per class {counts}"
    attempt.require(right, "not_stratified", came, f"{asked} each")
    for part, percent in (("test", 25), ("val", 15)):
        wanted, found = percent / 100 * sizes, per_class(part)
        right, came = bool(((found - wanted).abs() <= 1).all()), f"{found.tolist()}"
        about = f"about {wanted.round().int().tolist()} per class"
        attempt.require(right, "share", came, about, part=part, percent=percent)
    used = len(set().union(*parts.values()))
    came, expected = f"{used} images in use", f"all {len(labels)}"
    attempt.require(used == len(labels), "left_out", came, expected)


@exercise("find_faults(scenes, split)")
def detective(attempt: Attempt) -> None:
    """Check that a function finds six planted faults and raises no false alarm.

    The learner's `find_faults(scenes, split)` takes a Dataset and a Split and returns
    what it found: a list or set, empty where all is well; or True for a fault of any
    kind.
    """
    scenes = Dataset(
        images=draws(0, 256, 160, 3, 6, 6).to(torch.uint8),
        labels=torch.arange(160) % 4,
        class_names=("Forest", "River", "Harbor", "Orchard"),
        names=tuple(f"{i:03d}.png" for i in range(160)),
    )
    honest = Split.random(scenes, labels_per_class=4, seed=3)
    cases = make_leaky_splits(scenes, honest, seed=1)
    accused = {c.name: _accuses(attempt, c.name, c.scenes, c.split) for c in cases}
    attempt.case, found = "seven splits", f"{sum(accused.values())} of 7 accused"
    attempt.require(any(accused.values()), "blind", found, "6", clue=cases[0].clue)
    (clean,) = (case.name for case in cases if not case.kind)
    attempt.case = clean
    attempt.require(not accused[clean], "look", "a fault", "nothing found")
    for case in cases:
        attempt.case, seen = case.name, accused[case.name] or not case.kind
        attempt.require(seen, "missed", f"nothing ({found})", "a fault", clue=case.clue)
    # Class sizes of real data differ by an image or two, which is no fault
    uneven = scenes.subset([i for i in range(160) if i % 40])  # one loses four images
    split = Split.random(uneven, labels_per_class=4, seed=4)
    labels, labeled, words = scenes.labels, honest.labeled, ("a fault", "nothing found")
    more = honest.unlabeled[labels[honest.unlabeled] == 0][:8]
    eight = replace(honest, labeled=torch.cat([labeled[labels[labeled] > 0], more]))
    three = replace(honest, labeled=labeled[labels[labeled] < 3])
    for hint, given, fault in (
        ("unequal", (uneven, split), False),
        ("just_twice", (scenes, eight), True),
        ("last_class", (scenes, three), True),
    ):
        right = _accuses(attempt, "another split", *given) == fault
        attempt.require(right, hint, words[fault], words[not fault])


def _accuses(attempt: Attempt, case: str, scenes: Dataset, split: Split) -> bool:
    found: Any = attempt.run(case, scenes, split)
    if isinstance(found, int):  # True and False are of this type
        return bool(found)
    several = isinstance(found, Sized) and not isinstance(found, Tensor)
    attempt.require(several, "a_list", describe_value(found), "a list")
    return len(found) > 0


@dataclass(frozen=True, eq=False)
class LeakySplit:
    """One case for the detective.

    Args:
        name: "case A" to "case G".
        scenes, split: what the detective gets.
        kind: what `Split.audit` calls the fault; empty for the honest split.
        story: what is wrong and why it matters, for afterwards.
        clue: where to look, for a learner who has not found it.
    """

    name: str
    scenes: Dataset
    split: Split
    kind: str
    story: str
    clue: str


def make_leaky_splits(scenes: Dataset, split: Split, seed: int = 0) -> list[LeakySplit]:
    """Build six faulty copies of an honest split, and the honest one among them.

    Five of the six faults were found in earlier workshops and published code.

    Args:
        scenes: at least two classes, one label per image.
        split: an honest split with at least two labels per class.
        seed: chooses the images and classes concerned.

    Returns:
        Seven cases in a fixed order; two of them have pictures of their own.
    """
    generator = torch.Generator().manual_seed(seed)

    def shuffled(index: Tensor) -> Tensor:
        return index[torch.randperm(len(index), generator=generator)]

    def some_class() -> int:
        return int(torch.randint(scenes.num_classes, (1,), generator=generator))

    labeled, pool, labels = split.labeled, split.unlabeled, scenes.labels
    everything = shuffled(torch.cat([pool, split.test]))
    leaked = shuffled(split.val)[: max(2, len(split.val) // 5)]
    one = int(shuffled(pool)[0])
    same = shuffled(split.test[labels[split.test] == labels[one]])
    lost, favoured = some_class(), some_class()
    more = shuffled(pool[~torch.isin(pool, labeled) & (labels[pool] == favoured)])
    more = more[: 2 * int((labels[labeled] == favoured).sum())]
    two = int(shuffled(pool)[0])
    # Both in the pool: the fault is in the data, whatever the split
    other = shuffled(pool[labels[pool] != labels[two]])
    cases = {
        "case A": (scenes, replace(split, unlabeled=everything)),
        "case B": (scenes, replace(split, unlabeled=torch.cat([pool, leaked]))),
        "case C": (_copied(scenes, one, int(same[0])), split),
        "case D": (scenes, split),
        "case E": (scenes, replace(split, labeled=labeled[labels[labeled] != lost])),
        "case F": (scenes, replace(split, labeled=torch.cat([labeled, more]))),
        "case G": (_copied(scenes, two, int(other[0])), split),
    }
    concerned = {"case E": lost, "case F": favoured}
    path = Path(__file__).parents[1] / "leaky_splits.yaml"
    texts = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name, text in texts.items():
        some = scenes.class_names[concerned.get(name, 0)]
        text["story"] = text["story"].format(some)
    return [LeakySplit(name, *case, **texts[name]) for name, case in cases.items()]


def _copied(scenes: Dataset, source: int, target: int) -> Dataset:
    """Overwrite one picture with another."""
    images = scenes.images.clone()
    images[target] = images[source]
    return replace(scenes, images=images)
