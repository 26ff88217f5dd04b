"""Splits and searches for faults, right in several ways and wrong in many.

The leaky splits have one fault of each kind, and the library's own audit finds all.
"""

import random

import pytest
import torch

from tests.training.tiny import tiny
from workshop_lib.course.checks.splits import make_leaky_splits
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.split import PARTS, Split


def draw(labels, names, labels_per_class, seed, **changes):
    """Draw a split that is right, but for one change."""
    generator = torch.Generator().manual_seed(changes.get("always_seed", seed))
    parts = {"labeled": [], "unlabeled": [], "val": [], "test": []}
    for k in range(int(labels.max()) + 1):
        members = [i for i in range(len(names)) if labels[i] == k]
        if changes.get("sorted", True):
            members.sort(key=lambda i: names[i])
        order = changes.get("shuffle", shuffled)(len(members), generator)
        members = [members[i] for i in order]
        test = round(changes.get("test", 0.25) * len(members))
        val = round(changes.get("val", 0.15) * len(members))
        training = members[test + val :]
        parts["test"] += members[:test]
        parts["val"] += members[test : test + val]
        parts["unlabeled"] += training
        parts["labeled"] += training[:labels_per_class]
    return {name: torch.tensor(index) for name, index in parts.items()}


def shuffled(n, generator):
    return torch.randperm(n, generator=generator).tolist()


def by_library(labels, names, labels_per_class, seed):
    K = int(labels.max()) + 1
    images = torch.arange(len(names)).to(torch.uint8).view(-1, 1, 1, 1)
    scenes = Dataset(
        images.expand(-1, 3, 1, 1), labels, [f"{k}" for k in range(K)], names
    )
    split = Split.random(scenes, labels_per_class, seed=seed)
    return {n: getattr(split, n) for n in ("labeled", "unlabeled", "val", "test")}


def as_lists(*given):
    return {name: index.tolist() for name, index in draw(*given).items()}


def put(part, of):
    """Make a learner's function in which `of` all right parts replaces one part."""

    def wrong(labels, names, labels_per_class, seed):
        parts = draw(labels, names, labels_per_class, seed)
        return parts | {part: of(parts)}

    return wrong


def joined(*names):
    return lambda parts: torch.cat([parts[name] for name in names])


def inside(a, b, yes=True):
    return lambda parts: parts[a][torch.isin(parts[a], parts[b]) == yes]


def as_a_tuple(*given):
    return tuple(draw(*given).values())


def without_val(*given):
    return {k: v for k, v in draw(*given).items() if k != "val"}


def global_torch(labels, names, labels_per_class, seed):
    torch.manual_seed(seed)
    return draw(
        labels, names, labels_per_class, seed,
        shuffle=lambda n, _: torch.randperm(n).tolist(),
    )  # fmt: skip


def never_seeded(labels, names, labels_per_class, seed):
    return draw(
        labels, names, labels_per_class, seed,
        shuffle=lambda n, _: random.sample(range(n), n),
    )  # fmt: skip


def audit(scenes, split):
    return split.audit(scenes).findings


def by_hand(scenes, split):
    found = set()
    training = set(split.labeled.tolist()) | set(split.unlabeled.tolist())
    val, test = set(split.val.tolist()), set(split.test.tolist())
    if training & val or training & test or val & test:
        found.add("overlap")
    side = {**dict.fromkeys(training, "train"), **dict.fromkeys(val, "val")}
    side |= dict.fromkeys(test, "test")
    seen: dict[bytes, int] = {}
    for i in sorted(side):
        key = scenes.images[i].numpy().tobytes()
        j = seen.setdefault(key, i)
        if side[i] != side[j]:
            found.add("twice")
        if scenes.labels[i] != scenes.labels[j]:
            found.add("two labels")
    counts = torch.bincount(scenes.labels[split.labeled], minlength=scenes.num_classes)
    if counts.min() == 0 or counts.max() >= 2 * counts.min():
        found.add("classes")
    return found


def blind_to(*kinds):
    return lambda scenes, split: by_hand(scenes, split) - set(kinds)


def suspects_labeled(scenes, split):
    both = set(split.labeled.tolist()) & set(split.unlabeled.tolist())
    return by_hand(scenes, split) | ({"labeled in pool"} if both else set())


def strict_about_numbers(scenes, split):
    counts = torch.bincount(scenes.labels[split.test])
    return by_hand(scenes, split) | (
        {"unequal"} if counts.unique().numel() > 1 else set()
    )


def only_test(scenes, split):
    overlap = set(split.unlabeled.tolist()) & set(split.test.tolist())
    return by_hand(scenes, split) - {"overlap"} | ({"test"} if overlap else set())


def touches_the_evidence(scenes, split):
    split.test.add_(1)
    return []


RIGHT = {
    "draw_split": [draw, by_library, as_lists],
    "detective": [
        audit,
        by_hand,
        lambda scenes, split: bool(by_hand(scenes, split)),
        lambda scenes, split: sorted(by_hand(scenes, split)),
    ],
}
WRONG = {
    "draw_split": [
        (
            put("unlabeled", joined("unlabeled", "val", "test")),
            "test images are in unlabeled",
        ),
        (put("labeled", joined("labeled", "val")), "val images are in labeled"),
        (put("val", joined("test")), "test images are in val"),
        (
            put("unlabeled", inside("unlabeled", "labeled", False)),
            "belong to the unlabelled pool too",
        ),
        (put("labeled", joined("unlabeled")), "nor all of them (stratified)"),
        (put("labeled", lambda p: p["labeled"][:4]), "neither of all classes together"),
        (lambda *a: draw(*a, test=0.5), "test should hold 25 %"),
        (lambda *a: draw(*a, val=0.4), "val should hold 15 %"),
        (
            put("unlabeled", inside("unlabeled", "labeled")),
            "some images are in no part",
        ),
        (never_seeded, "called twice with the same seed"),
        (lambda *a: draw(*a, always_seed=0), "the seed is not used"),
        (lambda *a: draw(*a, sorted=False), "depends on the order of the files"),
        (global_torch, "global random numbers of torch"),
        (put("test", joined("test", "test")), "each once"),
        (as_a_tuple, "return all four parts by name"),
        (without_val, "came: the keys labeled, unlabeled, test"),
        (put("val", lambda p: p["val"].float()), "give positions of images for val"),
        (put("val", lambda p: p["val"] + 1000), "integers from 0 to N - 1"),
        (put("val", lambda p: torch.tensor([])), "both ends of a slice count"),
    ],
    "detective": [
        (blind_to("overlap"), "`split.test` also in `split.unlabeled`"),
        (only_test, "`split.val` also in a part for training"),
        (blind_to("twice"), "compare the pixels of test and training images"),
        (blind_to("classes"), "does each class occur in each part"),
        (blind_to("two labels"), "within one part, with two labels"),
        (suspects_labeled, "they belong there"),
        (lambda scenes, split: ["something"], "this split is clean"),
        (lambda scenes, split: [], "nothing is found anywhere"),
        (lambda scenes, split: False, "nothing is found anywhere"),
        (strict_about_numbers, "small differences between the classes"),
        (lambda scenes, split: torch.zeros(3), "give a list or set"),
        (lambda scenes: [], "the check calls find_faults(scenes, split)"),
        (touches_the_evidence, "changed its argument"),
    ],
}


# ---- leaky splits


@pytest.mark.parametrize("seed", range(8))
def test_the_audit_finds_each_and_clears_the_honest_one(seed):
    scenes = tiny(120)
    split = Split.random(scenes, labels_per_class=4, seed=seed)
    cases = make_leaky_splits(scenes, split, seed)
    assert [case.name for case in cases] == [f"case {c}" for c in "ABCDEFG"]
    for case in cases:
        found = {f.kind for f in case.split.audit(case.scenes).findings}
        # A picture under two names is also told where it has two labels
        allowed = {case.kind} | ({"same_pixels"} if case.name == "case G" else set())
        assert (case.kind in found) == bool(case.kind), (case.name, found)
        assert found - {""} <= allowed, (case.name, found)
    assert [case.name for case in cases if not case.kind] == ["case D"]


def test_nothing_given_is_changed():
    scenes = tiny(120)
    split = Split.random(scenes, seed=1)
    images = scenes.images.clone()
    parts = {name: getattr(split, name).clone() for name in PARTS}
    make_leaky_splits(scenes, split)
    assert torch.equal(scenes.images, images)
    assert all(torch.equal(getattr(split, name), parts[name]) for name in PARTS)


def test_the_same_seed_plants_the_same():
    scenes = tiny(120)
    split = Split.random(scenes)
    one, two, other = (make_leaky_splits(scenes, split, seed) for seed in (3, 3, 4))
    assert torch.equal(one[0].split.unlabeled, two[0].split.unlabeled)
    assert torch.equal(one[2].scenes.images, two[2].scenes.images)
    assert not torch.equal(one[2].scenes.images, other[2].scenes.images)
