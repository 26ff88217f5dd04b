"""`workshop map`: from a run and an image to a map, or to a message that helps."""

import numpy as np
import pytest
import torch

from workshop_lib import cli
from workshop_lib.data.read.large_image import ArrayImage
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.data.tiles import Tile, cut_scenes
from workshop_lib.recipe import Recipe
from workshop_lib.training.loop import train

BANDS = ("B04", "B08")
NAMES = ("water", "forest")


def run(*args):
    return cli.main([str(arg) for arg in args])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of two steps, and the image it was cut from."""
    folder = tmp_path_factory.mktemp("trained")
    draw = np.random.default_rng(0)
    mask = np.zeros((96, 96), np.uint8)
    mask[:, 48:] = 1
    image = draw.random((2, 96, 96), dtype=np.float32) / 10 + mask / np.float32(2)
    scenes = cut_scenes(
        [Tile("scene", ArrayImage(image), ArrayImage(mask))], NAMES, size=16, block=24,
        overlap_factor=1, bands=BANDS,
    )  # fmt: skip
    split = Split.random(scenes, 0, groups=scenes.metadata["block"])
    recipe = Recipe(
        task="segment", method="supervised", model="unet-4", size=16, steps=30,
        batch_size=4, eval_every=30, data="scene", lr=0.01,
    )  # fmt: skip
    train(recipe, scenes, split, folder=folder / "run", verbose=False)
    np.save(folder / "scene.npy", image)
    return folder, image, mask


def test_a_map_with_the_share_of_each_class(trained, tmp_path, capsys):
    folder, _, mask = trained
    out = tmp_path / "map.npy"
    assert run("map", folder / "run", folder / "scene.npy", out) == 0
    said = capsys.readouterr().out
    found = np.load(out)
    assert found.shape == (96, 96) and (found == mask).mean() > 0.9
    for k, name in enumerate(NAMES):
        (line,) = (line for line in said.splitlines() if line.startswith(name))
        assert line.split()[1].replace(",", "") == str((found == k).sum())
    assert run("map", folder / "run", folder / "scene.npy", out) == 0
    assert "found a finished map" in capsys.readouterr().out


def test_bands_of_a_geotiff_are_found_by_name(trained, tmp_path):
    rasterio = pytest.importorskip("rasterio", reason="needs workshop_lib[geo]")
    folder, image, _ = trained
    where = rasterio.transform.from_origin(500_000, 4_000_000, 10, 10)
    layers = np.stack([image[1], np.zeros_like(image[0]), image[0]])
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", count=3, height=96, width=96,
        dtype="float32", crs="EPSG:32632", transform=where,
    ) as file:  # fmt: skip
        file.write(layers)
        file.descriptions = ("B08", "B02", "B04")
    assert run("map", folder / "run", tmp_path / "a.tif", tmp_path / "map.tif") == 0
    assert run("map", folder / "run", folder / "scene.npy", tmp_path / "m.npy") == 0
    with rasterio.open(tmp_path / "map.tif") as file:
        assert file.transform == where
        assert np.array_equal(file.read(1), np.load(tmp_path / "m.npy"))


def test_what_cannot_be_mapped_is_told(trained, tmp_path, capsys):
    folder, image, _ = trained
    np.save(tmp_path / "picture.npy", (255 * image).clip(0, 255).astype(np.uint8))
    scenes = Scenes(
        torch.rand(24, 2, 16, 16), torch.arange(24) % 2, NAMES,
        tuple(map(str, range(24))), BANDS,
    )  # fmt: skip
    recipe = Recipe(method="supervised", size=16, steps=1, eval_every=1)
    train(recipe, scenes, Split.random(scenes, 2), folder=tmp_path / "c", verbose=False)
    out = tmp_path / "map.npy"
    for words, args in (
        ("was trained on reflectances", (folder / "run", tmp_path / "picture.npy")),
        ("train with --task segment", (tmp_path / "c", folder / "scene.npy")),
        ("there is no image", (folder / "run", tmp_path / "none.tif")),
        ("is not a finished run", (tmp_path, folder / "scene.npy")),
    ):
        assert run("map", *args, out) == 2
        assert words in capsys.readouterr().err
    assert not out.exists()
