"""The splits that come with the library: whole, honest, drawn by the stated rule."""

import functools
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.predefined_splits import PLANS, draw, names_in, pack
from workshop_lib.data import split_files
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.split import PARTS, Split
from workshop_lib.errors import WorkshopError

DATA = Path(__file__).parents[3] / "shared" / "data"
SIZES = {"ucm": (2100, 21, 840, 210, 1050), "eurosat": (27000, 10, 16200, 5400, 5400)}


read_once = functools.cache(split_files.read_predefined)


def rows(name: str, path: str) -> list[str]:
    return read_once(name)[path].splitlines()


def scenes_of(name: str, ending: str = ".jpg", wrapped: str = "") -> Dataset:
    """Build scenes without the images, from the names that the files list."""
    lines = [r for p in ("train", "val", "test") for r in rows(name, f"seed0/{p}.txt")]
    pairs = sorted((r.rpartition(" ")[0], int(r.rpartition(" ")[2])) for r in lines)
    classes = sorted({image.split("/")[0] for image, _ in pairs})
    names = [f"{wrapped}{image}{ending}" for image, _ in pairs]
    return Dataset.without_pixels(names, torch.tensor([k for _, k in pairs]), classes)


@pytest.mark.parametrize("name", SIZES)
def test_files_are_disjoint_balanced_and_complete(name):
    total, classes, *sizes = SIZES[name]
    texts = split_files.read_predefined(name)
    assert len(texts) == 5 * (3 + len(split_files.LABELS))
    tests = set()
    for seed in split_files.SEEDS:
        part = {
            p: set(rows(name, f"seed{seed}/{p}.txt")) for p in ("train", "val", "test")
        }
        assert [len(part[p]) for p in ("train", "val", "test")] == sizes
        assert len(part["train"] | part["val"] | part["test"]) == total
        before: set[str] = set()
        for labels in split_files.LABELS:
            labeled = set(rows(name, f"seed{seed}/labeled_{labels}.txt"))
            assert before < labeled <= part["train"]
            counts = torch.tensor(
                [int(r.rpartition(" ")[2]) for r in labeled]
            ).bincount()
            assert counts.tolist() == [labels] * classes
            before = labeled
        for pair in PLANS[name].together:
            on = [
                {p for p in part if any(f"/{i} " in r for r in part[p])} for i in pair
            ]
            assert on[0] == on[1] and len(on[0]) == 1
        tests.add(frozenset(part["test"]))
    assert len(tests) == 5


@pytest.mark.parametrize("labels", [0, 2, 4, 25, 40])
def test_found_in_the_scenes_whatever_ending_and_order(labels):
    jpg, tif = scenes_of("ucm"), scenes_of("ucm", ".tif", "UCMerced_LandUse/Images/")
    tif = tif.subset(torch.arange(2099, -1, -1))
    a, b = (Split.predefined(s, "ucm", labels, seed=2) for s in (jpg, tif))
    for part in PARTS:
        names = [jpg.names[i].removesuffix(".jpg") for i in getattr(a, part).tolist()]
        others = [tif.names[i] for i in getattr(b, part).tolist()]
        assert names == [
            "/".join(n.split("/")[-2:]).removesuffix(".tif") for n in others
        ]
    assert a.counts()["labeled"] == 21 * labels or labels == 0
    assert a.counts()["unlabeled"] == 840 and a.seed == 2
    assert jpg.labels[a.labeled[:42]].unique().numel() > 10  # mixed, not sorted


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("ucmerced", {}, "unknown predefined split 'ucmerced'.*Did you mean 'ucm'"),
        ("ucm", {"labels_per_class": 5}, "labels_per_class=5, seed=0: ucm comes with"),
        ("ucm", {"seed": 5}, "seeds 0 to 4"),
    ],
)
def test_unknown_predefined_splits(name, options, words):
    with pytest.raises(WorkshopError, match=words):
        Split.predefined(scenes_of("ucm"), name, **options)


def test_scenes_that_do_not_fit():
    scenes = scenes_of("ucm")
    with pytest.raises(WorkshopError, match="are not in these scenes"):
        Split.predefined(scenes.subset(list(range(2099))), "ucm")
    with pytest.raises(WorkshopError, match="another class number"):
        Split.predefined(replace(scenes, labels=20 - scenes.labels), "ucm")


@pytest.mark.parametrize(
    ("name", "checksum"),
    [
        ("ucm", "ba024a62f40fe7e766354887243c685c02c2fc14f8911d5134245dcd9e48c55c"),
        ("eurosat", "1f3e48ea31ccf5bab072939b08a7ae6980fe0b74532913e1b3b70011b6193e51"),
    ],
)
def test_they_never_change(name, checksum):
    text = json.dumps(sorted(split_files.read_predefined(name).items()))
    assert hashlib.sha256(text.encode()).hexdigest() == checksum


@pytest.mark.parametrize(
    "name", ["ucm", pytest.param("eurosat", marks=pytest.mark.slow)]
)
def test_drawn_again_they_are_the_same(name):
    archive = DATA / PLANS[name].archive
    if not archive.exists():
        pytest.skip(f"{archive.name} is not beside the checkout")
    texts = draw(names_in(archive), PLANS[name])
    assert texts == split_files.read_predefined(name)
    assert pack(texts) == pack(texts)
