"""The `data` knob: every kind of data that it may name, and what it must not."""

import warnings
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from workshop_lib.data.load import describe_data, load_dataset
from workshop_lib.errors import WorkshopError
from workshop_lib.recipe import Recipe


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
    recipe = Recipe(data=str(form(folder)), size=4)
    assert describe_data(recipe) == (3, 3, 2)
    scenes = load_dataset(recipe)
    assert scenes.images.shape == (3, 3, 4, 4)
    assert scenes.names == ("Forest/a.png", "River/b c.png", "River/d.png")
    assert scenes.labels.tolist() == [0, 1, 1]


def test_bands_of_the_embedded_set():
    recipe = Recipe(data="mini_eo:3", bands="B11, B04")
    assert describe_data(recipe)[1] == 2
    with pytest.raises(WorkshopError, match="band 'B99'"):
        load_dataset(recipe.with_(bands="B99"))


def test_geotiffs_are_read_as_reflectance(tmp_path):
    rasterio = pytest.importorskip("rasterio", reason="needs workshop_lib[geo]")
    for scene in ("a", "b"):
        path = tmp_path / "d" / scene / "x.tif"
        path.parent.mkdir(parents=True)
        about = {"driver": "GTiff", "count": 5, "height": 4, "width": 4}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with rasterio.open(path, "w", dtype="uint16", **about) as file:
                file.write(np.full((5, 4, 4), 1000, np.uint16))
                file.descriptions = ("B01", "B02", "B03", "B04", "B05")
    recipe = Recipe(data=str(tmp_path / "d"), size=4)
    assert describe_data(recipe) == (2, 5, 2)
    scenes = load_dataset(recipe.with_(bands="B04,B02"))
    assert scenes.bands == ("B04", "B02")
    assert torch.equal(scenes.images, torch.full((2, 2, 4, 4), 0.1))


def test_pictures_have_no_bands_to_choose(folder):
    with pytest.raises(WorkshopError, match="bands='B04'.*pictures"):
        load_dataset(Recipe(data=str(folder), bands="B04"))


@pytest.mark.parametrize("name", ["nowhere", "images.csv", "mini"])
def test_what_is_no_data(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images.csv").write_text("a,b\n")
    for call in (load_dataset, describe_data):
        with pytest.raises(WorkshopError, match=f"data='{name}'.*give one of these"):
            call(Recipe(data=name))
    with pytest.raises(WorkshopError, match="whole number"):
        load_dataset(Recipe(data="mini_eo:x"))
