"""Data by name: every kind that a config may name, what it must not, and its split."""

import shutil
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from tests.data.read.files import write_tif
from workshop_lib.config import Config
from workshop_lib.data import load
from workshop_lib.data.load import describe, load_dataset, make_split, open_data
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.settings import DataConfig


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "images"
    for value, name in enumerate(("Forest/a.png", "River/b c.png", "River/d.png")):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 9, 3), value, np.uint8)).save(path)
    return root


def zipped(folder):
    path = folder.with_suffix(".ZIP")
    with zipfile.ZipFile(path, "w") as file:
        for image in folder.rglob("*.png"):
            file.write(image, image.relative_to(folder.parent))
    return path


def named(folder):
    path = folder / "names.txt"
    rows = (f"{p.relative_to(folder)} {p.parent.name}\n" for p in folder.rglob("*.png"))
    path.write_text("".join(rows))
    return path


@pytest.mark.parametrize("form", [lambda folder: folder, zipped, named])
def test_folder_archive_and_names_give_the_same(folder, form):
    name = str(form(folder))
    scenes = load_dataset(name, size=4)
    assert scenes.images.shape == (3, 3, 4, 4)
    assert scenes.names == ("Forest/a.png", "River/b c.png", "River/d.png")
    assert scenes.labels.tolist() == [0, 1, 1]


def test_a_few_images_of_each_class_describe_a_folder(folder):
    for k in range(5):
        shutil.copy(folder / "River/d.png", folder / "River" / f"e{k}.png")
    few, count = describe(DataConfig(name=str(folder), size=4))
    assert count == 8 and few.names == ("Forest/a.png", "River/b c.png", "River/d.png")
    assert few.images.shape == (3, 3, 4, 4) and few.class_names == ("Forest", "River")


def test_the_embedded_set_is_described_by_a_few_images_with_all_sensors():
    few, count = describe(DataConfig(name="mini_eo:3", size=32, bands="B11, B04"))
    assert count == 4000 and len(few) < 20
    assert few.images.shape[1:] == (2, 32, 32) and few.bands == ("B11", "B04")
    assert few.num_classes == 10 and few.masks is not None
    assert {"s1", "dem"} <= set(few.modalities)


def test_bands_are_a_list_or_a_text(monkeypatch):
    monkeypatch.setattr(load, "MINI_EO_COUNT", 20)
    texts = load_dataset(size=32, bands="B11, B04")
    names = load_dataset(size=32, bands=("B11", "B04"))
    assert texts.bands == ("B11", "B04") and torch.equal(texts.images, names.images)
    with pytest.raises(WorkshopError, match="band 'B99'"):
        load_dataset(bands="B99")


def test_geotiffs_are_read_as_reflectance(tmp_path):
    pixels, names = np.full((5, 4, 4), 1000, np.uint16), ("B01", "B02", "B03", "B04")
    for scene in ("a", "b"):
        write_tif(tmp_path / "d" / scene / "x.tif", pixels, (*names, "B05"))
    few, count = describe(DataConfig(name=str(tmp_path / "d"), size=4))
    assert count == 2 and len(few.bands) == 5
    scenes = load_dataset(str(tmp_path / "d"), size=4, bands="B04,B02")
    assert scenes.bands == ("B04", "B02")
    assert torch.equal(scenes.images, torch.full((2, 2, 4, 4), 0.1))


def test_pictures_have_no_bands_to_choose(folder):
    with pytest.raises(WorkshopError, match="bands='B04'.*pictures"):
        load_dataset(str(folder), bands="B04")


@pytest.mark.parametrize("name", ["nowhere", "images.tsv", "mini"])
def test_what_is_no_data(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images.tsv").write_text("a,b\n")
    for call in (load_dataset, lambda name: describe(DataConfig(name=name))):
        with pytest.raises(WorkshopError, match=f"data='{name}'.*give one of these"):
            call(name)
    with pytest.raises(WorkshopError, match="whole number"):
        load_dataset("mini_eo:x")


def test_a_public_set_of_another_layout_names_the_way(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("vaihingen", "landsat", "bigearthnet"):
        with pytest.raises(WorkshopError, match=f"`workshop data {name}`"):
            load_dataset(name)
    with pytest.raises(WorkshopError, match="workshop data ben_ge get"):
        load_dataset("ben_ge")


@pytest.fixture
def mini(monkeypatch):
    monkeypatch.setattr(load, "MINI_EO_COUNT", 600)
    return load_dataset(size=32)


def test_the_split_is_the_one_that_the_config_describes(mini, tmp_path):
    def same(one: Split, other: Split) -> bool:
        return one.digest(mini) == other.digest(mini)

    data = DataConfig(labels_per_class=2, split_seed=3)
    drawn = make_split(mini, data)
    assert same(drawn, Split.random(mini, 2, seed=3))
    block = DataConfig(split="block", block_km=80, buffer_km=40, labels_per_class=2)
    found = make_split(mini, block)
    assert same(found, Split.by_block(mini, 80, 40, labels_per_class=2))
    assert not same(found, Split.by_block(mini, 80, labels_per_class=2))
    region = DataConfig(split="region", test_regions=(4,), labels_per_class=1)
    found = make_split(mini, region)
    assert set(mini.metadata["region"][found.test].tolist()) == {4}
    assert same(found, Split.by_region(mini, (4,), labels_per_class=1))
    with pytest.raises(WorkshopError, match=r"'mini_eo'.*known are eurosat, ucm"):
        make_split(mini, DataConfig(split="predefined"))
    with pytest.raises(WorkshopError, match="Did you mean 'random'"):
        make_split(mini, DataConfig(split="ramdom"))

    config = Config(data=data)
    dataset, again = open_data(config)
    assert dataset.names == mini.names and same(again, drawn)
    found.save(tmp_path / "parts", mini)
    assert same(open_data(config, tmp_path / "parts")[1], found)
