"""BigEarthNet's folders of bands: one grid, several labels, Sentinel-1 beside."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.data.read.files import SAMPLE, write_map, write_patch, write_sample
from workshop_lib.data.load import load_dataset, make_split
from workshop_lib.data.read.bigearthnet_patches import (
    CLASSES_19,
    CLASSES_43,
    S1_BANDS,
    S2_BANDS,
    TO_19,
    bigearthnet,
)
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.settings import DataConfig

rasterio = pytest.importorskip("rasterio", reason="needs workshop_lib[geo]")
warp = pytest.importorskip("rasterio.warp")

SIDES = {"B01": 20, "B09": 20, "B02": 120, "B03": 120, "B04": 120, "B08": 120}
NAMES = ("S2A_MSIL2A_20170617T113321_36_85", "S2B_MSIL2A_20180204T94160_57_38")


def s2_pixels(value=100):
    return {
        band: np.full((SIDES.get(band, 60),) * 2, value + k, np.uint16)
        for k, band in enumerate(S2_BANDS)
    }


def patches(root):
    for i, name in enumerate(NAMES):
        write_patch(
            root / "s2",
            name,
            s2_pixels(1000 * i + 100),
            labels=[["Pastures", "Airports"], ["Sea and ocean", "Rice fields"]][i],
            acquisition_date=["2017-06-17 11:33:21", "2018-02-04 9:41:06"][i],
        )
        level = {"VV": -10.0 - i, "VH": -20.0 - i}
        write_patch(
            root / "s1",
            f"S1A_IW_GRDH_1SDV_2017061{9 - i}T0_29UPU_{i}",  # in the other order
            {b: np.full((120, 120), v, np.float32) for b, v in level.items()},
            labels=[],
            corresponding_s2_patch=name,
        )
    return root


def test_every_band_on_one_grid_in_the_order_asked_for(tmp_path):
    root = patches(tmp_path)
    scenes = bigearthnet(root / "s2")
    assert scenes.images.shape == (2, 12, 120, 120) and scenes.bands == S2_BANDS
    expected = (100 + torch.arange(12)) / 10_000
    torch.testing.assert_close(scenes.images[0, :, 60, 60], expected)
    some = bigearthnet(root / "s2", bands=("B12", "B02"), size=30)
    assert some.images.shape == (2, 2, 30, 30)
    assert some.images[0, :, 0, 0].tolist() == pytest.approx([0.0111, 0.0101])


def test_coarse_bands_are_resampled_not_shifted(tmp_path):
    root = patches(tmp_path)
    ramp = np.tile(np.arange(20, dtype=np.uint16) * 60 + 30, (20, 1))
    write_map(root / "s2" / NAMES[0] / f"{NAMES[0]}_B01.tif", ramp)
    image = bigearthnet(root / "s2", bands=("B01",)).images[0, 0] * 10_000
    inner = image[60, 3:117]  # within half a coarse pixel of the border it is flat
    expected = torch.arange(120)[3:117] * 10.0 + 5
    torch.testing.assert_close(inner, expected, atol=0.01, rtol=0)


def test_labels_become_the_19_classes(tmp_path):
    found = bigearthnet(patches(tmp_path) / "s2")
    assert found.multi_label and found.labels.shape == (2, 19)
    pairs = found.labels.nonzero().tolist()
    names = sorted((i, found.class_names[k]) for i, k in pairs)
    assert names == [(0, "Pastures"), (1, "Arable land"), (1, "Marine waters")]


def test_sentinel_1_belongs_to_its_patch(tmp_path):
    root = patches(tmp_path)
    scenes = bigearthnet(root / "s2", s1=root / "s1", bands=("B02",))
    assert scenes.modalities["s1"].shape == (2, len(S1_BANDS), 120, 120)
    assert scenes.modalities["s1"][:, :, 0, 0].tolist() == [[-10, -20], [-11, -21]]
    assert scenes.images.shape[1] == 1


def test_place_and_day(tmp_path):
    scenes = bigearthnet(patches(tmp_path) / "s2", bands=("B05",))
    assert scenes.metadata["day_of_year"].tolist() == [168, 35]
    (lon,), (lat,) = warp.transform("EPSG:32629", "EPSG:4326", [643_800], [5_797_440])
    assert scenes.metadata["lat"].tolist() == pytest.approx([lat] * 2)
    assert scenes.metadata["lon"].tolist() == pytest.approx([lon] * 2)


def test_all_43_classes(tmp_path):
    found = bigearthnet(patches(tmp_path) / "s2", bands=("B05",), classes=CLASSES_43)
    rows = [[found.class_names[k] for k in row.nonzero()] for row in found.labels]
    assert found.num_classes == 43
    assert list(map(sorted, rows)) == [
        ["Airports", "Pastures"], ["Rice fields", "Sea and ocean"]
    ]  # fmt: skip


@pytest.mark.parametrize("inside", ["", "sentinel-2/BigEarthNet-v1.0"])
def test_a_folder_of_patches_is_loaded_and_split_by_published_lists(tmp_path, inside):
    place = tmp_path / "ben" / inside
    for k in range(16):
        labels = [["Pastures"], ["Sea and ocean"]][k // 2 % 2]
        given = {"labels": labels, "acquisition_date": "2017-06-17 11:33:21"}
        write_patch(place, f"S2A_{k:02d}", {"B02": s2_pixels()["B02"]}, **given)
    for part, numbers in (("train", range(8)), ("val", (8, 10)), ("test", (12, 14))):
        rows = "".join(f"S2A_{k:02d},S1A_{k:02d}\n" for k in numbers)
        (tmp_path / f"ben/bigearthnet-{part}.csv").write_text(rows)
    (tmp_path / "ben/patches_with_seasonal_snow.csv").write_text("S2A_03\n")
    data = DataConfig(
        name=str(tmp_path / "ben"), size=8, bands="B02", split="predefined",
        labels_per_class=1,
    )  # fmt: skip
    scenes = load_dataset(data.name, data.size, data.bands)
    assert len(scenes) == 16 and scenes.metadata["day_of_year"].unique() == 168
    split = make_split(scenes, data)
    parts = (split.unlabeled, split.val, split.test)
    assert [sorted(part.tolist()) for part in parts] == [
        [0, 1, 2, 4, 5, 6, 7], [8, 10], [12, 14]
    ]  # fmt: skip
    assert len(split.labeled) == 2
    half = make_split(scenes, replace(data, label_fraction=0.5))
    assert scenes.labels[half.labeled].sum(dim=0).max() == 2
    with pytest.raises(WorkshopError, match="no class in all three"):
        make_split(scenes.subset(range(8)), data)


def test_one_error_lists_every_offender(tmp_path):
    root = patches(tmp_path)
    good = json.loads(
        (root / "s2" / NAMES[0] / f"{NAMES[0]}_labels_metadata.json").read_text()
    )
    write_patch(root / "s2", "S2A_no_band", {"B02": s2_pixels()["B02"]}, **good)
    (root / "s2" / "S2A_empty").mkdir()
    with pytest.raises(WorkshopError) as caught:
        bigearthnet(root / "s2", s1=root / "s1")
    text = str(caught.value)
    assert text.startswith("2 problems")
    assert "S2A_no_band: " in text and "S2A_empty: " in text
    assert bigearthnet(root / "s2", s1=root / "s1", on_error="skip").names == NAMES


def test_a_change_in_one_band_is_noticed(tmp_path):
    root = patches(tmp_path)
    bigearthnet(root / "s2", s1=root / "s1")
    path = root / "s2" / NAMES[0] / f"{NAMES[0]}_B02.tif"
    write_map(path, np.full((120, 120), 7, np.uint16))
    scenes = bigearthnet(root / "s2", s1=root / "s1")
    assert float(scenes.images[0, 1, 0, 0]) == pytest.approx(7e-4)
    radar = next((root / "s1").glob("*/*_VV.tif"))
    write_map(radar, np.full((120, 120), 3, np.float32))
    again = bigearthnet(root / "s2", s1=root / "s1")
    assert 3.0 in again.modalities["s1"][:, 0, 0, 0].tolist()


def test_wrong_calls(tmp_path):
    with pytest.raises(WorkshopError, match="no folders S2"):
        bigearthnet(tmp_path)
    with pytest.raises(WorkshopError, match="band 'B10'"):
        bigearthnet(tmp_path, bands=("B10",))


def test_the_nomenclature_adds_up():
    assert (len(TO_19), len(CLASSES_19)) == (43, 19)
    assert sum(name is None for name in TO_19.values()) == 11


@pytest.mark.skipif(not SAMPLE.exists(), reason="no sample beside the checkout")
def test_real_patches_come_through_unchanged(tmp_path):
    facts, arrays = write_sample(tmp_path / "s2", tmp_path / "s1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scenes = bigearthnet(tmp_path / "s2", s1=tmp_path / "s1")
    assert set(scenes.names) == set(facts.patch_id)
    for i, name in enumerate(scenes.names):
        row = facts[facts.patch_id == name].iloc[0]
        present = {scenes.class_names[k] for k in scenes.labels[i].nonzero().flatten()}
        assert present == set(row.labels19.split("|"))
        fine = arrays[f"{name}/B03"].astype(np.float32) / 10_000
        assert np.array_equal(scenes.images[i, 2].numpy(), fine)
        vh = arrays[f"{name}/VH"]
        assert np.array_equal(scenes.modalities["s1"][i, 1].numpy(), vh)
        coarse = arrays[f"{name}/B09"] / 10_000  # (20, 20), each 6x6 pixels of 10 m
        mean = scenes.images[i, 9].reshape(20, 6, 20, 6).mean((1, 3)).numpy()
        assert np.abs(mean - coarse).mean() < 0.15 * coarse.std() + 1e-4
    with pytest.raises(WorkshopError):
        Split.random(scenes, labels_per_class=1)
