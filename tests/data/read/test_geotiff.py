"""GeoTIFFs of many bands: by name, as reflectance, with their place."""

import sys

import numpy as np
import pytest
import torch

from tests.data.read.files import write_tif
from workshop_lib.data.load import load_dataset, make_split
from workshop_lib.data.places import block_numbers, coordinates
from workshop_lib.data.read.geotiff import geotiffs, is_multiband
from workshop_lib.data.read.index import index_images
from workshop_lib.errors import WorkshopError
from workshop_lib.settings import DataConfig

rasterio = pytest.importorskip("rasterio", reason="needs workshop_lib[geo]")
warp = pytest.importorskip("rasterio.warp")

BANDS = ("B02", "B03", "B04", "B8A")


def levels(*values, dtype=np.uint16, size=6):
    """Bands of one value each."""
    return np.stack([np.full((size, size), value, dtype) for value in values])


def two_classes(root, names=BANDS, **more):
    write_tif(root / "Forest" / "a.tif", levels(100, 200, 300, 400), names, **more)
    write_tif(root / "River" / "b.tif", levels(500, 600, 700, 800), names, **more)
    return root


def test_all_bands_by_the_names_in_the_files(tmp_path):
    scenes = geotiffs(two_classes(tmp_path / "d"))
    assert scenes.bands == BANDS and scenes.images.dtype == torch.float32
    expected = torch.tensor([[0.01, 0.02, 0.03, 0.04], [0.05, 0.06, 0.07, 0.08]])
    assert torch.equal(scenes.images[:, :, 0, 0], expected)
    assert (scenes.class_names, scenes.names) == (
        ("Forest", "River"),
        ("Forest/a.tif", "River/b.tif"),
    )


def test_some_bands_in_the_order_asked_for(tmp_path):
    scenes = geotiffs(two_classes(tmp_path / "d"), bands=("B8A", "B03"))
    assert scenes.bands == ("B8A", "B03")
    assert scenes.images[1, :, 0, 0].tolist() == pytest.approx([0.08, 0.06])


def test_every_file_is_asked_where_its_bands_are(tmp_path):
    root = two_classes(tmp_path / "d")
    other_order = ("B8A", "B04", "B03", "B02")
    write_tif(root / "River" / "c.tif", levels(4, 3, 2, 1), other_order)
    scenes = geotiffs(root, bands=("B02", "B8A"))
    assert scenes.images[2, :, 0, 0].tolist() == pytest.approx([1e-4, 4e-4])


def test_names_from_the_caller_where_the_files_have_none(tmp_path):
    root = two_classes(tmp_path / "d", names=None)
    scenes = geotiffs(root, bands=BANDS)
    assert scenes.images[:, 2, 0, 0].tolist() == pytest.approx([0.03, 0.07])
    for bands, count in ((None, 0), (("B04",), 1)):
        words = f"4 bands without names.*{count} names were given"
        with pytest.raises(WorkshopError, match=words):
            geotiffs(root, bands)
    write_tif(root / "River" / "c.tif", levels(1, 2, 3))
    with pytest.raises(WorkshopError, match=r"River/c.tif: 3 bands for 4 names"):
        geotiffs(root, BANDS)


def test_a_band_that_nobody_has(tmp_path):
    root = two_classes(tmp_path / "d")
    with pytest.raises(
        WorkshopError, match="bands B99 are not in .*B02, B03, B04, B8A"
    ):
        geotiffs(root, bands=("B02", "B99"))
    write_tif(root / "River" / "c.tif", levels(1, 2), ("B02", "B03"))
    with pytest.raises(WorkshopError, match="River/c.tif: no band is called B04, B8A"):
        geotiffs(root)


def test_floating_point_stays_as_it_is(tmp_path):
    for scene in ("a", "b"):
        pixels = levels(0.25, 1.5, dtype=np.float32)
        write_tif(tmp_path / "d" / scene / "x.tif", pixels, ("B02", "B03"))
    scenes = geotiffs(tmp_path / "d")
    assert scenes.images[0, :, 0, 0].tolist() == [0.25, 1.5]


def test_the_place_is_the_centre_of_the_image(tmp_path):
    place = rasterio.Affine(10, 0, 600_000, 0, -10, 5_000_000)
    root = two_classes(tmp_path / "d", crs="EPSG:32632", transform=place)
    scenes = geotiffs(root)
    (lon,), (lat,) = warp.transform("EPSG:32632", "EPSG:4326", [600_030], [4_999_970])
    assert scenes.metadata["lat"].tolist() == pytest.approx([lat] * 2)
    assert scenes.metadata["lon"].tolist() == pytest.approx([lon] * 2)
    write_tif(root / "River" / "nowhere.tif", levels(1, 2, 3, 4), BANDS)
    assert geotiffs(root).metadata["lat"].isnan().tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("tags", "day"),
    [({"TIFFTAG_DATETIME": "2017:06:13 10:10:31"}, 164), ({}, None),
     ({"TIFFTAG_DATETIME": "yesterday"}, None)],
)  # fmt: skip
def test_the_date_is_in_the_tags(tmp_path, tags, day):
    root = two_classes(tmp_path / "d")
    with rasterio.open(root / "Forest" / "a.tif", "r+") as file:
        file.update_tags(**tags)
    found = geotiffs(root).metadata
    if day is None:
        assert not found
        return
    assert found["day_of_year"][0] == day and found["day_of_year"][1].isnan()
    with rasterio.open(root / "River" / "b.tif", "r+") as file:
        file.update_tags(ns="IMAGERY", ACQUISITIONDATETIME="2016-12-31T10:00:00Z")
        file.update_tags(TIFFTAG_DATETIME="2020:01:01 00:00:00")
    assert geotiffs(root).metadata["day_of_year"].tolist() == [day, 366]


def test_eurosat_with_places_is_split_by_longitude_and_by_block(tmp_path):
    """As in EuroSAT's georeferenced files: a folder per class, 13 bands each."""
    names = tuple(f"B{k:02d}" for k in range(1, 14))
    for k in range(40):
        east, label = 400_000 + 10_000 * k, ("Forest", "River")[k % 2]
        place = rasterio.Affine(10, 0, east, 0, -10, 5_500_000)
        path = tmp_path / label / f"{label}_{k}.tif"
        write_tif(path, levels(*range(13)), names, crs="EPSG:32632", transform=place)
    scenes = load_dataset(str(tmp_path), size=6)
    lon = scenes.metadata["lon"]
    split = make_split(scenes, DataConfig(split="longitude", labels_per_class=2))
    assert split.counts() == {"labeled": 4, "unlabeled": 24, "val": 8, "test": 8}
    assert lon[split.unlabeled].max() < lon[split.val].min() < lon[split.val].max()
    assert lon[split.val].max() < lon[split.test].min()
    split = make_split(scenes, DataConfig(split="block", block_km=20))
    blocks = block_numbers(coordinates(scenes.metadata), 20)
    sides = [
        {blocks[i] for i in part.tolist()} for part in (split.unlabeled, split.test)
    ]
    assert not sides[0] & sides[1]


def test_one_error_lists_every_offender(tmp_path, capsys):
    root = two_classes(tmp_path / "d")
    (root / "Forest" / "zero.tif").touch()
    (root / "Forest" / "text.tif").write_text("no image")
    whole = (root / "Forest" / "a.tif").read_bytes()
    (root / "Forest" / "cut.tif").write_bytes(whole[: len(whole) // 2])
    write_tif(root / "River" / "bytes.tif", levels(1, 2, 3, 4, dtype=np.uint8), BANDS)
    write_tif(root / "River" / "gaps.tif", levels(1, 2, 3, 0), BANDS, nodata=0)
    nan = levels(0.1, 0.2, 0.3, np.nan, dtype=np.float32)
    write_tif(root / "River" / "nan.tif", nan, BANDS)
    large = levels(0.1, 0.2, 0.3, 4000, dtype=np.float32)
    write_tif(root / "River" / "large.tif", large, BANDS)
    (root / "River" / "preview.png").write_bytes(b"\x89PNG is no image of this set")
    with pytest.raises(WorkshopError) as caught:
        geotiffs(root)
    text = str(caught.value)
    assert text.startswith("7 problems")
    for line in (
        "Forest/zero.tif: empty file (0 bytes)",
        "Forest/text.tif: ",
        "Forest/cut.tif: ",
        "River/bytes.tif: uint8, where most others are reflectance",
        "River/gaps.tif: 36 pixels without data",
        "River/nan.tif: 36 pixels without data",
        "River/large.tif: B8A holds 4000, outside -0.5 to 5",
    ):
        assert line in text
    assert len(geotiffs(root, on_error="skip")) == 2
    assert "1 left out, no images by their ending" in capsys.readouterr().out


def test_without_rasterio_the_extra_is_named(tmp_path, monkeypatch):
    root = two_classes(tmp_path / "d")
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(WorkshopError, match=r"pip install 'workshop_lib\[geo\]'"):
        geotiffs(root)


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (levels(1, 2, 3, dtype=np.uint8), False),
        (levels(1, 2, 3, 4, dtype=np.uint8), False),
        (levels(1, dtype=np.uint16), False),
        (levels(1, 2, 3), True),
        (levels(*range(13)), True),
        (levels(1, 2, dtype=np.float32), True),
    ],
)
@pytest.mark.parametrize("bigtiff", ["no", "yes"])
def test_pictures_and_many_bands_are_told_apart(tmp_path, pixels, expected, bigtiff):
    (tmp_path / "d" / "a").mkdir(parents=True)
    (tmp_path / "d" / "a" / "broken.tif").write_text("no image")
    for scene in ("a", "b"):
        write_tif(tmp_path / "d" / scene / "x.tif", pixels, BIGTIFF=bigtiff)
    assert is_multiband(index_images(tmp_path / "d")) is expected
