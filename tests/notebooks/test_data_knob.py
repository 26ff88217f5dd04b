"""The data knobs: notebooks 02 to 08 on other images than their own.

A learner changes one cell. So do these tests, and nothing else: to a small folder of
images (02 to 06), to another world of MiniEO and pairs of Sentinel-2 and Sentinel-1
(07), and to images without masks (08). Where the environment variable WORKSHOP_ARCHIVES
names a folder with the archives of UC Merced and EuroSAT, all of their images are taken
for 02 to 06 too, which needs a quarter of an hour on two cores.
"""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

pytestmark = pytest.mark.slow

SOLUTIONS = Path(__file__).parents[2] / "notebooks" / "solutions"
NAMES = sorted(p.name for p in SOLUTIONS.glob("0[2-6]_*.ipynb"))
ARCHIVES = {"ucm": "UCMerced_LandUse.zip", "eurosat": "EuroSAT_RGB.zip"}
FOLDER = 'DATA = "mini_eo"  # or "ucm", "eurosat", or the path of a folder per class'
SENSORS = """\
DATA = "mini_eo"  # or "mini_eo:7": another world, by the same rules
REAL = ()  # or two folders: ("BigEarthNet-v1.0", "BigEarthNet-S1-v1.0")"""
MASKS = 'DATA = "mini_eo"  # or "mini_eo:7": other land, as any number; see above'
S2, S1 = ("B02", "B03", "B04", "B08"), ("VV", "VH")

Pixels = dict[str, NDArray]
Run = Callable[..., list[dict]]


def turned(name: str, knob: str, new: str) -> dict:
    """Read a notebook, and change the cell of the knob."""
    notebook = json.loads((SOLUTIONS / name).read_text(encoding="utf-8"))
    sources = ["".join(cell["source"]) for cell in notebook["cells"]]
    assert sources.count(knob) == 1, f"{name}: one cell, that holds nothing else"
    notebook["cells"][sources.index(knob)]["source"] = new
    return notebook


@pytest.fixture
def run_quietly(run_notebook: Run) -> Callable[[dict, Path], str]:
    """Gives `run(notebook, work)`: every cell runs and none complains; what it says."""

    def run(notebook: dict, work: Path) -> str:
        cells = run_notebook(notebook, work)
        for cell in cells:
            assert cell["error"] is None, f"{cell['id']}: {cell['words']}"
            assert not cell["stderr"], f"{cell['id']}: {cell['stderr']}"
        assert len(cells) == sum(c["cell_type"] == "code" for c in notebook["cells"])
        return "".join(o.get("text", "") for cell in cells for o in cell["outputs"])

    return run


def archives(name: str) -> Path:
    folder = os.environ.get("WORKSHOP_ARCHIVES")
    if not folder or not (Path(folder) / name).exists():
        pytest.skip(f"WORKSHOP_ARCHIVES={folder} names no folder with {name}")
    return Path(folder) / name


# ---- 02 to 06: a folder per class


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all: the later notebooks find the runs of the earlier ones."""
    return tmp_path_factory.mktemp("knob")


@pytest.fixture(scope="module")
def own_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of 24, 30 and 36 images, told apart by colour and grain."""
    folder = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    for k, name in enumerate(("forest", "harbor", "parking lot")):
        (folder / name).mkdir()
        for i in range(24 + 6 * k):
            coarse = rng.normal(0, 30, (10 * (k + 1), 12 * (k + 1), 3))
            grain = np.kron(coarse, np.ones((6 // (k + 1), 6 // (k + 1), 1)))
            tint = np.roll([60, 100, 140], k) + rng.normal(0, 15, 3)
            pixels = (tint + grain).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


def test_there_are_five_notebooks_with_this_knob():
    assert [name[:2] for name in NAMES] == ["02", "03", "04", "05", "06"]


@pytest.mark.parametrize("name", NAMES)
def test_own_folder(name: str, place: Path, own_images: Path, run_quietly):
    notebook = turned(name, FOLDER, f"DATA = {own_images.as_posix()!r}")
    said = run_quietly(notebook, place / "own" / "work")
    assert re.search(r"labeled 12,|12 labelled|12 of 90 images are labelled", said)


@pytest.mark.parametrize("data", ARCHIVES)
@pytest.mark.parametrize("name", NAMES)
def test_archive(name: str, data: str, place: Path, run_quietly):
    archive = archives(ARCHIVES[data])
    notebook = turned(name, FOLDER, f"DATA = {archive.as_posix()!r}")
    run_quietly(notebook, place / data / "work")


# ---- 07: another world, and pairs in the layout of BigEarthNet


def write_patch(folder: Path, pixels: Pixels, **facts: object) -> None:
    """Write a folder per patch and in it a GeoTIFF per band."""
    rasterio = pytest.importorskip("rasterio", reason="needs workshop_lib[geo]")
    folder.mkdir(parents=True)
    for band, values in pixels.items():
        size = {"height": 120, "width": 120, "dtype": values.dtype}
        place = rasterio.Affine(10, 0, 643_200, 0, -10, 5_798_040)
        about = {"driver": "GTiff", "count": 1, "crs": "EPSG:32629", **size}
        path = folder / f"{folder.name}_{band}.tif"
        with rasterio.open(path, "w", transform=place, **about) as file:
            file.write(values, 1)
    text = json.dumps(facts)
    (folder / f"{folder.name}_labels_metadata.json").write_text(text)


def write_pairs(place: Path, pairs: dict[str, Pixels]) -> tuple[str, str]:
    """Write Sentinel-2 and Sentinel-1 of each place into two folders."""
    for k, (name, pixels) in enumerate(pairs.items()):
        labels = {"labels": ["Pastures"], "acquisition_date": "2017-06-17 11:33:21"}
        write_patch(place / "s2" / name, {b: pixels[b] for b in S2}, **labels)
        radar = place / "s1" / f"S1A_IW_GRDH_{k}"
        write_patch(radar, {b: pixels[b] for b in S1}, corresponding_s2_patch=name)
    return (place / "s2").as_posix(), (place / "s1").as_posix()


def made_up() -> dict[str, Pixels]:
    rng = np.random.default_rng(0)
    names = [f"S2A_MSIL2A_20170617T113321_36_{k}" for k in range(3)]
    light = {b: rng.integers(200, 3000, (120, 120)).astype(np.uint16) for b in S2}
    radar = {b: rng.normal(-12, 4, (120, 120)).astype(np.float32) for b in S1}
    return {name: {**light, **radar} for name in names}


def fusion(real: tuple[str, str]) -> dict:
    knobs = f"DATA = 'mini_eo:7'\nREAL = {real!r}"
    return turned("07_fusion.ipynb", SENSORS, knobs)


def test_another_world_and_pairs_of_sensors(tmp_path: Path, run_quietly):
    """Up to the first training."""
    notebook = fusion(write_pairs(tmp_path, made_up()))
    sources = ["".join(cell["source"]) for cell in notebook["cells"]]
    (end,) = (k for k, s in enumerate(sources) if s.startswith("## Late and middle"))
    del notebook["cells"][end:]
    said = run_quietly(notebook, tmp_path / "work")
    assert "3 real patches; mean of each channel: 0.16, 0.16, " in said


# ---- 08: images without masks are refused


def test_images_without_masks_are_refused(tmp_path: Path, run_notebook: Run):
    rng = np.random.default_rng(0)
    for name in ("forest", "harbor"):
        (tmp_path / "own" / name).mkdir(parents=True)
        for k in range(20):
            pixels = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "own" / name / f"{k}.png")
    own = (tmp_path / "own").as_posix()
    notebook = turned("08_segmentation.ipynb", MASKS, f"DATA = {own!r}")
    last = run_notebook(notebook, tmp_path / "work")[-1]
    assert last["error"] == "AssertionError"
    assert last["words"] == "these images have no masks: see above"
