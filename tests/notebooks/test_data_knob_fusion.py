"""The knobs of notebook 07: another world for its trainings, and real pairs of sensors.

The pairs are written here in the layout of BigEarthNet, a folder per patch and in it a
GeoTIFF per band. By default they are made up, and the notebook is run up to its first
training; where the variable WORKSHOP_ARCHIVES names a folder that holds
bigearthnet_s1s2_sample, 30 real ones are taken, and every cell is run.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

pytestmark = pytest.mark.slow
rasterio = pytest.importorskip("rasterio", reason="needs workshop_lib[geo]")

ROOT = Path(__file__).parents[2]
SOLVED = ROOT / "notebooks" / "solutions" / "07_fusion.ipynb"
KNOBS = (
    'DATA = "mini_eo"  # or "mini_eo:7": another world, by the same rules',
    'REAL = ()  # or two folders: ("BigEarthNet-v1.0", "BigEarthNet-S1-v1.0")',
)
S2, S1 = ("B02", "B03", "B04", "B08"), ("VV", "VH")

Pixels = dict[str, NDArray]
Run = Callable[..., list[dict]]


def write_patch(folder: Path, pixels: Pixels, **facts: object) -> None:
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


def sample(folder: Path) -> dict[str, Pixels]:
    arrays = np.load(folder / "benv1_pairs.npz")
    names = pd.read_csv(folder / "benv1_meta.csv").patch_id
    return {n: {b: arrays[f"{n}/{b}"] for b in (*S2, *S1)} for n in names}


def run(run_notebook: Run, place: Path, real: tuple[str, str], before: str = "") -> str:
    """Turn both knobs, run the notebook up to a heading, return all that it prints."""
    notebook = json.loads(SOLVED.read_text(encoding="utf-8"))
    sources = ["".join(cell["source"]) for cell in notebook["cells"]]
    if before:
        (end,) = (k for k, text in enumerate(sources) if text.startswith(before))
        del notebook["cells"][end:]
    knob = notebook["cells"][sources.index("\n".join(KNOBS))]
    knob["source"] = f"DATA = 'mini_eo:7'\nREAL = {real!r}"
    cells = run_notebook(notebook, place / "work")
    for cell in cells:
        assert cell["error"] is None, f"{cell['id']}: {cell['words']}"
        assert not cell["stderr"], f"{cell['id']}: {cell['stderr']}"
    assert len(cells) == sum(c["cell_type"] == "code" for c in notebook["cells"])
    return "".join(o.get("text", "") for cell in cells for o in cell["outputs"])


def test_another_world_and_pairs_of_sensors(tmp_path: Path, run_notebook: Run):
    pairs = write_pairs(tmp_path, made_up())
    said = run(run_notebook, tmp_path, pairs, before="## Late and middle fusion")
    assert "3 real patches; mean of each channel: 0.16, 0.16, " in said


def test_real_pairs(tmp_path: Path, run_notebook: Run):
    archives = os.environ.get("WORKSHOP_ARCHIVES")
    folder = Path(archives or "") / "bigearthnet_s1s2_sample"
    if not archives or not folder.exists():
        pytest.skip("WORKSHOP_ARCHIVES names no folder with bigearthnet_s1s2_sample")
    said = run(run_notebook, tmp_path, write_pairs(tmp_path, sample(folder)))
    assert "30 real patches; mean of each channel: 0.0" in said
    assert "runs/ci/fusion-mini_eo-7/scenes" in said
