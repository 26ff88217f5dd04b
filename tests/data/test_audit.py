"""The audit finds each planted fault, and nothing in an honest split."""

from dataclasses import replace

import pytest
import torch

from workshop_lib.data.scenes import Scenes
from workshop_lib.data.splits import Split


@pytest.fixture
def scenes() -> Scenes:
    generator = torch.Generator().manual_seed(0)
    return Scenes(
        images=torch.randint(
            0, 256, (60, 3, 4, 4), generator=generator, dtype=torch.uint8
        ),
        labels=torch.arange(60) // 20,
        class_names=("Forest", "River", "Port"),
        names=tuple(f"{i}.png" for i in range(60)),
    )


def kinds(split: Split, scenes: Scenes) -> dict[str, str]:
    return {f.kind: f.severity for f in split.audit(scenes).findings}


def copy_pixels(scenes: Scenes, source: int, target: int) -> Scenes:
    images = scenes.images.clone()
    images[target] = images[source]
    return replace(scenes, images=images)


def test_honest_split_has_no_findings(scenes):
    audit = Split.make(scenes).audit(scenes)
    assert audit.ok and audit.findings == ()
    assert str(audit).endswith("nothing found")
    assert Split.make(scenes).with_pool("labeled").audit(scenes).ok


@pytest.mark.parametrize("part", ["labeled", "unlabeled"])
@pytest.mark.parametrize("held_out", ["val", "test"])
def test_overlap(scenes, part, held_out):
    split = Split.make(scenes)
    leaked = getattr(split, held_out)[:2]
    split = replace(split, **{part: torch.cat([getattr(split, part), leaked])})
    audit = split.audit(scenes)
    (found,) = [f for f in audit.findings if f.kind == "overlap"]
    assert not audit.ok
    assert found.indices == tuple(sorted(leaked.tolist()))
    assert part in found.message and held_out in found.message


def test_overlap_of_validation_and_test(scenes):
    split = Split.make(scenes)
    assert kinds(replace(split, val=split.test), scenes) == {"overlap": "error"}


def test_labeled_outside_the_pool(scenes):
    split = Split.make(scenes)
    split = replace(
        split, unlabeled=split.unlabeled[~torch.isin(split.unlabeled, split.labeled)]
    )
    assert kinds(split, scenes) == {"outside_pool": "error"}


def test_an_image_twice(scenes):
    split = Split.make(scenes)
    split = replace(split, test=torch.cat([split.test, split.test[:1]]))
    audit = split.audit(scenes)
    assert [f.kind for f in audit.findings] == ["duplicate_index"]
    assert audit.findings[0].indices == (int(split.test[0]),)


def test_positions_outside(scenes):
    split = replace(Split.make(scenes), val=torch.tensor([-1, 0, 60]))
    (found,) = split.audit(scenes).findings
    assert (found.kind, found.indices) == ("out_of_range", (-1, 60))


def test_missing_class_and_empty_part(scenes):
    split = Split.make(scenes)
    no_port = split.test[scenes.labels[split.test] != 2]
    (found,) = replace(split, test=no_port).audit(scenes).findings
    assert (found.kind, found.severity) == ("missing_class", "error")
    assert "test has no image of Port" in found.message
    assert kinds(replace(split, val=split.val[:0]), scenes) == {
        "missing_class": "error"
    }


def test_imbalance(scenes):
    split = Split.make(scenes)
    few_ports = torch.cat(
        [
            split.test[scenes.labels[split.test] == k][: 5 - 3 * (k == 2)]
            for k in range(3)
        ]
    )
    (found,) = replace(split, test=few_ports).audit(scenes).findings
    assert (found.kind, found.severity) == ("imbalance", "warning")
    assert "5 images of Forest but 2 of Port" in found.message


def test_same_pixels_across_parts_is_a_leak(scenes):
    split = Split.make(scenes)
    a = int(split.unlabeled[scenes.labels[split.unlabeled] == 1][0])
    b = int(split.test[scenes.labels[split.test] == 1][0])
    audit = split.audit(copy_pixels(scenes, a, b))
    (found,) = audit.findings
    assert (found.kind, found.severity, audit.ok) == ("same_pixels", "error", False)
    assert set(found.indices) == {a, b}


def test_same_pixels_within_a_part_is_a_warning(scenes):
    split = Split.make(scenes)
    a, b = split.val[scenes.labels[split.val] == 0][:2].tolist()
    audit = split.audit(copy_pixels(scenes, a, b))
    (found,) = audit.findings
    assert (found.kind, found.severity, audit.ok) == ("same_pixels", "warning", True)


def test_contradicting_labels(scenes):
    split = Split.make(scenes)
    a = int(split.unlabeled[scenes.labels[split.unlabeled] == 0][0])
    b = int(split.unlabeled[scenes.labels[split.unlabeled] == 1][0])
    found = kinds(split, copy_pixels(scenes, a, b))
    assert found == {"same_pixels": "warning", "contradicting_labels": "warning"}


def test_one_different_byte_is_a_different_picture(scenes):
    split = Split.make(scenes)
    copied = copy_pixels(scenes, int(split.val[0]), int(split.test[0]))
    copied.images[split.test[0], 2, 3, 3] ^= 1
    assert split.audit(copied).findings == ()


def test_table_shows_errors_first(scenes):
    split = Split.make(scenes)
    a, b = split.val[scenes.labels[split.val] == 0][:2].tolist()
    split = replace(split, test=torch.cat([split.test, split.test[:1]]))
    lines = str(split.audit(copy_pixels(scenes, a, b))).splitlines()
    assert lines[0].endswith("findings: 2") and "labeled 12" in lines[0]
    assert lines[1].split()[:2] == ["error", "duplicate_index"]
    assert lines[2].split()[:2] == ["warning", "same_pixels"]
