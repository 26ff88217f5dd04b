"""The audit finds each planted fault, and nothing in an honest split."""

from dataclasses import replace

import pytest
import torch

from tests.scenes import dataset
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.split import Split

CLASSES = ("Forest", "River", "Port")


@pytest.fixture
def scenes() -> Dataset:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (60, 3, 4, 4), generator=generator).byte()
    return dataset(images, torch.arange(60) // 20, CLASSES)


def kinds(split: Split, scenes: Dataset) -> dict[str, str]:
    return {f.kind: f.severity for f in split.audit(scenes).findings}


def first(scenes, index, label, count=1):
    """The first images of a class in a part."""
    return index[scenes.labels[index] == label][:count].tolist()


def copy_pixels(scenes: Dataset, source: int, target: int) -> Dataset:
    images = scenes.images.clone()
    images[target] = images[source]
    return replace(scenes, images=images)


def test_honest_split_has_no_findings(scenes):
    audit = Split.random(scenes).audit(scenes)
    assert audit.ok and audit.findings == ()
    assert str(audit).endswith("nothing found")
    assert Split.random(scenes).unlabeled_from("labeled").audit(scenes).ok


@pytest.mark.parametrize("part", ["labeled", "unlabeled"])
@pytest.mark.parametrize("held_out", ["val", "test"])
def test_overlap(scenes, part, held_out):
    split = Split.random(scenes)
    leaked = getattr(split, held_out)[:2]
    split = replace(split, **{part: torch.cat([getattr(split, part), leaked])})
    audit = split.audit(scenes)
    (found,) = [f for f in audit.findings if f.kind == "overlap"]
    assert not audit.ok
    assert found.indices == tuple(sorted(leaked.tolist()))
    assert part in found.message and held_out in found.message


def few_ports(split: Split, scenes: Dataset) -> torch.Tensor:
    kinds = scenes.labels[split.test]
    return torch.cat([split.test[kinds == k][: 5 - 3 * (k == 2)] for k in range(3)])


@pytest.mark.parametrize(
    ("plant", "kind", "severity", "words"),
    [
        (lambda s, _: {"val": s.test}, "overlap", "error", "in both val and test"),
        (
            lambda s, _: {"unlabeled": s.unlabeled[1:], "labeled": s.unlabeled},
            "outside_unlabeled", "error", "1 images labeled but not among unlabeled",
        ),
        (
            lambda s, _: {"test": torch.cat([s.test, s.test[:1]])},
            "duplicate_index", "error", "1 images twice in test",
        ),
        (
            lambda *_: {"val": torch.tensor([-1, 0, 60])},
            "out_of_range", "error", "2 images outside 0 to 59",
        ),
        (
            lambda s, scenes: {"test": s.test[scenes.labels[s.test] != 2]},
            "missing_class", "error", "test has no image of Port",
        ),
        (lambda s, _: {"val": s.val[:0]}, "missing_class", "error", "Forest, River"),
        (
            lambda s, scenes: {"test": few_ports(s, scenes)},
            "imbalance", "warning", "5 images of Forest but 2 of Port",
        ),
    ],
)  # fmt: skip
def test_a_planted_fault_is_the_only_finding(scenes, plant, kind, severity, words):
    split = Split.random(scenes)
    audit = replace(split, **plant(split, scenes)).audit(scenes)
    (found,) = audit.findings
    assert (found.kind, found.severity) == (kind, severity) and words in found.message
    assert audit.ok == (severity == "warning")


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [  # part and class of an image, and of its copy
        (("unlabeled", 1), ("test", 1), {"same_pixels": "error"}),
        (("val", 0), ("val", 0), {"same_pixels": "warning"}),
        (
            ("unlabeled", 0),
            ("unlabeled", 1),
            {"same_pixels": "warning", "contradicting_labels": "warning"},
        ),
    ],
)
def test_same_pixels(scenes, one, other, found):
    split = Split.random(scenes)
    (part, k), (its_part, its_class) = one, other
    a = first(scenes, getattr(split, part), k)[0]
    b = first(scenes, getattr(split, its_part), its_class, 2)[-1]
    copied = copy_pixels(scenes, a, b)
    assert kinds(split, copied) == found
    audit = split.audit(copied)
    assert all(set(one.indices) == {a, b} for one in audit.findings)
    assert audit.ok == ("error" not in found.values())


@pytest.fixture
def landscapes() -> Dataset:
    """Thirty smooth landscapes of 32 x 32, large enough to be told apart."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(30, 3, 12, 12, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=32, mode="bilinear")
    return dataset((255 * smooth).byte(), torch.arange(30) // 10, CLASSES)


def near_copy(scenes: Dataset, source: int, target: int) -> Dataset:
    images = scenes.images.clone()
    images[target] = (0.8 * images[source].float() + 20).to(torch.uint8)
    return replace(scenes, images=images)


def test_the_same_ground_across_parts_is_a_leak(landscapes):
    split = Split.random(landscapes, 1)
    assert split.audit(landscapes).findings == ()
    a = first(landscapes, split.unlabeled, 1)[0]
    b = first(landscapes, split.test, 1)[0]
    copied = near_copy(landscapes, a, b)
    (found,) = split.audit(copied).findings
    assert (found.kind, found.severity) == ("near_duplicate", "error")
    assert set(found.indices) == {a, b}
    assert split.audit(copied, near_duplicates=False).findings == ()


def test_the_same_ground_in_one_part_is_no_fault_unless_labels_differ(landscapes):
    split = Split.random(landscapes, 1)
    of = [split.unlabeled[landscapes.labels[split.unlabeled] == k] for k in range(2)]
    assert split.audit(near_copy(landscapes, int(of[0][0]), int(of[0][1]))).ok
    audit = split.audit(near_copy(landscapes, int(of[0][0]), int(of[1][0])))
    assert [f.kind for f in audit.findings] == ["contradicting_labels"]
    assert "the same ground, two labels" in audit.findings[0].message and audit.ok


def test_an_unknown_label_contradicts_nothing(landscapes):
    split = Split.random(landscapes, 1)
    a, b = split.unlabeled[:2].tolist()
    labels = landscapes.labels.clone()
    labels[b] = -1
    split = replace(split, labeled=split.labeled[split.labeled != b])
    copied = replace(near_copy(landscapes, a, b), labels=labels)
    assert "contradicting_labels" not in kinds(split, copied)


def test_places_that_are_too_close(landscapes):
    split = Split.random(landscapes, 1)
    lat = torch.linspace(40, 49, 30)  # 35 km apart
    lat[split.test[0]] = lat[split.unlabeled[0]] + 0.005  # 0.56 km
    metadata = {"lat": lat, "lon": torch.full((30,), 8.0)}
    scenes = replace(landscapes, metadata=metadata)
    (found,) = split.audit(scenes).findings
    assert (found.kind, found.severity) == ("spatial_neighbours", "warning")
    assert found.indices == (int(split.test[0]),)
    assert "1 of 9 images of test are within 1 km" in found.message
    assert split.audit(scenes, neighbour_km=0.5).findings == ()
    assert split.audit(scenes, neighbour_km=0).findings == ()
    assert len(split.audit(scenes, neighbour_km=400).findings) == 2


def test_coordinates_that_are_not_all_known_are_told(landscapes):
    lat = torch.linspace(40, 49, 30)
    lat[3] = float("nan")
    scenes = replace(landscapes, metadata={"lat": lat, "lon": torch.zeros(30)})
    (found,) = Split.random(scenes, 1).audit(scenes).findings
    assert (found.kind, found.severity) == ("unknown_coordinates", "warning")
    assert "1 of 30 images" in found.message


def test_several_labels_are_counted_each():
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([[1, 1, 0], [1, 0, 1]] * 12)
    images = torch.randint(0, 256, (24, 3, 4, 4), generator=generator).byte()
    scenes = dataset(images, labels, "abc")
    split = Split.random(scenes, 2)
    assert {f.kind for f in split.audit(scenes).findings} <= {"imbalance"}
    no_c = split.test[labels[split.test][:, 2] == 0]
    assert "missing_class" in kinds(replace(split, test=no_c), scenes)


def test_table_shows_errors_first(scenes):
    split = Split.random(scenes)
    a, b = first(scenes, split.val, 0, 2)
    split = replace(split, test=torch.cat([split.test, split.test[:1]]))
    lines = str(split.audit(copy_pixels(scenes, a, b))).splitlines()
    assert lines[0].endswith("findings: 2") and "labeled 12" in lines[0]
    assert lines[1].split()[:2] == ["error", "duplicate_index"]
    assert lines[2].split()[:2] == ["warning", "same_pixels"]
