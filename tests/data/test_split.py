"""Splits: honest, balanced, and the same on every machine."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workshop_lib.data.dataset import Dataset
from workshop_lib.data.split import PARTS, Split
from workshop_lib.errors import WorkshopError


def scenes_of(*sizes: int, order: list[int] | None = None) -> Dataset:
    """A dataset with so many images in each class, every picture different."""
    labels = torch.tensor([k for k, n in enumerate(sizes) for _ in range(n)])
    names = [f"class {k}/im {i} é.png" for k, n in enumerate(sizes) for i in range(n)]
    index = torch.tensor(order if order is not None else list(range(len(names))))
    pixels = torch.arange(len(names)).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)
    return Dataset(
        images=(pixels % 251).to(torch.uint8)[index],
        labels=labels[index],
        class_names=tuple(f"class {k}" for k in range(len(sizes))),
        names=tuple(names[i] for i in index.tolist()),
    )


def sets(split: Split) -> dict[str, set[int]]:
    return {name: set(getattr(split, name).tolist()) for name in PARTS}


class_sizes = st.lists(st.integers(10, 40), min_size=1, max_size=5)


@given(class_sizes, st.integers(0, 4), st.integers(0, 10**6))
def test_disjoint_subset_balanced_complete(sizes, labels_per_class, seed):
    scenes = scenes_of(*sizes)
    split = Split.random(scenes, labels_per_class, seed=seed)
    part = sets(split)
    assert part["labeled"] <= part["unlabeled"]
    assert not part["unlabeled"] & part["val"]
    assert not part["unlabeled"] & part["test"]
    assert not part["val"] & part["test"]
    assert part["unlabeled"] | part["val"] | part["test"] == set(range(len(scenes)))
    assert split.counts() == {name: len(part[name]) for name in PARTS}  # no repeats
    labels = scenes.labels
    n = {name: torch.bincount(labels[getattr(split, name)]).tolist() for name in PARTS}
    for k, size in enumerate(sizes):
        assert n["val"][k] == max(1, int(0.15 * size + 0.5))
        assert n["test"][k] == max(1, int(0.25 * size + 0.5))
        assert n["labeled"][k] == (labels_per_class or n["unlabeled"][k])


@given(class_sizes, st.integers(0, 1000), st.randoms(use_true_random=False))
def test_order_of_the_files_does_not_matter(sizes, seed, random):
    order = list(range(sum(sizes)))
    random.shuffle(order)
    one, two = scenes_of(*sizes), scenes_of(*sizes, order=order)
    a, b = Split.random(one, seed=seed), Split.random(two, seed=seed)
    for name in PARTS:
        in_one = [one.names[i] for i in getattr(a, name).tolist()]
        assert in_one == [two.names[i] for i in getattr(b, name).tolist()]
    assert a.digest(one) == b.digest(two)


def test_known_split_on_every_machine():
    scenes = scenes_of(10, 10)
    split = Split.random(scenes, labels_per_class=2, seed=0)
    names = [scenes.names[i] for i in split.labeled.tolist()]
    assert names == LABELED_OF_SEED_0


def test_seeds_differ():
    scenes = scenes_of(30, 30)
    found = {tuple(Split.random(scenes, seed=s).labeled.tolist()) for s in range(20)}
    assert len(found) == 20


def test_more_labels_keep_the_rest():
    scenes = scenes_of(40, 40)
    few, many = Split.random(scenes, 2, seed=3), Split.random(scenes, 20, seed=3)
    assert sets(few)["labeled"] < sets(many)["labeled"]
    assert torch.equal(few.test, many.test) and torch.equal(few.val, many.val)


def test_too_few_images_say_how_many_there_are():
    scenes = scenes_of(100, 20)
    with pytest.raises(WorkshopError) as caught:
        Split.random(scenes, labels_per_class=40)
    assert str(caught.value) == (
        "labels_per_class=40 but class 'class 1' has only 12 training images: use at"
        " most 12."
    )
    assert Split.random(scenes, labels_per_class=12).counts()["labeled"] == 24


@pytest.mark.parametrize("size", [0, 1, 2])
def test_class_too_small_for_three_parts(size):
    with pytest.raises(WorkshopError, match="'class 1' has too few images"):
        Split.random(scenes_of(10, size), labels_per_class=1)


@pytest.mark.parametrize(
    "wish",
    [
        {"val": 0.0},
        {"test": 1.0},
        {"val": 0.5, "test": 0.5},
        {"val": float("nan")},
        {"labels_per_class": -1},
        *[{"label_fraction": fraction} for fraction in (0.0, -0.1, 1.1, float("nan"))],
    ],
)
def test_impossible_wishes(wish):
    with pytest.raises(WorkshopError, match=next(iter(wish))):
        Split.random(scenes_of(20, 20), **wish)


def test_pools():
    split = Split.random(scenes_of(20, 20))
    assert split.unlabeled_from("all") is split
    control = split.unlabeled_from("labeled")
    assert torch.equal(control.unlabeled, split.labeled)
    assert torch.equal(control.test, split.test)
    with pytest.raises(WorkshopError, match="unknown source .* 'none'"):
        split.unlabeled_from("none")


@settings(max_examples=20)
@given(class_sizes, st.integers(0, 1000))
def test_saved_and_loaded(tmp_path_factory, sizes, seed):
    folder = tmp_path_factory.mktemp("split")
    scenes = scenes_of(*sizes)
    split = Split.random(scenes, seed=seed)
    split.save(folder, scenes)
    back = Split.load(folder, scenes)
    assert all(torch.equal(getattr(split, p), getattr(back, p)) for p in PARTS)
    assert back.seed == seed
    assert len(list(folder.iterdir())) == 5


def saved(tmp_path):
    scenes = scenes_of(10, 10)
    Split.random(scenes, 2).save(tmp_path, scenes)
    return scenes


def test_files_are_readable_and_state_the_facts(tmp_path):
    scenes = saved(tmp_path)
    first = (tmp_path / "labeled.txt").read_text(encoding="utf-8").splitlines()[0]
    name, _, label = first.rpartition(" ")
    assert scenes.labels[scenes.names.index(name)] == int(label)
    facts = json.loads((tmp_path / "split.json").read_text(encoding="utf-8"))
    assert facts["counts"]["labeled"] == 4
    assert facts["class_names"] == ["class 0", "class 1"]
    assert len(facts["sha256"]) == 64


def test_found_by_name_when_images_were_added_or_reordered(tmp_path):
    scenes = saved(tmp_path)
    before = [scenes.names[i] for i in Split.load(tmp_path, scenes).test.tolist()]
    more = scenes_of(12, 10, order=list(reversed(range(22))))
    after = [more.names[i] for i in Split.load(tmp_path, more).test.tolist()]
    assert before == after


def test_line_ends_of_another_system_do_not_matter(tmp_path):
    scenes = saved(tmp_path)
    for part in PARTS:
        path = tmp_path / f"{part}.txt"
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert Split.load(tmp_path, scenes).counts()["labeled"] == 4


def test_names_may_hold_other_line_separators(tmp_path):
    scenes = scenes_of(4, 4)
    odd = tuple(f"{name}\x85\u2028 1" for name in scenes.names)
    scenes = Dataset(scenes.images, scenes.labels, scenes.class_names, odd)
    Split.random(scenes, 1).save(tmp_path, scenes)
    assert Split.load(tmp_path, scenes).counts()["labeled"] == 2


def drop_a_line(folder):
    path = folder / "val.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))


def change_a_label(folder):
    path = folder / "test.txt"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[0] = lines[0][:-1] + ("0" if lines[0].endswith("1") else "1")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (drop_a_line, "vouches for"),
        (change_a_label, "vouches for"),
        (lambda f: (f / "test.txt").unlink(), "test.txt"),
        (lambda f: (f / "split.json").unlink(), "split.json"),
        (lambda f: (f / "split.json").write_text("{"), "cannot read"),
        (lambda f: (f / "split.json").write_text("{}"), "cannot read"),
        (lambda f: (f / "val.txt").write_text("other.png 0\n"), r"\(other.png\)"),
        (lambda f: (f / "val.txt").write_bytes(b"\xff\n"), "cannot read"),
    ],
)
def test_changed_files_do_not_load(tmp_path, spoil, words):
    scenes = saved(tmp_path)
    spoil(tmp_path)
    with pytest.raises(WorkshopError, match=words):
        Split.load(tmp_path, scenes)


def test_other_scenes_do_not_load(tmp_path):
    scenes = saved(tmp_path)
    with pytest.raises(WorkshopError, match="not in these scenes"):
        Split.load(tmp_path, scenes.subset(list(range(9))))
    with pytest.raises(WorkshopError, match="but these scenes have"):
        Split.load(tmp_path, scenes_of(10, 10, 10))
    moved = Dataset(scenes.images, 1 - scenes.labels, scenes.class_names, scenes.names)
    with pytest.raises(WorkshopError, match="moved to another class"):
        Split.load(tmp_path, moved)


def test_a_split_of_more_images_is_not_saved(tmp_path):
    split = Split.random(scenes_of(10, 10))
    with pytest.raises(WorkshopError, match="outside the 6 images"):
        split.save(tmp_path, scenes_of(3, 3))
    assert list(tmp_path.iterdir()) == []


def test_digest_sees_every_part():
    scenes = scenes_of(10, 10)
    split = Split.random(scenes)
    digests = {split.digest(scenes)}
    for part in PARTS:
        shorter = {p: getattr(split, p)[(1 if p == part else 0) :] for p in PARTS}
        digests.add(Split(**shorter).digest(scenes))
    assert len(digests) == 5


# By the stated rule, from Python's hashlib alone.
LABELED_OF_SEED_0 = [
    "class 0/im 4 é.png",
    "class 1/im 7 é.png",
    "class 1/im 9 é.png",
    "class 0/im 2 é.png",
]
