"""The layout of ben-ge: modalities, facts, land cover; what is missing is marked."""

import math
import os
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from tests.data.read.files import write_map, write_patch
from workshop_lib.data.load import describe, load_dataset
from workshop_lib.data.metadata import KOPPEN, known_metadata, metadata_vector
from workshop_lib.data.read.ben_ge_patches import COVER_CODES, ben_ge, is_ben_ge
from workshop_lib.data.read.bigearthnet_patches import S1_BANDS
from workshop_lib.data.samples import known_sensors, sensors_of
from workshop_lib.errors import WorkshopError
from workshop_lib.pixels import IGNORE
from workshop_lib.settings import DataConfig

rasterio = pytest.importorskip("rasterio", reason="needs workshop_lib[geo]")

LABELS = (["Pastures"], ["Sea and ocean"])
CODES = tuple(COVER_CODES)


def flat(value, kind=np.uint16, side=120):
    return np.full((side, side), value, kind)


def name_of(k):
    return f"S2A_MSIL2A_20170617T113321_{k}_85"


def patch(root, k, *, s1=True, dem=True, cover=True, bands=("B02", "B04")):
    """Write one patch whose numbers follow from k."""
    name = name_of(k)
    write_patch(
        root / "sentinel-2",
        name,
        {band: flat(1000 + 10 * k) for band in bands},
        labels=LABELS[k % 2],
        acquisition_date=f"2017-{1 + k % 12:02d}-15 11:33:21",
    )
    if s1:
        level = {b: flat(-10.0 - k - 7 * i, np.float32) for i, b in enumerate(S1_BANDS)}
        twin = f"S1A_IW_GRDH_1SDV_{100 - k}"  # in the other order
        write_patch(root / "sentinel-1", twin, level, corresponding_s2_patch=name)
    if dem:
        write_map(root / "dem" / f"{name}_dem.tif", flat(100 * k - 50, np.int16))
    if cover:
        codes = flat(CODES[k % len(CODES)], np.uint8)
        codes[:, :60] = 40
        write_map(root / "cover" / name / f"{name}_esaworldcover.tif", codes)
    return name


def tables(root, count):
    """The tables of the data set, rows in another order."""
    ids = [name_of(k) for k in range(count)]
    weather = {
        "relhumidity_s2": np.arange(count) + 50.0,
        "temperature_s2": np.arange(count) + 280.5,
        "temperature_s1": [0.0] * count,
    }
    meta = {
        "season_s2": np.linspace(0, 1, count),
        "season_s1": [0.5] * count,
        "climatezone": [26 + k % 2 for k in range(count)],
    }
    for name, content in {"meta": meta, "era-5": weather}.items():
        table = pd.DataFrame({"patch_id": ids[::-1], **content}).iloc[::-1]
        table.to_csv(root / f"ben-ge-800_{name}.csv", index=False)


def few(root, **more):
    """Three patches: a whole one, one with nothing, one with a map of gaps."""
    patch(root, 0)
    patch(root, 1, s1=False, dem=False, cover=False)
    patch(root, 2)
    gappy = flat(5, np.int16)
    gappy[3, 4] = -32768
    write_map(root / "dem" / f"{name_of(2)}_dem.tif", gappy, nodata=-32768)
    return root


def test_everything_is_where_it_belongs(tmp_path):
    for k in range(3):
        patch(tmp_path, k)
    tables(tmp_path, 3)
    scenes = ben_ge(tmp_path, bands=("B04", "B02"))
    assert scenes.names == tuple(name_of(k) for k in range(3))
    assert scenes.images.shape == (3, 2, 120, 120) and scenes.bands == ("B04", "B02")
    assert scenes.images[:, 1, 5, 5].tolist() == pytest.approx([0.1, 0.101, 0.102])
    s1, dem = scenes.modalities["s1"], scenes.modalities["dem"]
    assert s1[:, :, 9, 9].tolist() == [[-10, -17], [-11, -18], [-12, -19]]
    assert dem.shape == (3, 1, 120, 120)
    assert dem[:, 0, 7, 7].tolist() == [-50, 50, 150]  # metres, not divided
    assert scenes.mask_names[:2] == ("trees", "shrubland") and len(COVER_CODES) == 11
    assert scenes.masks[:, 0, 100].tolist() == [0, 1, 2]
    assert (scenes.masks[:, :, :60] == scenes.mask_names.index("cropland")).all()
    assert scenes.multi_label and scenes.labels.sum(1).tolist() == [1, 1, 1]
    facts = scenes.metadata
    assert facts["day_of_year"].tolist() == [15, 46, 74]
    assert facts["season"].tolist() == [1.0, 0.5, 0.0]  # rows in another order
    assert facts["climate_zone"].tolist() == [26, 27, 26]
    assert facts["weather"].tolist() == [[282.5, 52], [281.5, 51], [280.5, 50]]
    assert facts["has_s1"].tolist() == facts["has_dem"].tolist() == [1, 1, 1]
    assert 50 < float(facts["lat"][0]) < 55
    assert known_sensors(scenes) == ["s2", "s1", "dem", "cover"]
    assert {"season_onehot", "climate", "weather", "place"} <= set(
        known_metadata(scenes.metadata)
    )
    zones = metadata_vector(scenes, ["climate"])  # (3, zones)
    assert [KOPPEN[k] for k in zones.argmax(1)] == ["Dfb", "Dfc", "Dfb"]


def test_what_a_patch_lacks_is_a_mask_not_a_crash(tmp_path):
    few(tmp_path)
    scenes = ben_ge(tmp_path, bands=("B02",), size=30)
    assert len(scenes) == 3
    assert scenes.metadata["has_s1"].tolist() == [1, 0, 1]
    assert scenes.metadata["has_dem"].tolist() == [1, 0, 0]  # gaps count as missing
    assert (scenes.masks[1] == IGNORE).all() and (scenes.masks[0] != IGNORE).all()
    for name, missing in {
        "s2": [False, False, False],
        "s1": [False, True, False],
        "dem": [False, True, True],
        "cover": [False, True, False],
    }.items():  # an image has every value of a sensor, or none
        gone = sensors_of(scenes, [name])[name].isnan().flatten(1)
        assert gone.all(1).tolist() == gone.any(1).tolist() == missing


def test_tables_may_lack_patches_values_and_be_missing(tmp_path):
    few(tmp_path)
    rows = {"patch_id": [name_of(0), name_of(2)], "climatezone": [27, 0]}
    pd.DataFrame(rows).to_csv(tmp_path / "a.csv", index=False)
    pd.DataFrame({"elsewhere": [1]}).to_csv(tmp_path / "b.csv", index=False)
    facts = ben_ge(tmp_path, bands=("B02",)).metadata
    zone = facts["climate_zone"].tolist()
    assert zone[0] == 27 and math.isnan(zone[1]) and math.isnan(zone[2])
    assert "weather" not in facts
    # Of the date all know how much of a summer it is
    assert facts["season"].tolist() == pytest.approx([0.14, 0.31, 0.46], abs=0.01)


def test_a_folder_with_sentinel_2_alone(tmp_path):
    patch(tmp_path, 0, s1=False, dem=False, cover=False)
    (tmp_path / "sentinel-1").mkdir()
    scenes = ben_ge(tmp_path, bands=("B02",))
    assert scenes.modalities == {} and scenes.masks is None
    assert not [name for name in scenes.metadata if name.startswith("has_")]


def test_land_cover_is_not_blended_where_it_is_resized(tmp_path):
    name = patch(tmp_path, 0)
    codes = np.where(np.indices((120, 120)).sum(0) // 8 % 2, 10, 100).astype(np.uint8)
    codes[:5] = 0  # no data
    write_map(tmp_path / "cover" / name / f"{name}_esaworldcover.tif", codes)
    masks = ben_ge(tmp_path, bands=("B02",), size=48).masks
    assert set(masks.unique().tolist()) == {0, 10, IGNORE}


def test_a_change_is_noticed(tmp_path):
    name = patch(tmp_path, 0)
    ben_ge(tmp_path, bands=("B02",))
    path = tmp_path / "dem" / f"{name}_dem.tif"
    write_map(path, flat(7, np.int16))
    os.utime(path, ns=(1, 1))  # whatever the clock's grain
    assert float(ben_ge(tmp_path, bands=("B02",)).modalities["dem"].mean()) == 7
    path.unlink()
    assert "dem" not in ben_ge(tmp_path, bands=("B02",)).modalities
    shutil.rmtree(tmp_path / "cover")
    assert ben_ge(tmp_path, bands=("B02",)).masks is None


def test_one_error_lists_what_is_damaged(tmp_path):
    root = few(tmp_path)
    write_map(
        root / "cover" / name_of(0) / f"{name_of(0)}_esaworldcover.tif",
        flat(37, np.uint8),
    )
    (root / "dem" / f"{name_of(2)}_dem.tif").write_bytes(b"no tif")
    with pytest.raises(WorkshopError) as caught:
        ben_ge(root, bands=("B02",))
    text = str(caught.value)
    assert text.startswith("2 problems") and name_of(2) in text
    assert f"{name_of(0)}: codes that ESA WorldCover does not have: [37]" in text
    kept = ben_ge(root, bands=("B02",), on_error="skip")
    assert kept.names == (name_of(1),)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (f"patch_id,lat\n{name_of(0)},1\n{name_of(0)},0\n", "duplicate labels"),
        (f"patch_id,climatezone\n{name_of(0)},Dfx\n", "could not convert.*Dfx"),
        ('patch_id,season_s2\n"', "EOF"),
    ],
)
def test_tables_that_are_damaged_are_told(tmp_path, text, word):
    patch(tmp_path, 0)
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    with pytest.raises(WorkshopError, match=f"cannot read .*t.csv.*{word}"):
        ben_ge(tmp_path, bands=("B02",))


def test_other_folders_are_no_ben_ge(tmp_path):
    assert not is_ben_ge(tmp_path) and not is_ben_ge("mini_eo")


def test_a_config_describes_and_loads_it(tmp_path):
    for k in range(9):
        patch(tmp_path, k, s1=k % 5 != 0, dem=k % 7 != 0, cover=k % 3 != 0)
    tables(tmp_path, 9)
    data = DataConfig(name=str(tmp_path), size=8, bands="B02,B04")
    found, count = describe(data)
    assert count == 9 and found.bands == ("B02", "B04")
    scenes = load_dataset(str(tmp_path), size=8, bands="B02,B04")
    assert torch.equal(scenes.images, found.images)
    assert scenes.images.shape == (9, 2, 8, 8) and scenes.masks.shape == (9, 8, 8)


def test_it_is_found_by_its_name_where_get_puts_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKSHOP_DATA", str(tmp_path / "data"))
    root = tmp_path / "data" / "ben_ge" / "patches" / "ben-ge-800"
    for k in range(2):
        patch(root, k)
    scenes = load_dataset("ben_ge", size=8, bands="B02")
    assert list(sensors_of(scenes, ["s1", "s2"])) == ["s1", "s2"]
    assert scenes.mask_names == tuple(COVER_CODES.values())
