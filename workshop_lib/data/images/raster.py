"""What is read from a GeoTIFF: bands as reflectance, band names, the place."""

__all__ = [
    "band_names",
    "open_raster",
    "place_of",
    "read_bands",
    "without_place_warnings",
]

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image

from workshop_lib.data.images.decode import fit
from workshop_lib.errors import WorkshopError

SCALE = 10_000  # whole numbers per unit of reflectance, in Sentinel-2 products
_MOST = 20.0  # no reflectance comes near; it means that nobody divided


@contextmanager
def open_raster(source: str | bytes) -> Iterator[Any]:
    """Open a GeoTIFF by its path, or from its bytes.

    Raises:
        OSError: it is damaged, or no GeoTIFF.
        WorkshopError: rasterio is not installed.
    """
    try:
        import rasterio
    except ImportError as error:
        raise WorkshopError(
            "GeoTIFF files are read with rasterio, which is not installed: pip install"
            " 'workshop_lib[geo]'"
        ) from error
    if isinstance(source, str):
        with rasterio.open(source) as dataset:
            yield dataset
        return
    with rasterio.MemoryFile(source) as file, file.open() as dataset:
        yield dataset


@contextmanager
def without_place_warnings() -> Iterator[None]:
    """Keep rasterio from warning of each file that does not say where it lies."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Dataset has no geotransform")
        yield


def band_names(dataset: Any) -> tuple[str, ...]:
    """Return the names that a file gives its bands; () if not all have their own."""
    names = tuple((text or "").strip() for text in dataset.descriptions)
    return names if all(names) and len(set(names)) == len(names) else ()


def read_bands(
    dataset: Any,
    numbers: Sequence[int],
    height: int,
    width: int,
    most: float = _MOST,
) -> np.ndarray[Any, Any]:
    """Read some bands as float32: whole numbers / 10,000, decimals as they are.

    Shape: (C, height, width); by the rule of `workshop_lib.data.images.decode` if the
    file has another size.

    Args:
        numbers: of the bands in the file, from 1.
        most: larger values are refused.

    Raises:
        ValueError: gaps, or values that are no reflectance.
    """
    raw = dataset.read(list(numbers))  # (C, h, w)
    if raw.dtype == np.uint8 or raw.dtype.kind not in "iuf":
        raise ValueError(
            f"pixels of type {raw.dtype}: expected reflectance, float or times 10,000"
        )
    # A gap is filled with a number that means nothing, and would be learned from.
    gaps = int((raw == dataset.nodata).sum()) if dataset.nodata is not None else 0
    gaps += int((~np.isfinite(raw)).sum())
    if gaps:
        raise ValueError(f"{gaps} pixels without data")
    values = raw.astype(np.float32)
    if raw.dtype.kind in "iu":
        values /= SCALE
    if values.max() > most:
        raise ValueError(
            f"values up to {values.max():g}: expected reflectance, float or times"
            " 10,000 as whole numbers"
        )
    if values.shape[1:] == (height, width):
        return values
    return np.stack(
        [np.asarray(fit(Image.fromarray(band), height, width)) for band in values]
    )


def place_of(dataset: Any) -> dict[str, float]:
    """Return "lat" and "lon" of the centre in degrees; {} if the file does not tell."""
    if dataset.crs is None:
        return {}
    from rasterio.warp import transform

    to_map, column, row = dataset.transform, dataset.width / 2, dataset.height / 2
    x = to_map.a * column + to_map.b * row + to_map.c
    y = to_map.d * column + to_map.e * row + to_map.f
    (lon,), (lat,) = transform(dataset.crs, "EPSG:4326", [x], [y])
    return {"lat": lat, "lon": lon}
