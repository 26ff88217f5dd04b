"""Leaky splits: one fault of each kind, and the library's own audit finds all."""

from dataclasses import replace

import pytest
import torch

from workshop_lib.course.leaky_splits import make_leaky_splits
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.split import PARTS, Split
from workshop_lib.errors import WorkshopError


def some_scenes(size: int = 120) -> Dataset:
    generator = torch.Generator().manual_seed(0)
    shape = (size, 3, 6, 6)
    return Dataset(
        torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator),
        torch.arange(size) % 3,
        ("Forest", "River", "Port"),
        tuple(f"{i}.png" for i in range(size)),
    )


@pytest.mark.parametrize("seed", range(8))
def test_the_audit_finds_each_and_clears_the_honest_one(seed):
    scenes = some_scenes()
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
    scenes = some_scenes()
    split = Split.random(scenes, seed=1)
    images = scenes.images.clone()
    parts = {name: getattr(split, name).clone() for name in PARTS}
    make_leaky_splits(scenes, split)
    assert torch.equal(scenes.images, images)
    assert all(torch.equal(getattr(split, name), parts[name]) for name in PARTS)


def test_the_same_seed_plants_the_same():
    scenes = some_scenes()
    split = Split.random(scenes)
    one, two, other = (make_leaky_splits(scenes, split, seed) for seed in (3, 3, 4))
    assert torch.equal(one[0].split.unlabeled, two[0].split.unlabeled)
    assert torch.equal(one[2].scenes.images, two[2].scenes.images)
    assert not torch.equal(one[2].scenes.images, other[2].scenes.images)


def test_only_an_honest_split_is_taken():
    scenes = some_scenes()
    split = Split.random(scenes)
    with pytest.raises(WorkshopError, match=r"this one has some:\n(.|\n)*overlap"):
        make_leaky_splits(scenes, replace(split, val=split.test))
    for labels in (0, 1):  # all, or too few
        with pytest.raises(WorkshopError, match="at least two labels of each class"):
            make_leaky_splits(scenes, Split.random(scenes, labels_per_class=labels))
