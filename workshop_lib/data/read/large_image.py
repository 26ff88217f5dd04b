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

from workshop_lib.data.read.values import Values, open_raster, raster_place
from workshop_lib.errors import WorkshopError
from workshop_lib.files import reading

Pixels = NDArray[Any]


class LargeImage(Protocol):
    """What everything that works on large images needs to know of one.

    - `shape`: bands, height and width, (C, H, W).
    - `read`: a window of it, (C, height, width). Pixels that are missing are NaN, in
      images of whole numbers they are masked (`numpy.ma`).
    """

    shape: tuple[int, int, int]

    def read(self, row: int, col: int, height: int, width: int) -> Pixels: ...


Source = Path | str | Pixels | Tensor | LargeImage  # what `open_image` takes


def missing(pixels: Pixels) -> NDArray[np.bool_]:
    """Mark the pixels that cannot be looked at.

    Those where any band is NaN or infinite; and of whole numbers, those where every
    band is masked: a single band of a picture may well be 0.

    Shape: (C, h, w) -> (h, w).
    """
    if pixels.dtype.kind == "f":
        return np.asarray(~np.isfinite(pixels).all(axis=0))
    return np.asarray(np.ma.getmaskarray(pixels).all(axis=0))


class ArrayImage:
    """A numpy array, a memory-mapped one, or a torch tensor.

    Args:
        array: (C, H, W), or (H, W) for a single band such as a map; uint8 or floating
            point. For one that is (H, W, C), give `np.moveaxis(array, 2, 0)`: a view
            costs nothing. Gaps are NaN.

    Raises:
        WorkshopError: another shape or type.
    """

    def __init__(self, array: Pixels | Tensor) -> None:
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
        self._values = values
        self.path = getattr(values, "filename", None)  # of one that is memory-mapped
        C, H, W = values.shape
        self.shape = (C, H, W)

    def read(self, row: int, col: int, height: int, width: int) -> Pixels:
        """Copy a window, (C, height, width)."""
        part = self._values[:, row : row + height, col : col + width]
        kind = np.uint8 if part.dtype == np.uint8 else np.float32
        pixels = np.array(part, kind)  # a copy, no map
        # Let go of the pages of a memory-mapped file, which count as memory in use.
        # Private changes of a map opened with "c" are in those very pages: keep them.
        if getattr(self._values, "mode", "c") != "c" and hasattr(mmap, "MADV_DONTNEED"):
            file_map = getattr(self._values, "_mmap", None)
            if file_map is not None:
                file_map.madvise(mmap.MADV_DONTNEED)
        return pixels


class RasterImage:
    """A GeoTIFF, of which only the windows asked for are read.

    8-bit files stay uint8, masked where the file has gaps. Everything else becomes
    float32 by the rules of `workshop_lib.data.read.values`, with NaN for gaps.

    Needs `pip install 'workshop_lib[geo]'`.

    Args:
        path: the file.
        bands: names of the bands to read, in this order; None for all. A file that does
            not name its bands must have exactly these.

    Attributes:
        shape: bands, height, width.
        place: its georeference, for the map that is made of it; see `raster_place`.

    Raises:
        WorkshopError: no such file, nothing that rasterio can read, a band that it does
            not have, or a value that cannot be.
    """

    def __init__(self, path: Path | str, bands: Sequence[str] | None = None) -> None:
        self.path = Path(path)
        checked = reading(path, "give a GeoTIFF with these bands.")
        with checked, open_raster(str(path)) as file:
            self._values = Values(file, bands)
            self.place = raster_place(file)
            self._turned = self._values.photograph(file)  # small enough for memory
            H, W = (file if self._turned is None else self._turned[0]).shape
        self.shape = (len(self._values.numbers), int(H), int(W))

    def read(self, row: int, col: int, height: int, width: int) -> Pixels:
        """Read a window, (C, height, width), uint8 or float32."""
        if self._turned is not None:
            return self._turned[:, row : row + height, col : col + width].copy()
        checked = reading(self.path, "give an image in the units of the training's.")
        with checked, open_raster(str(self.path)) as file:
            return self._values.read(file, ((row, row + height), (col, col + width)))


def open_image(source: Source, bands: Sequence[str] | None = None) -> LargeImage:
    """Take a large image in whatever form it is given.

    Args:
        source: a GeoTIFF's path; the path of a .npy file, which is memory-mapped; an
            array or tensor (C, H, W); or what has `shape` and `read` already.
        bands: of a GeoTIFF; see `RasterImage`.

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
        return RasterImage(source, bands)
    with reading(source, "give a GeoTIFF or a .npy."):
        return ArrayImage(np.load(source, mmap_mode="r"))


def row_blocks(image: LargeImage, height: int = 512) -> Iterator[Pixels]:
    """Read an image from top to bottom, so many rows at a time: (C, h, W) each."""
    _, H, W = image.shape
    for row in range(0, H, height):
        yield image.read(row, 0, min(height, H - row), W)
