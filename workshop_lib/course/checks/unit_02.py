"""Checks of unit 02: counting labels, and a hand-written split."""

__all__ = ["count_labels", "draw_split"]

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from workshop_lib.course.checks.attempt import Attempt, exercise
from workshop_lib.course.checks.describe import as_tensor, describe
from workshop_lib.course.checks.inputs import generator, global_random
from workshop_lib.data.split import PARTS

Parts = dict[str, Tensor]


@exercise("count_labels(labels, index, num_classes)")
def count_labels(attempt: Attempt) -> str:
    """Check how many of the chosen images belong to each class.

    The learner's `count_labels(labels, index, num_classes)` takes the labels of all
    images (N,), positions of some (n,), and K; it gives (K,) counts.
    """
    cases = {
        "84 labels of 21 classes": (torch.arange(210) % 21, torch.arange(84), 21),
        "a class without labels": (
            torch.tensor([0, 2, 1, 3, 2, 0, 4, 3]), torch.tensor([0, 1, 3, 4, 6]), 5,
        ),
        "a last class without labels": (
            torch.tensor([0, 1, 0, 3]), torch.arange(3), 4,
        ),
    }  # fmt: skip
    attempt.compare(cases, _counts, _COUNTS)
    return "4 of each of 21 classes make 84; a class without labels counts 0"


def _counts(labels: Tensor, index: Tensor, num_classes: int) -> Tensor:
    return labels[index].bincount(minlength=num_classes)


_COUNTS = {
    "all_images": lambda labels, index, K: labels.bincount(minlength=K),
    "no_minlength": lambda labels, index, K: labels[index].bincount(),
    "unique": lambda labels, index, K: labels[index].unique(return_counts=True)[1],
    "one_number": lambda labels, index, K: len(index),
}


@exercise("draw_split(labels, names, labels_per_class, seed)")
def draw_split(attempt: Attempt) -> str:
    """Check a split that anyone can draw again: balanced, without leaks.

    The learner's `draw_split(labels, names, labels_per_class, seed)` takes (N,) labels
    and N file names, and gives a dict of positions (n,): of each class 25 % "test",
    15 % "val", the rest "unlabeled", and `labels_per_class` of these also "labeled".
    Which ones depends on the seed and the names only.
    """
    _check_one(attempt, "5 classes of 20 images, 4 labels each", [20] * 5, 4)
    _check_one(
        attempt, "classes of 40, 24 and 12 images, 3 labels each", [40, 24, 12], 3
    )
    return "balanced, no image in two parts, reproducible on any machine"


def _check_one(attempt: Attempt, case: str, sizes: Sequence[int], asked: int) -> None:
    labels = torch.cat([torch.full((n,), k) for k, n in enumerate(sizes)])
    names = [f"class{k}/{i:03d}.png" for k, n in enumerate(sizes) for i in range(n)]
    mixed = torch.randperm(len(labels), generator=generator(5)).tolist()
    labels, names = labels[mixed], [names[i] for i in mixed]
    before = global_random()
    parts = _read(attempt, case, attempt.run(case, labels, names, asked, 0), len(names))
    now = global_random()
    _check_leaks(attempt, case, parts)
    _check_numbers(attempt, case, parts, labels, asked)
    _check_repeats(attempt, case, parts, labels, names, asked)
    moved = ", ".join(name for name in now if now[name] != before[name])
    came = f"global random numbers of {moved} used or seeded"
    attempt.require(not moved, case, "global_random", came, "left as they were")


def _read(attempt: Attempt, case: str, given: Any, N: int) -> Parts:
    """Return the parts as positions; fail if they are no such thing."""
    known = isinstance(given, Mapping)
    attempt.require(
        known and set(given) == set(PARTS),
        case,
        "parts",
        f"the keys {', '.join(map(str, given))}" if known else describe(given),
        f"a dict with the keys {', '.join(PARTS)}",
    )
    parts = {}
    for name in PARTS:
        index = as_tensor(given[name])
        if index is not None and index.shape == (0,):
            likely = attempt.hint("empty", part=name)
            attempt.fail(case, likely, f"no image in {name}", "positions of images")
        kinds = (torch.int64, torch.int32, torch.uint8)
        if index is None or index.ndim != 1 or index.dtype not in kinds:
            likely = attempt.hint("positions", part=name)
            attempt.fail(case, likely, describe(given[name]), "(n,) int64")
        inside = bool(((index >= 0) & (index < N)).all())
        expected = f"positions from 0 to {N - 1} in {name}"
        attempt.require(inside, case, "outside", describe(index), expected)
        twice = len(index) - len(index.unique())
        came = f"{twice} images twice in {name}"
        attempt.require(not twice, case, "twice", came, "each once")
        parts[name] = index.long()
    return parts


def _check_leaks(attempt: Attempt, case: str, parts: Parts) -> None:
    for a, b in itertools.product(("test", "val"), ("unlabeled", "labeled", "val")):
        shared = 0 if a == b else int(torch.isin(parts[a], parts[b]).sum())
        came = f"{shared} images in {a} and {b}"
        attempt.require(not shared, case, "leak", came, "none", a=a, b=b)
    inside = int(torch.isin(parts["labeled"], parts["unlabeled"]).sum())
    total = len(parts["labeled"])
    came = f"{inside} of {total} labelled images in unlabeled"
    attempt.require(inside == total, case, "not_in_pool", came, f"all {total}")


def _check_numbers(
    attempt: Attempt, case: str, parts: Parts, labels: Tensor, asked: int
) -> None:
    sizes = labels.bincount()
    found = {n: labels[i].bincount(minlength=len(sizes)) for n, i in parts.items()}
    hint = "not_stratified"
    if len(parts["labeled"]) == asked:
        hint = "asked_in_total"
    elif len(parts["labeled"]) == len(parts["unlabeled"]):
        hint = "all_labelled"
    right = bool((found["labeled"] == asked).all())
    came = f"labels per class {found['labeled'].tolist()}"
    attempt.require(right, case, hint, came, f"{asked} each", asked=asked)
    for name, share in (("test", 0.25), ("val", 0.15)):
        wanted = share * sizes
        attempt.require(
            bool(((found[name] - wanted).abs() <= 1).all()),
            case,
            "share",
            f"per class {found[name].tolist()} in {name}",
            f"about {[round(w) for w in wanted.tolist()]}",
            part=name,
            per_cent=round(100 * share),
        )
    used = sum(len(parts[name]) for name in ("unlabeled", "val", "test"))
    came, expected = f"{used} images in use", f"all {len(labels)}"
    attempt.require(used == len(labels), case, "left_out", came, expected)


def _check_repeats(
    attempt: Attempt,
    case: str,
    parts: Parts,
    labels: Tensor,
    names: Sequence[str],
    asked: int,
) -> None:
    """Check that the split depends on names and seed, and on nothing else."""

    def by_name(parts: Parts, names: Sequence[str]) -> dict[str, set[str]]:
        return {n: {names[i] for i in index.tolist()} for n, index in parts.items()}

    def again(order: list[int], seed: int) -> bool:
        """Draw once more, and return whether the same files are in each part."""
        given = [names[i] for i in order]
        drawn = attempt.run(case, labels[order], given, asked, seed)
        found = by_name(_read(attempt, case, drawn, len(given)), given)
        return found == by_name(parts, names)

    given, same, other = list(range(len(names))), "the same split", "different splits"
    attempt.require(again(given, seed=0), case, "not_seeded", other, same)
    attempt.require(not again(given, seed=1), case, "seed_unused", same, other)
    attempt.require(again(given[::-1], seed=0), case, "order", other, same)
