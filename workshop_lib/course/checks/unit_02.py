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
    attempt.compare(cases, _counts, _COUNTS, look=_COUNTS_LOOK)
    return "4 of each of 21 classes make 84; a class without labels counts 0"


def _counts(labels: Tensor, index: Tensor, num_classes: int) -> Tensor:
    return labels[index].bincount(minlength=num_classes)


_COUNTS_LOOK = "labels[index] are the labels of the chosen images: count each class."
_COUNTS = {
    "all images were counted, not the chosen ones. This is how a log once printed 84"
    " labels while 1,050 were used: count labels[index].": (
        lambda labels, index, K: labels.bincount(minlength=K)
    ),
    "classes at the end without an image are missing: bincount(minlength=K) gives one"
    " count for each class, 0 included.": (
        lambda labels, index, K: labels[index].bincount()
    ),
    "classes without an image were skipped (unique leaves them out), so the counts slip"
    " to other classes: give K counts, 0 included.": (
        lambda labels, index, K: labels[index].unique(return_counts=True)[1]
    ),
    "one number came, for all chosen images: give one count per class.": (
        lambda labels, index, K: len(index)
    ),
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
    moved = [name for name, state in now.items() if state != before[name]]
    attempt.require(
        not moved,
        case,
        f"the split is good, but it was drawn from the global random numbers of"
        f" {', '.join(moved)}: other code that draws or seeds there changes it."
        " Use your own generator: torch.Generator().manual_seed(seed).",
        "global random numbers used or seeded",
        "left as they were",
    )


def _read(attempt: Attempt, case: str, given: Any, N: int) -> Parts:
    """Return the parts as positions; fail if they are no such thing."""
    attempt.require(
        isinstance(given, Mapping) and set(given) == set(PARTS),
        case,
        "return all four parts by name: {'labeled': ..., 'unlabeled': ...}.",
        f"the keys {', '.join(map(str, given))}"
        if isinstance(given, Mapping)
        else describe(given),
        f"a dict with the keys {', '.join(PARTS)}",
    )
    parts = {}
    for name in PARTS:
        index = as_tensor(given[name])
        if index is None or index.ndim != 1 or index.dtype == torch.bool:
            likely = f"give positions of images for {name}: integers, (n,)."
            attempt.fail(case, likely, describe(given[name]), "(n,) int64")
        attempt.require(
            len(index) > 0,
            case,
            f"{name} is empty: look at the slices (in the notebook, those of"
            " `shares_of`). Both ends of a slice count from the start, and the end"
            " comes after the beginning.",
            f"no image in {name}",
            "positions of images",
        )
        attempt.require(
            not index.is_floating_point() and bool(((index >= 0) & (index < N)).all()),
            case,
            f"positions in {name} are integers from 0 to N - 1.",
            describe(index),
            f"positions from 0 to {N - 1}",
        )
        twice = len(index) - len(index.unique())
        attempt.require(
            not twice,
            case,
            "draw without replacement: shuffle once, then cut into pieces.",
            f"{twice} images twice in {name}",
            "each once",
        )
        parts[name] = index.long()
    return parts


def _check_leaks(attempt: Attempt, case: str, parts: Parts) -> None:
    for a, b in itertools.product(("test", "val"), ("unlabeled", "labeled", "val")):
        shared = 0 if a == b else int(torch.isin(parts[a], parts[b]).sum())
        attempt.require(
            not shared,
            case,
            f"{a} images are in {b}: the test is then no longer of new images, or the"
            " choice of the checkpoint is not honest. Cut test and val off first, and"
            " draw the labels from the rest.",
            f"{shared} images in {a} and {b}",
            "none",
        )
    inside = int(torch.isin(parts["labeled"], parts["unlabeled"]).sum())
    total = len(parts["labeled"])
    attempt.require(
        inside == total,
        case,
        "the labelled images belong to the unlabelled pool too, as in FixMatch: their"
        " labels are not used there, their pixels are.",
        f"{inside} of {total} labelled images in unlabeled",
        f"all {total}",
    )


def _check_numbers(
    attempt: Attempt, case: str, parts: Parts, labels: Tensor, asked: int
) -> None:
    sizes = labels.bincount()
    found = {n: labels[i].bincount(minlength=len(sizes)) for n, i in parts.items()}
    if len(parts["labeled"]) == asked:
        likely = f"{asked} labels came in total: {asked} of each class are wanted."
    elif len(parts["labeled"]) == len(parts["unlabeled"]):
        likely = (
            "every training image is labelled, whatever was requested. A log once"
            " printed 84 labels while 1,050 were used."
        )
    else:
        likely = (
            "take the first `labels_per_class` of the training images of each class,"
            " and not of all classes together (stratified)."
        )
    attempt.require(
        bool((found["labeled"] == asked).all()),
        case,
        likely,
        f"labels per class {found['labeled'].tolist()}",
        f"{asked} each",
    )
    for name, share in (("test", 0.25), ("val", 0.15)):
        wanted = share * sizes
        attempt.require(
            bool(((found[name] - wanted).abs() <= 1).all()),
            case,
            f"{name} should hold {100 * share:.0f} % of each class: draw from each"
            " class separately (stratified).",
            f"per class {found[name].tolist()} in {name}",
            f"about {[round(w) for w in wanted.tolist()]}",
        )
    used = sum(len(parts[name]) for name in ("unlabeled", "val", "test"))
    attempt.require(
        used == len(labels),
        case,
        "some images are in no part: what is neither test nor validation goes into the"
        " unlabelled pool.",
        f"{used} images in use",
        f"all {len(labels)}",
    )


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

    as_given = list(range(len(names)))
    attempt.require(
        again(as_given, seed=0),
        case,
        "called twice with the same seed, the function gave two splits: make a"
        " generator from the seed inside it, and draw from that one.",
        "another split the second time",
        "the same split",
    )
    attempt.require(
        not again(as_given, seed=1),
        case,
        "the seed is not used: seeds 0 and 1 give the same split.",
        "the same split for two seeds",
        "two splits",
    )
    attempt.require(
        again(as_given[::-1], seed=0),
        case,
        "the split depends on the order of the files, which differs from machine to"
        " machine: sort by name first, then shuffle.",
        "another split when the same files are listed in reverse order",
        "the same files in each part",
    )
