"""Image files that the tests of the readers write."""

import io
import json
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from workshop_lib.data.read.bigearthnet_patches import S1_BANDS, S2_BANDS
from workshop_lib.data.read.landcover import TILE_COLOURS

SAMPLE = Path(__file__).parents[4] / "shared/data/bigearthnet_s1s2_sample"


def png(value=100, size=6):
    """The bytes of a square of one grey."""
    stream = io.BytesIO()
    Image.fromarray(np.full((size, size, 3), value, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def zip_of(path, files):
    """Write an archive of files by their names in it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tif(path, pixels, names=None, **about):
    """Write (C, H, W) or (H, W) pixels as a GeoTIFF."""
    rasterio = pytest.importorskip("rasterio", reason="needs workshop_lib[geo]")
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = pixels[None] if pixels.ndim == 2 else pixels
    count, height, width = bands.shape
    about |= {"count": count, "height": height, "width": width}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a file that is not georeferenced
        with rasterio.open(path, "w", "GTiff", dtype=pixels.dtype, **about) as file:
            file.write(bands)
            if names:
                file.descriptions = names
    return path


def control_points(height, width):
    """Where the corners of an image are: points on a map, in degrees."""
    point = pytest.importorskip("rasterio").control.GroundControlPoint
    corners = [(r, c) for r in (0, height) for c in (0, width)]
    return [point(r, c, 14 + c / 10, 47 - r / 10) for r, c in corners]


def write_map(path, pixels, **about):
    """Write one band of a patch of 1,200 m in the west of Ireland."""
    rasterio = pytest.importorskip("rasterio", reason="needs workshop_lib[geo]")
    h, w = pixels.shape
    place = rasterio.Affine(1200 / w, 0, 643_200, 0, -1200 / h, 5_798_040)
    return write_tif(path, pixels, crs="EPSG:32629", transform=place, **about)


def write_patch(root, name, bands, **metadata):
    """Write a patch in the layout of BigEarthNet."""
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    for band, pixels in bands.items():
        write_map(folder / f"{name}_{band}.tif", pixels)
    path = folder / f"{name}_labels_metadata.json"
    path.write_text(json.dumps(metadata), encoding="utf-8")
    return folder


def write_sample(s2, s1):
    """Write four real patches; return their table, and their bands by PATCH/BAND."""
    table = pd.read_csv(SAMPLE / "benv1_meta.csv").head(4)
    arrays = np.load(SAMPLE / "benv1_pairs.npz")
    for i, row in enumerate(table.itertuples()):
        date = pd.to_datetime(str(row.date)).strftime("%Y-%m-%d 10:10:31")
        bands = {band: arrays[f"{row.patch_id}/{band}"] for band in S2_BANDS}
        labels = row.labels43.split("|")
        write_patch(s2, row.patch_id, bands, labels=labels, acquisition_date=date)
        radar = {band: arrays[f"{row.patch_id}/{band}"] for band in S1_BANDS}
        write_patch(s1, f"S1A_{i}", radar, corresponding_s2_patch=row.patch_id)
    return table, arrays


def colours_of(mask):
    """Colour class numbers as Vaihingen's label images are; `IGNORE` is black."""
    table = np.zeros((256, 3), dtype=np.uint8)
    table[: len(TILE_COLOURS)] = list(TILE_COLOURS.values())
    return table[mask]
