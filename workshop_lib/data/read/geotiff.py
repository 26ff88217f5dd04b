"""GeoTIFFs of many bands, one file per image: bands by name, never by number.

Archives number their bands differently (in EuroSAT's files B8A comes last, in others
after B08), and a wrong order is nothing that a training would complain about. So names
come from the band descriptions in the files, or from the caller.

Whole numbers are reflectance times 10,000, as Sentinel-2 products store it, and become
float32 reflectance; floating-point values stay as they are. Sizes follow the one rule
of `workshop_lib.data.read.images`. The centre of a georeferenced image becomes its
"lat" and "lon".
"""

__all__ = ["GeoTiffReader", "geotiffs", "is_multiband", "open_raster"]

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from workshop_lib.data.dataset import Dataset
from workshop_lib.data.read.images import (
    UNREADABLE_IMAGE,
    Decoded,
    OnError,
    fit,
    read_images,
)
from workshop_lib.data.read.index import ImageEntry, ImageIndex, index_images
from workshop_lib.errors import WorkshopError, listed

ENDINGS = (".tif", ".tiff")
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the last two: BigTIFF
_BITS = 258  # the tag "BitsPerSample"
SCALE = 10_000  # whole numbers per unit of reflectance, in Sentinel-2 products
_MOST = 20.0  # no reflectance comes near; it means that the division is missing


def geotiffs(
    data: Path | str | ImageIndex,
    bands: Sequence[str] | None = None,
    size: int | None = None,
    cache: bool = True,
    on_error: OnError = "raise",
) -> Dataset:
    """Read GeoTIFF files of many bands from a folder per class, or a zip of such.

    Needs `pip install 'workshop_lib[geo]'`.

    Args:
        data: the folder, the archive, or the index of one.
        bands: which bands, in this order, e.g. ("B04", "B03", "B02", "B08"); None for
            all. Where the files do not name their bands: the names of all of them, in
            the files' order.
        size, cache, on_error: as in `Dataset.from_folder`.

    Raises:
        WorkshopError: one message that lists everything wrong with the files.
    """
    index = data if isinstance(data, ImageIndex) else index_images(data, ENDINGS)
    with without_place_warnings():
        reader = GeoTiffReader(index, bands)
        found = read_images(reader, size, cache, on_error)
    return Dataset.from_read(found, reader.bands)


class GeoTiffReader:
    """Reads some bands of the GeoTIFF files of an index.

    Args:
        bands: names of the bands to read, in the order wanted; None for all. Where the
            files do not name theirs, all of them in the files' order.

    Raises:
        WorkshopError: rasterio is missing, neither files nor caller name the bands, or
            a wanted band is not among them.
    """

    def __init__(self, index: ImageIndex, bands: Sequence[str] | None = None) -> None:
        self.index = index
        count, known = _first(index)
        self.names = () if known else tuple(bands or ())  # if the files have none
        known = known or self.names
        if len(known) != count:
            raise WorkshopError(
                f"the files in {index.where} have {count} bands without names: name all"
                " of them in their order, as in B01,B02,B03,...;"
                f" {len(known)} names were given."
            )
        self.bands = tuple(bands) if bands is not None else known
        missing = [band for band in self.bands if band not in known]
        if missing or not self.bands:
            raise WorkshopError(
                f"bands {listed(missing) or '(none)'} are not in {index.where}: its"
                f" files hold {', '.join(known)}."
            )
        self.rules = f"geotiff 1, {self.bands} of {self.names}"

    def size(self, entry: ImageEntry) -> tuple[int, int]:
        """Return height and width by the header alone."""
        return raster_size(self.index, entry)

    def read(self, entry: ImageEntry, height: int, width: int) -> Decoded:
        """Read one image; one of UNREADABLE_IMAGE if a band is missing or has gaps."""
        with open_raster(_source(self.index, entry)) as dataset:
            # Asked of every file: their orders may differ.
            names = self.names or band_names(dataset)
            numbers = band_numbers(dataset, self.bands, names)
            pixels = read_bands(dataset, numbers, height, width)  # (C, H, W)
            resized = dataset.shape != (height, width)
            return Decoded(pixels, resized, center_of(dataset))


def is_multiband(index: ImageIndex) -> bool:
    """Return whether images are GeoTIFFs that hold more than an 8-bit picture does.

    The first readable file decides; grey and RGB pictures are not for this module.
    """
    if not all(entry.name.lower().endswith(ENDINGS) for entry in index.entries):
        return False
    for entry in index.entries:
        is_tiff = False
        try:
            with index.open(entry.place) as stream:
                is_tiff = stream.read(4) in _TIFF
                stream.seek(0)
                bits = Image.open(stream).tag_v2.get(_BITS, (1,))  # type: ignore
                return len(bits) > 1 and max(bits) != 8
        except UNREADABLE_IMAGE as error:  # else it is damaged: reading will list it
            if is_tiff and isinstance(error, Image.UnidentifiedImageError):
                return True  # Pillow opens none of, say, 13 bands
    return False


def _first(index: ImageIndex) -> tuple[int, tuple[str, ...]]:
    """Return number and names of the bands of the first file that can be read."""
    for entry in index.entries:
        try:
            with without_place_warnings(), open_raster(_source(index, entry)) as file:
                return file.count, band_names(file)
        except WorkshopError:
            raise
        except UNREADABLE_IMAGE:  # reading will list them all
            continue
    raise WorkshopError(f"{index.where}: none of its GeoTIFF files can be read.")


def raster_size(index: ImageIndex, entry: ImageEntry) -> tuple[int, int]:
    """Return height and width of a GeoTIFF by its header, whatever its bands."""
    with open_raster(_source(index, entry)) as dataset:
        return dataset.height, dataset.width


def _source(index: ImageIndex, entry: ImageEntry) -> str:
    """Return what `open_raster` takes: a path, for an archive's entry one of GDAL's."""
    if isinstance(entry.place, str):
        return entry.place
    return f"/vsizip/{{{index.where}}}/{entry.place.filename}"


def import_rasterio() -> Any:
    """Import rasterio, which is an extra of the workshop.

    Raises:
        WorkshopError: it is not installed.
    """
    try:
        import rasterio
    except ImportError as error:
        raise WorkshopError(
            "GeoTIFF files are read and written with rasterio, which is not installed:"
            " pip install 'workshop_lib[geo]'"
        ) from error
    return rasterio


def open_raster(path: str) -> Any:
    """Open a GeoTIFF, to be used in a `with`.

    Raises:
        OSError: it is damaged, or no GeoTIFF.
        WorkshopError: rasterio is not installed.
    """
    return import_rasterio().open(path)


@contextmanager
def without_place_warnings() -> Iterator[None]:
    """Keep rasterio from warning about each file that is not georeferenced."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Dataset has no geotransform")
        yield


def band_names(dataset: Any) -> tuple[str, ...]:
    """Return the names that a file gives its bands; () if not all have their own."""
    names = tuple((text or "").strip() for text in dataset.descriptions)
    return names if all(names) and len(set(names)) == len(names) else ()


def band_numbers(dataset: Any, bands: Sequence[str], names: Sequence[str]) -> list[int]:
    """Find bands by their names in a file: their numbers, from 1.

    Raises:
        ValueError: a band that the file does not have, or not one name per band.
    """
    if names and len(names) != dataset.count:
        raise ValueError(f"{dataset.count} bands for {len(names)} names")
    missing = [band for band in bands if band not in names]
    if missing:
        known = ", ".join(names) or "without names"
        raise ValueError(f"no band is called {', '.join(missing)}: they are {known}")
    return [names.index(band) + 1 for band in bands]


def read_bands(
    dataset: Any, numbers: Sequence[int], height: int, width: int, most: float = _MOST
) -> np.ndarray[Any, Any]:
    """Read some bands as float32: whole numbers / 10,000, decimals as they are.

    Shape: (C, height, width); by the rule of `workshop_lib.data.read.images` if the
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
    values = reflectance(raw, dataset.nodata)
    if gaps := int((~np.isfinite(values)).sum()):
        raise ValueError(f"{gaps} pixels without data")
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


def reflectance(raw: np.ndarray[Any, Any], gap: float | None) -> np.ndarray[Any, Any]:
    """Turn pixels into float32: whole numbers / 10,000, NaN for gaps.

    A gap is filled with a number that means nothing, and would be learned from.
    """
    values = raw.astype(np.float32)
    if raw.dtype.kind in "iu":
        values /= SCALE
    if gap is not None:
        values[raw == gap] = np.nan
    return values


def center_of(dataset: Any) -> dict[str, float]:
    """Return "lat" and "lon" of the centre in degrees; {} if not georeferenced."""
    if dataset.crs is None:
        return {}
    lon, lat = dataset.lnglat()
    return {"lat": lat, "lon": lon}
