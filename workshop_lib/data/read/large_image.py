"""Large images: one way to read a part of any of them, wherever it is stored."""

__all__ = [
    "ArrayImage",
    "LargeImage",
    "RasterImage",
    "missing",
    "open_image",
    "row_blocks",
]

import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from workshop_lib.data.read.geotiff import (
    band_names,
    band_numbers,
    open_raster,
    reflectance,
    without_place_warnings,
)
from workshop_lib.errors import WorkshopError
from workshop_lib.files import reading

Pixels = NDArray[Any]


class LargeImage(Protocol):
    """What everything that works on large images needs to know of one.

    - `shape`: bands, height and width, (C, H, W).
    - `nodata`: the number that stands for "not known" in images of whole numbers;
      None if there is none. In floating-point images that is NaN.
    - `read`: a window of it, (C, height, width).
    """

    shape: tuple[int, int, int]
    nodata: float | None

    def read(self, row: int, col: int, height: int, width: int) -> Pixels: ...


def missing(pixels: Pixels, nodata: float | None) -> NDArray[np.bool_]:
    """Mark the pixels that cannot be looked at.

    Those where any band is NaN or infinite; and of whole numbers, those where every
    band is `nodata`: a single band of a picture may well be 0.

    Shape: (C, h, w) -> (h, w).
    """
    if pixels.dtype.kind == "f":
        return np.asarray(~np.isfinite(pixels).all(axis=0))
    if nodata is None:
        return np.zeros(pixels.shape[1:], dtype=bool)
    return np.asarray((pixels == nodata).all(axis=0))


class ArrayImage:
    """A numpy array, a memory-mapped one, or a torch tensor.

    Args:
        array: (C, H, W), or (H, W) for a single band such as a map; uint8 or floating
            point. For one that is (H, W, C), give `np.moveaxis(array, 2, 0)`: a view
            costs nothing.
        nodata: what whole numbers use for gaps.

    Raises:
        WorkshopError: another shape or type.
    """

    def __init__(self, array: Pixels | Tensor, nodata: float | None = None) -> None:
        values = array.numpy() if isinstance(array, Tensor) else array
        if values.ndim == 2:
            values = values[None]
        known = values.dtype == np.uint8 or values.dtype.kind == "f"
        if values.ndim != 3 or 0 in values.shape or not known:
            raise WorkshopError(
                f"an image of shape {tuple(array.shape)} and type {values.dtype}: give"
                " (C, H, W), or (H, W) for one band, uint8 or floating point"
                " (reflectances times 10,000 have to be divided first)."
            )
        self._values, self.nodata = values, nodata
        C, H, W = values.shape
        self.shape = (C, H, W)

    def read(self, row: int, col: int, height: int, width: int) -> Pixels:
        """Copy a window, (C, height, width)."""
        part = self._values[:, row : row + height, col : col + width]
        pixels = np.array(part)  # a copy, no map
        # Let go of the pages of a memory-mapped file, which count as memory in use.
        # Private changes of a map opened with "c" are in those very pages: keep them.
        if getattr(self._values, "mode", "c") != "c" and hasattr(mmap, "MADV_DONTNEED"):
            file_map = getattr(self._values, "_mmap", None)
            if file_map is not None:
                file_map.madvise(mmap.MADV_DONTNEED)
        return pixels


class RasterImage:
    """A GeoTIFF, of which only the windows asked for are read.

    8-bit files with one or three bands stay uint8. Everything else becomes float32
    reflectance by the rule of `workshop_lib.data.read.geotiff` (whole numbers are
    divided by 10,000), with NaN for gaps.

    Needs `pip install 'workshop_lib[geo]'`.

    Args:
        path: the file.
        bands: names of the bands to read, in this order; None for all. A file that does
            not name its bands must have exactly these.

    Attributes:
        shape: bands, height, width.
        nodata: the number for gaps in an 8-bit picture; None otherwise (NaN).
        crs, transform: its georeference, for the map that is made of it; None and the
            identity where the file has none.

    Raises:
        WorkshopError: no such file, nothing that rasterio can read, or a band that it
            does not have.
    """

    def __init__(self, path: Path | str, bands: Sequence[str] | None = None) -> None:
        self.path = Path(path)
        checked = reading(path, "give a GeoTIFF with these bands.")
        with checked, without_place_warnings(), open_raster(str(path)) as file:
            self._numbers = list(range(1, file.count + 1))
            if bands is not None:
                names = band_names(file) or tuple(bands)
                self._numbers = band_numbers(file, bands, names)
            C = len(self._numbers)
            self.shape = (C, int(file.height), int(file.width))
            self.crs, self.transform = file.crs, file.transform
            self._is_picture = set(file.dtypes) == {"uint8"} and C in (1, 3)
            self._gap = file.nodata
            self.nodata = file.nodata if self._is_picture else None

    def read(self, row: int, col: int, height: int, width: int) -> Pixels:
        """Read a window, (C, height, width), uint8 or float32."""
        window = ((row, row + height), (col, col + width))
        with without_place_warnings(), open_raster(str(self.path)) as file:
            raw: Pixels = file.read(self._numbers, window=window)
        return raw if self._is_picture else reflectance(raw, self._gap)


def open_image(source: "Path | str | Pixels | Tensor | LargeImage") -> LargeImage:
    """Take a large image in whatever form it is given.

    Args:
        source: a GeoTIFF's path; the path of a .npy file, which is memory-mapped; an
            array or tensor (C, H, W); or what has `shape` and `read` already.

    Raises:
        WorkshopError: no such file, or no image.
    """
    if isinstance(source, (np.ndarray, Tensor)):
        return ArrayImage(source)
    if not isinstance(source, (str, Path)):
        return source
    if not Path(source).is_file():
        raise WorkshopError(f"there is no image {source}: give a GeoTIFF or a .npy.")
    if Path(source).suffix.lower() != ".npy":
        return RasterImage(source)
    with reading(source, "give a GeoTIFF or a .npy."):
        return ArrayImage(np.load(source, mmap_mode="r"))


def row_blocks(image: LargeImage, height: int = 512) -> Iterator[Pixels]:
    """Read an image from top to bottom, so many rows at a time: (C, h, W) each."""
    _, H, W = image.shape
    for row in range(0, H, height):
        yield image.read(row, 0, min(height, H - row), W)
