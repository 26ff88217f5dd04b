"""Checks of unit 02: counting labels, and drawing a split by one's own hand."""

__all__ = ["count_labels", "draw_split"]

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from workshop_lib.course.checks.copies import RandomState
from workshop_lib.course.checks.describe import as_tensor, describe
from workshop_lib.course.checks.inputs import generator
from workshop_lib.course.checks.trial import Mistake, Trial, exercise
from workshop_lib.data.split import PARTS

Parts = dict[str, Tensor]


@exercise("count_labels(labels, index, num_classes)")
def count_labels(trial: Trial) -> str:
    """Check how many of the chosen images belong to each class.

    The learner's `count_labels(labels, index, num_classes)` takes the labels of all
    images (N,), positions of some (n,), and K; it gives (K,) counts.
    """
    labels = torch.arange(210) % 21
    cases = {
        "84 labels of 21 classes": (labels, torch.arange(84), 21),
        "a class without label": (
            torch.tensor([0, 2, 1, 3, 2, 0, 4, 3]),
            torch.tensor([0, 1, 3, 4, 6]),
            5,
        ),
        "a last class without label": (torch.tensor([0, 1, 0, 3]), torch.arange(3), 4),
    }
    trial.compare(cases, _counts, _COUNTS, look=_COUNTS_LOOK)
    return "4 of each of 21 classes make 84; a class without label counts 0"


def _counts(labels: Tensor, index: Tensor, num_classes: int) -> Tensor:
    return labels[index].bincount(minlength=num_classes)


_COUNTS_LOOK = "labels[index] are the labels of the chosen images: count each class."
_COUNTS = (
    Mistake(
        "all images were counted, not the chosen ones. This is how a log once printed"
        " 84 labels while 1,050 were used: count labels[index].",
        lambda labels, index, K: labels.bincount(minlength=K),
    ),
    Mistake(
        "classes at the end without an image are missing: bincount(minlength=K) gives"
        " one count for each class, 0 included.",
        lambda labels, index, K: labels[index].bincount(),
    ),
    Mistake(
        "classes without an image were skipped (unique leaves them out), so that the"
        " counts slide to other classes: give K counts, 0 included.",
        lambda labels, index, K: labels[index].unique(return_counts=True)[1],
    ),
    Mistake(
        "one number came, of all chosen images: give one count per class.",
        lambda labels, index, K: len(index),
    ),
    Mistake(
        "shares came: give the numbers of images themselves.",
        lambda labels, index, K: _counts(labels, index, K) / len(index),
    ),
    Mistake(
        "the positions were counted as if they were labels: labels[index] first.",
        lambda labels, index, K: index.bincount(minlength=K)[:K],
    ),
)


@exercise("draw_split(labels, names, labels_per_class, seed)")
def draw_split(trial: Trial) -> str:
    """Check a split that anyone can draw again: balanced, without leaks.

    The learner's `draw_split(labels, names, labels_per_class, seed)` takes (N,) labels
    and N names of files, and gives a dict of positions (n,): of each class 25 % "test",
    15 % "val", the rest "unlabeled", and `labels_per_class` of these also "labeled".
    Which ones depends on the seed and the names only.
    """
    _check_one(trial, "5 classes of 20 images, 4 labels each", [20] * 5, 4)
    _check_one(trial, "classes of 40, 24 and 12 images, 3 labels each", [40, 24, 12], 3)
    return "balanced, no image on two sides, the same again on any machine"


def _check_one(trial: Trial, case: str, sizes: list[int], asked: int) -> None:
    labels = torch.cat([torch.full((n,), k) for k, n in enumerate(sizes)])
    names = [f"class{k}/{i:03d}.png" for k, n in enumerate(sizes) for i in range(n)]
    mixed = torch.randperm(len(labels), generator=generator(5)).tolist()
    labels, names = labels[mixed], [names[i] for i in mixed]
    state = RandomState()
    parts = _read(trial, case, trial.run(case, labels, names, asked, 0), len(labels))
    moved = state.moved()
    _check_leaks(trial, case, parts)
    _check_numbers(trial, case, parts, labels, asked)
    _check_repeats(trial, case, parts, labels, names, asked, moved)


def _read(trial: Trial, case: str, given: Any, N: int) -> Parts:
    expected = f"a dict with the keys {', '.join(PARTS)}"
    if not isinstance(given, Mapping) or set(given) != set(PARTS):
        came = f"the keys {', '.join(map(str, given))}" if isinstance(
            given, Mapping) else describe(given)  # fmt: skip
        likely = "return all four parts by name: {'labeled': ..., 'unlabeled': ...}."
        trial.fail(case, likely, came, expected)
    parts = {}
    for name in PARTS:
        index = as_tensor(given[name])
        if index is not None and index.numel() == 0 and index.ndim == 1:
            likely = (
                f"{name} is empty: look at the slices (in the notebook, those of"
                " `shares_of`). Both ends of a slice count from the start, and the end"
                " lies behind the beginning."
            )
            trial.fail(case, likely, f"no image in {name}", "positions of images")
        bad = index is None or index.ndim != 1 or index.is_floating_point()
        if index is None or bad or index.dtype == torch.bool:
            likely = f"give positions of images for {name}: whole numbers, (n,)."
            trial.fail(case, likely, describe(given[name]), "(n,) int64")
        if index.min() < 0 or index.max() >= N:
            likely = f"positions in {name} run from 0 to N - 1."
            trial.fail(case, likely, describe(index), f"positions from 0 to {N - 1}")
        if len(index.unique()) < len(index):
            twice = len(index) - len(index.unique())
            likely = "draw without replacement: shuffle once, then cut into pieces."
            trial.fail(case, likely, f"{twice} images twice in {name}", "each once")
        parts[name] = index.long()
    return parts


def _check_leaks(trial: Trial, case: str, parts: Parts) -> None:
    def shared(a: str, b: str) -> int:
        return int(torch.isin(parts[a], parts[b]).sum())

    leaks = {
        ("unlabeled", "test"): "test images are in the unlabeled pool: a model that"
        " has trained on them, even without labels, is no longer tested on new images."
        " Cut the test off first.",
        ("unlabeled", "val"): "validation images are in the unlabeled pool: take them"
        " out of it too, or the choice of the checkpoint is not honest.",
        ("labeled", "test"): "some labeled images are test images: draw the labels from"
        " the training images only.",
        ("labeled", "val"): "some labeled images are validation images: draw the labels"
        " from what is left after test and validation.",
        ("val", "test"): "validation and test share images: the checkpoint would be"
        " chosen on the test.",
    }
    for (a, b), likely in leaks.items():
        if shared(a, b):
            trial.fail(case, likely, f"{shared(a, b)} images in {a} and {b}", "none")
    inside, total = shared("labeled", "unlabeled"), len(parts["labeled"])
    if inside < total:
        trial.fail(
            case,
            "the labeled images belong to the unlabeled pool too, as in FixMatch: their"
            " labels are not used there, their pixels are.",
            f"{inside} of {total} labeled images in unlabeled",
            f"all {total}",
        )


def _check_numbers(
    trial: Trial, case: str, parts: Parts, labels: Tensor, asked: int
) -> None:
    K = int(labels.max()) + 1
    sizes = labels.bincount(minlength=K)
    found = {n: labels[index].bincount(minlength=K) for n, index in parts.items()}
    got, training = found["labeled"], found["unlabeled"]
    if not torch.equal(got, torch.full((K,), asked)):
        if len(parts["labeled"]) == asked:
            likely = f"{asked} labels in all came: wanted are {asked} of each class."
        elif torch.equal(got, training):
            likely = (
                "every training image is labeled, whatever was asked for. A log once"
                " printed 84 labels while 1,050 were used."
            )
        elif len(parts["labeled"]) == asked * K:
            likely = (
                "the total is right but not the classes: the labels were drawn from all"
                " images together. Draw from each class by itself (stratified)."
            )
        else:
            likely = "take the first `labels_per_class` of each class' training images."
        trial.fail(case, likely, f"labels per class {got.tolist()}", f"{asked} each")
    for name, share in (("test", 0.25), ("val", 0.15)):
        wanted = share * sizes
        if ((found[name] - wanted).abs() <= 1).all():
            continue
        total = int(found[name].sum())
        if abs(total - share * len(labels)) <= K:
            likely = (
                f"the size of {name} is right, but not of each class: it was drawn from"
                " all images together. Draw from each class by itself (stratified)."
            )
        else:
            likely = f"{name} should hold {100 * share:.0f} % of each class."
        expected = f"about {[round(w) for w in wanted.tolist()]}"
        trial.fail(
            case, likely, f"per class {found[name].tolist()} in {name}", expected
        )
    used = torch.cat([parts["unlabeled"], parts["val"], parts["test"]]).unique()
    if len(used) < len(labels):
        trial.fail(
            case,
            "some images are in no part: what is neither test nor validation goes into"
            " the unlabeled pool.",
            f"{len(used)} images in use",
            f"all {len(labels)}",
        )


def _check_repeats(
    trial: Trial,
    case: str,
    parts: Parts,
    labels: Tensor,
    names: list[str],
    asked: int,
    moved: list[str],
) -> None:
    N = len(labels)

    def drawn(labels: Tensor, names: list[str], seed: int) -> dict[str, set[str]]:
        parts = _read(trial, case, trial.run(case, labels, names, asked, seed), N)
        return {n: {names[i] for i in index.tolist()} for n, index in parts.items()}

    first = {n: {names[i] for i in index.tolist()} for n, index in parts.items()}
    if drawn(labels, names, 0) != first:
        trial.fail(
            case,
            "called twice with the same seed, the function gave two splits: make a"
            " generator from the seed inside it, and draw from that one.",
            "another split the second time",
            "the same split",
        )
    if drawn(labels, names, 1) == first:
        likely = "the seed is not used: seeds 0 and 1 give the same split."
        trial.fail(case, likely, "the same split for two seeds", "two splits")
    turned = list(range(N))[::-1]
    if drawn(labels[turned], [names[i] for i in turned], 0) != first:
        trial.fail(
            case,
            "the split depends on the order of the files, which differs from machine to"
            " machine: sort by name first, then shuffle.",
            "another split when the same files are listed the other way round",
            "the same files in each part",
        )
    if moved:
        trial.fail(
            case,
            f"the split is good, but it was drawn from the global random numbers of"
            f" {', '.join(moved)}: whoever else draws or seeds there changes the other."
            " Use a generator of your own: torch.Generator().manual_seed(seed).",
            "global random numbers used or seeded",
            "left as they were",
        )
