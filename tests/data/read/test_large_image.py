"""The same windows from arrays, memory-mapped files, tensors and GeoTIFFs."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.data.read.files import write_tif
from workshop_lib.data.read.large_image import (
    ArrayImage,
    RasterImage,
    missing,
    open_image,
    row_blocks,
)
from workshop_lib.errors import WorkshopError

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 37, 53), dtype=np.uint8)


def in_all_forms(folder):
    np.save(folder / "a.npy", PIXELS)
    raw = np.memmap(folder / "a.raw", np.uint8, "w+", shape=PIXELS.shape)
    raw[:] = PIXELS
    last = np.ascontiguousarray(np.moveaxis(PIXELS, 0, 2))  # (H, W, C)
    return {
        "array": PIXELS,
        "tensor": torch.from_numpy(PIXELS),
        "file": folder / "a.npy",
        "memory-mapped": raw,
        "channels last": np.moveaxis(last, 2, 0),
        "GeoTIFF": write_tif(folder / "a.tif", PIXELS),
    }


@given(st.data())
def test_every_form_gives_the_same_window(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("forms")
    row, col = data.draw(st.integers(0, 36)), data.draw(st.integers(0, 52))
    h, w = data.draw(st.integers(1, 37 - row)), data.draw(st.integers(1, 53 - col))
    for name, source in in_all_forms(folder).items():
        image = open_image(source)
        assert image.shape == (3, 37, 53), name
        found = image.read(row, col, h, w)
        assert found.dtype == np.uint8
        assert np.array_equal(found, PIXELS[:, row : row + h, col : col + w]), name


def test_strips_are_the_whole_image():
    pieces = list(row_blocks(ArrayImage(PIXELS), 10))
    assert [p.shape[1] for p in pieces] == [10, 10, 10, 7]
    assert np.array_equal(np.concatenate(pieces, axis=1), PIXELS)


def test_changes_of_a_private_map_are_kept(tmp_path):
    np.save(tmp_path / "a.npy", PIXELS)
    private = np.load(tmp_path / "a.npy", mmap_mode="c")
    private[0, 0, 0] = 99
    image = ArrayImage(private)
    for _ in range(2):
        assert image.read(0, 0, 1, 1)[0, 0, 0] == 99
    assert np.load(tmp_path / "a.npy")[0, 0, 0] == PIXELS[0, 0, 0]


def test_shared_changes_are_read_after_a_read(tmp_path):
    shared = np.memmap(tmp_path / "a.raw", np.uint8, "w+", shape=(1, 4, 4))
    image = ArrayImage(shared)
    assert image.read(0, 0, 4, 4).sum() == 0
    shared[:] = 7
    assert image.read(0, 0, 4, 4).sum() == 7 * 16
    assert image.read(0, 0, 4, 4).sum() == 7 * 16


def test_whole_numbers_become_reflectance_and_gaps_nan(tmp_path):
    raw = np.full((2, 4, 5), 2500, np.uint16)
    raw[1, 2, 3] = 0
    image = RasterImage(write_tif(tmp_path / "a.tif", raw, nodata=0))
    pixels = image.read(0, 0, 4, 5)
    assert pixels.dtype == np.float32
    gaps = missing(pixels)
    assert np.argwhere(gaps).tolist() == [[2, 3]], "one band without data is enough"
    assert np.allclose(pixels[:, ~gaps], 0.25)


def test_a_picture_lacks_a_pixel_where_all_bands_do(tmp_path):
    raw = np.full((3, 4, 5), 9, np.uint8)
    raw[:, 0, 0] = 0
    raw[0, 1, 1] = 0  # no red: a colour like any other
    image = RasterImage(write_tif(tmp_path / "a.tif", raw, nodata=0))
    gaps = missing(image.read(0, 0, 4, 5))
    assert np.argwhere(gaps).tolist() == [[0, 0]]


def test_bands_by_name(tmp_path):
    rasterio = pytest.importorskip("rasterio", reason="needs workshop_lib[geo]")
    path = write_tif(tmp_path / "a.tif", PIXELS)
    unnamed = RasterImage(path, ("red", "green", "blue"))
    assert np.array_equal(unnamed.read(0, 0, 37, 53), PIXELS)
    with pytest.raises(WorkshopError, match="B02, B03: they are red, green, blue"):
        RasterImage(path, ("B02", "B03"))
    with rasterio.open(path, "r+") as file:
        file.descriptions = ("B02", "B03", "B04")
    found = RasterImage(path, ("B04", "B02"))
    assert found.shape == (2, 37, 53)
    assert np.array_equal(found.read(0, 0, 37, 53), PIXELS[[2, 0]])
    with pytest.raises(WorkshopError, match="no band is called B08: they are B02, B0"):
        RasterImage(path, ("B08", "B02"))
    for names in (("B02", "B02", "B04"), ("B04", "", "")):
        write_tif(tmp_path / "b.tif", PIXELS, names)
        with pytest.raises(
            WorkshopError, match=f"called {', '.join(names)}: give each"
        ):
            RasterImage(tmp_path / "b.tif", ("B02", "B03", "B04"))


def test_what_is_no_image_is_refused(tmp_path):
    with pytest.raises(WorkshopError, match="there is no image"):
        open_image(tmp_path / "nothing.tif")
    (tmp_path / "text.tif").write_text("no image")
    (tmp_path / "text.npy").write_text("no image")
    for name in ("text.tif", "text.npy"):
        with pytest.raises(WorkshopError, match="cannot read"):
            open_image(tmp_path / name)
    with pytest.raises(WorkshopError, match="uint8 or floating"):
        open_image(np.zeros((1, 4, 4), np.int32))
    with pytest.raises(WorkshopError, match="shape"):
        open_image(np.zeros((1, 1, 4, 4), np.uint8))
