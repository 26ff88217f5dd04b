"""Splits that keep groups, blocks and regions whole; distances on the round Earth."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.data.test_split import sets
from tests.scenes import dataset
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.places import EARTH_KM, block_numbers, coordinates, nearest_km
from workshop_lib.data.split import PARTS, Split
from workshop_lib.errors import WorkshopError

SIDES = ("unlabeled", "val", "test")


def scenes_of(labels, metadata=None, classes=None) -> Dataset:
    labels = torch.as_tensor(labels)
    count = classes or (labels.shape[1] if labels.ndim == 2 else int(labels.max()) + 1)
    pixels = torch.zeros(len(labels), 3, 2, 2, dtype=torch.uint8)
    names = [f"class {k}" for k in range(count)]
    return dataset(pixels, labels, names, metadata=metadata or {})


def somewhere(count: int, seed: int = 0, classes: int = 3) -> Dataset:
    """Images over a few hundred kilometres, classes mixed."""
    g = torch.Generator().manual_seed(seed)
    return scenes_of(
        torch.randint(0, classes, (count,), generator=g),
        {
            "lat": 50 + 4 * torch.rand(count, generator=g),
            "lon": 10 + 6 * torch.rand(count, generator=g),
            "region": torch.randint(0, 5, (count,), generator=g).float(),
        },
        classes,
    )


def is_honest(split: Split) -> bool:
    part = sets(split)
    return part["labeled"] <= part["unlabeled"] and not (
        part["unlabeled"] & part["val"]
        or part["unlabeled"] & part["test"]
        or part["val"] & part["test"]
    )


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), min_size=60, max_size=90),
    st.integers(0, 1000),
)
def test_groups_stay_whole(images, seed):
    labels = [k for k, _ in images]
    groups = [g for _, g in images]
    assume(all(len({g for k, g in images if k == c}) >= 6 for c in range(3)))
    scenes = scenes_of(labels, classes=3)
    split = Split.random(scenes, 1, seed=seed, groups=groups)
    assert is_honest(split)
    part = sets(split)
    assert set().union(*(part[s] for s in SIDES)) == set(range(len(scenes)))
    for a in SIDES:
        for b in SIDES:
            if a != b:
                assert not {groups[i] for i in part[a]} & {groups[i] for i in part[b]}
    for s in SIDES:
        assert {labels[i] for i in part[s]} == {0, 1, 2}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(10, 40), min_size=1, max_size=4), st.integers(0, 1000))
def test_images_that_are_their_own_groups_meet_the_shares_exactly(sizes, seed):
    scenes = scenes_of([k for k, n in enumerate(sizes) for _ in range(n)])
    split = Split.random(scenes, seed=seed, groups=torch.arange(len(scenes)))
    plain = Split.random(scenes, seed=seed)
    for s in PARTS:
        counts = [scenes.labels[getattr(p, s)].bincount() for p in (split, plain)]
        assert torch.equal(*counts)


def test_order_and_numbers_of_groups_do_not_matter():
    scenes = somewhere(120)
    groups = torch.arange(120) % 17
    order = torch.randperm(120, generator=torch.Generator().manual_seed(1))
    other = scenes.subset(order)
    a = Split.random(scenes, groups=groups)
    b = Split.random(other, groups=(1000 - 7 * groups)[order])
    for part in PARTS:
        names = [scenes.names[i] for i in getattr(a, part).tolist()]
        assert names == [other.names[i] for i in getattr(b, part).tolist()]


def test_a_class_in_too_few_groups_is_named():
    labels = [0] * 30 + [1] * 10
    groups = [*range(30), *([30] * 5), *([31] * 5)]
    with pytest.raises(WorkshopError, match=r"'class 1' has too few .* \(10, none for"):
        Split.random(scenes_of(labels), groups=groups)
    with pytest.raises(WorkshopError, match="39 group numbers for 40 images"):
        Split.random(scenes_of(labels), groups=groups[:-1])
    with pytest.raises(WorkshopError, match="39 group numbers for 40 images"):
        Split.random(scenes_of(labels), groups=[math.nan, *groups[1:]])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.floats(20, 80))
def test_blocks_stay_whole(seed, km):
    scenes = somewhere(300, seed)
    split = Split.by_block(scenes, block_km=km, seed=seed)
    assert is_honest(split)
    blocks = block_numbers(coordinates(scenes.metadata), km)
    of = [{blocks[i] for i in getattr(split, s).tolist()} for s in SIDES]
    assert not of[0] & of[1] and not of[0] & of[2] and not of[1] & of[2]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.floats(0, 15))
def test_the_gap_is_kept(seed, gap):
    scenes = somewhere(400, seed)
    split = Split.by_block(scenes, 80.0, gap, labels_per_class=1, seed=seed)
    assert is_honest(split)
    at = [coordinates(scenes.metadata)[getattr(split, s).numpy()] for s in SIDES]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert nearest_km(at[a], at[b]).min() >= gap
    if gap == 0:
        assert sum(len(one) for one in at) == 400


def test_regions_of_the_test_are_unknown_to_the_others():
    scenes = somewhere(300)
    region = scenes.metadata["region"]
    split = Split.by_region(scenes, test=[4], val=[2, 3])
    assert is_honest(split)
    assert set(region[split.test].tolist()) == {4}
    assert set(region[split.val].tolist()) == {2, 3}
    assert set(region[split.unlabeled].tolist()) == {0, 1}
    assert sum(len(getattr(split, s)) for s in SIDES) == 300


def test_validation_may_come_from_the_regions_of_training():
    scenes = somewhere(300)
    region = scenes.metadata["region"]
    split = Split.by_region(scenes, test=[0], val=0.2)
    assert is_honest(split)
    assert set(region[split.val].tolist()) == {1, 2, 3, 4}
    rest = scenes.labels[region != 0].bincount()
    for k in range(3):
        assert int((scenes.labels[split.val] == k).sum()) == int(0.2 * rest[k] + 0.5)


NAN = math.nan
BLOCKS = [  # metadata; None for places at random
    (None, {"buffer_km": -1.0}, "buffer_km"),
    (None, {"buffer_km": NAN}, "buffer_km"),
    (None, {"buffer_km": math.inf}, "buffer_km"),
    (None, {"block_km": 5000}, "different places"),
    *[(None, {"block_km": km}, "block_km") for km in (0, -1, NAN)],
    ({"region": torch.zeros(2)}, {}, "no coordinates.*it has region"),
    ({}, {}, "no coordinates.*it has none"),
    ({"lat": torch.tensor([1, NAN]), "lon": torch.zeros(2)}, {}, "1 of 2 images have"),
    ({"lat": torch.full((2,), 5.5e6), "lon": torch.zeros(2)}, {}, "not metres of a"),
]
REGIONS = [
    ({"test": [9]}, "test regions .9. .* give different ones of 0, 1, 2, 3, 4"),
    ({"test": []}, "at least one for the test"),
    ({"test": [1], "val": [1]}, "give different ones"),
    ({"test": [1], "key": "country"}, "unknown metadata 'country'"),
    ({"test": [1], "val": 1.5}, "val=1.5"),
]


@pytest.mark.parametrize(("metadata", "options", "words"), BLOCKS)
def test_impossible_blocks(metadata, options, words):
    scenes = somewhere(100) if metadata is None else scenes_of([0, 1], metadata)
    with pytest.raises(WorkshopError, match=words):
        Split.by_block(scenes, **options)


@pytest.mark.parametrize(("wish", "words"), REGIONS)
def test_impossible_regions(wish, words):
    with pytest.raises(WorkshopError, match=words):
        Split.by_region(somewhere(200), **wish)


@settings(max_examples=40)
@given(
    st.lists(st.integers(10, 60), min_size=1, max_size=4),
    st.floats(0.01, 1.0),
    st.integers(0, 1000),
)
def test_a_share_of_the_training_images_is_labeled(sizes, share, seed):
    scenes = scenes_of([k for k, n in enumerate(sizes) for _ in range(n)])
    split = Split.random(scenes, seed=seed, label_fraction=share)
    labeled = scenes.labels[split.labeled].bincount(minlength=len(sizes)).tolist()
    room = scenes.labels[split.unlabeled].bincount(minlength=len(sizes)).tolist()
    for n, of in zip(labeled, room, strict=True):
        assert n == max(1, int(share * of + 0.5))


@settings(max_examples=40)
@given(st.integers(0, 30), st.integers(0, 1000))
def test_images_without_a_class_only_join_the_unlabeled(unknown, seed):
    scenes = scenes_of([0, 1] * 15 + [-1] * unknown, classes=2)
    split = Split.random(scenes, 2, seed=seed)
    known = Split.random(scenes.subset(list(range(30))), 2, seed=seed)
    for part in ("labeled", "val", "test"):
        assert torch.equal(getattr(split, part), getattr(known, part))
    assert len(split.unlabeled) == len(known.unlabeled) + unknown
    assert Split.random(scenes, 0, seed=seed).counts()["labeled"] == 18


@settings(max_examples=25)
@given(st.integers(0, 10**6))
def test_several_labels_go_by_the_rarest(seed):
    rng = np.random.default_rng(seed)
    labels = (rng.random((120, 5)) < np.array([0.9, 0.5, 0.4, 0.3, 0.2])).astype(int)
    labels[0] = 0  # nothing known of this one
    scenes = scenes_of(torch.from_numpy(labels))
    split = Split.random(scenes, 2, seed=seed)
    assert is_honest(split)
    count = labels.sum(0)
    rarest = [
        min(np.flatnonzero(r), key=lambda k: count[k], default=-1) for r in labels
    ]
    if 0 in split.unlabeled.tolist():
        assert rarest[0] == -1 and 0 not in split.labeled.tolist()
    for k in set(rarest) - {-1}:
        n = {s: sum(rarest[i] == k for i in getattr(split, s).tolist()) for s in PARTS}
        assert n["labeled"] == 2
        assert n["test"] == max(1, int(0.25 * rarest.count(k) + 0.5))
    for part in PARTS:  # the rare classes are everywhere
        assert labels[getattr(split, part).numpy()][:, [3, 4]].sum(0).min() > 0


def test_several_labels_are_saved_and_loaded(tmp_path):
    labels = torch.tensor([[1, 0, 1], [0, 1, 0]] * 20)
    scenes = scenes_of(labels)
    split = Split.random(scenes, 2)
    split.save(tmp_path, scenes)
    back = Split.load(tmp_path, scenes)
    assert all(torch.equal(getattr(split, p), getattr(back, p)) for p in PARTS)
    lines = (tmp_path / "test.txt").read_text().splitlines()
    assert {line.rpartition(" ")[2] for line in lines} == {"0,2", "1"}


place = st.tuples(st.floats(-85, 85), st.floats(-179, 179))


def haversine(a, b):
    """The formula from the books, for one pair."""
    (la, lo), (lb, lp) = (map(math.radians, p) for p in (a, b))
    h = (
        math.sin((lb - la) / 2) ** 2
        + math.cos(la) * math.cos(lb) * math.sin((lp - lo) / 2) ** 2
    )
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(h)))


@settings(max_examples=25, deadline=None)  # the first imports scikit-learn
@given(st.lists(place, max_size=6), st.lists(place, min_size=1, max_size=6))
def test_nearest_is_the_least_distance_by_the_formula(some, others):
    found = nearest_km(np.array(some).reshape(-1, 2), np.array(others))
    expected = [min(haversine(a, b) for b in others) for a in some]
    assert found == pytest.approx(expected, abs=0.01)


def test_blocks_are_as_wide_in_the_north_as_on_the_equator():
    for lat in (0.1, 60.1):
        degree = 111.195 * math.cos(math.radians(lat))  # km to the east
        east = np.arange(0, 300, 1.0) / degree
        numbers = block_numbers(np.stack([np.full(300, lat), east], axis=1), 50.0)
        assert len(set(numbers)) in (6, 7)
