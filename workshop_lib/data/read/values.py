"""What the numbers of an image mean: decided here for data, training and maps alike.

- 8-bit numbers are a picture, of however many bands. Others become float32 by the scale
  and offset in the file; without these, whole numbers are reflectance times 10,000, as
  Sentinel-2 products store it, and floating-point numbers stay as they are. The names
  of radar bands (VV, VH) mean dB, those of indices and heights are numbers of any kind.
- Pixels are missing where a mask (in the file or beside it), an alpha band or the
  declared number for no data says so.
- Bands are found by the names in the file, else by its colours (red, green, blue), else
  by their order.
- A value that cannot be, such as an undeclared -9999 or a per cent, is refused.
"""

__all__ = [
    "Values",
    *("center_of", "day_of", "import_rasterio", "limits_of", "open_raster"),
    *("raster_place", "to_rgb"),
]

import re
import warnings
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from workshop_lib.errors import WorkshopError

Pixels = NDArray[Any]

SCALE = 10_000  # whole numbers per unit of reflectance, in Sentinel-2 products


# Unit, and the least and the largest value that can be; -9999 is never meant
Limits = tuple[str, float, float]
_REFLECTANCE: Limits = ("reflectance", -0.5, 5)
_DB: Limits = ("dB", -100, 100)
_OTHER: Limits = ("number", -9000, 1e6)
_USUAL = (-0.1, 2)  # what reflectance is as a rule
_RADAR = re.compile(r"s1\b.*|(.*[^a-z])?(vv|vh|hh|hv)([^a-z].*)?")
_INDEX = re.compile(r"nd|[es]avi|evi|dem|dsm|elev|alti|height|slope|temp|lst|therm|st_")
_NUMBERED = re.compile(r"(band|layer|channel)?[ _-]*\d*")  # "Band 1" says nothing
_RGB = ("red", "green", "blue")


def limits_of(band: str) -> Limits:
    """Return what a band can hold, by its name: unit, least and largest value.

    >>> [limits_of(band)[0] for band in ("B08", "VV", "ndvi")]
    ['reflectance', 'dB', 'number']
    """
    name = band.lower()
    if _RADAR.fullmatch(name):
        return _DB
    return _OTHER if _INDEX.match(name) else _REFLECTANCE


class Values:
    """What some bands of an open raster mean.

    Args:
        file: of `open_raster`.
        bands: their names, in the order wanted; None for all.
        names: of all bands in the file's order, where it has none itself.

    Attributes:
        numbers: of the bands in the file, from 1.
        bands: their names; () if they are unknown: then no range is checked.
        is_picture: whether they stay 8-bit.

    Raises:
        ValueError: a band that the file does not have, not one name per band, or
            numbers of a type that is not supported.
    """

    def __init__(
        self, file: Any, bands: Sequence[str] | None = None, names: Sequence[str] = ()
    ) -> None:
        numbers, own, colours = _bands(file)
        # GDAL takes an alpha for a mask in some files only; a named one is a band
        self._alpha = [k for k in range(1, file.count + 1) if k not in numbers]
        own = tuple(names) or own
        if own and len(own) != len(numbers):
            raise ValueError(f"{len(numbers)} bands for {len(own)} names")
        self.bands = tuple(own or colours if bands is None else bands)
        if bands is not None:
            numbers = _find(bands, numbers, own, colours)
        self.numbers, at = numbers, [k - 1 for k in numbers]
        types = [np.dtype(file.dtypes[k]) for k in at]
        if bands and file.colorinterp[at[0]].name == "palette":
            raise ValueError("numbers of a palette: save it as red, green and blue")
        if any(one.kind not in "iuf" for one in types):
            raise ValueError(f"pixels of type {', '.join(map(str, types))}")
        scale, offset = np.array(file.scales)[at], np.array(file.offsets)[at]
        told = (scale != 1) | (offset != 0)
        self.is_picture = set(types) == {np.dtype(np.uint8)} and not told.any()
        per_unit = 1 / scale  # 1e-4 becomes 10,000 without a rounding error
        for i, one in enumerate(types):
            limits = limits_of(self.bands[i]) if self.bands else _REFLECTANCE
            if one.kind in "iu" and not told[i] and limits is _REFLECTANCE:
                per_unit[i] = SCALE
        shape = (len(at), 1, 1)
        self._per_unit = per_unit.astype(np.float32).reshape(shape)
        self._offset = offset.astype(np.float32).reshape(shape)
        flags = [{flag.name for flag in file.mask_flag_enums[k]} for k in at]
        self._has_gaps = any(not one & {"all_valid", "alpha"} for one in flags)

    def read(self, file: Any, window: Any = None) -> Pixels:
        """Read the bands, or a window of them: (C, h, w).

        Returns:
            A picture as uint8, masked where pixels are missing; others as float32, NaN
            where they are.

        Raises:
            ValueError: a value that cannot be.
        """
        raw = file.read(self.numbers, window=window)
        gaps = np.zeros(raw.shape, bool)
        if self._has_gaps:
            gaps = file.read_masks(self.numbers, window=window) == 0
        if self._alpha:
            gaps |= (file.read(self._alpha, window=window) == 0).any(axis=0)
        if self.is_picture:
            gaps[:] = gaps.all(axis=0)
            return np.ma.MaskedArray(raw, gaps) if gaps.any() else raw
        values = raw.astype(np.float32)
        values /= self._per_unit
        values += self._offset
        values[gaps] = np.nan
        for band, stored, layer in zip(self.bands, raw, values, strict=False):
            unit, *limits = limits_of(band)
            if odd := _outside(stored, layer, *limits):
                raise ValueError(
                    f"{band} holds {odd}, which is no {unit}: declare it as"
                    " nodata, or the band's scale and offset, in the file"
                )
        return values

    def photograph(self, file: Any) -> Pixels | None:
        """Read a photograph that its EXIF turns, upright: (C, H, W); None if it's none.

        What has a place on the map lies as the place says.
        """
        placed = file.gcps[0] or not file.transform.is_identity
        no_picture = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
        with suppress(*no_picture), Image.open(file.name) as picture:
            turned = picture.getexif().get(0x0112, 1) > 1
            if turned and self.is_picture and not placed:
                pixels = np.moveaxis(np.asarray(to_rgb(picture)[0]), 2, 0)
                return pixels[[k - 1 for k in self.numbers]]
        return None

    def unusual(self, values: Pixels) -> str:
        """Name a value that is possible, but hardly ever right; "" if there is none."""
        for band, layer in zip(self.bands, values, strict=False):
            limits = limits_of(band)
            odd = limits is _REFLECTANCE and _outside(layer, layer, *_USUAL)
            if odd and not self.is_picture:
                return f"{band} holds {odd}"
            if limits is _DB and layer.max() > 0 <= layer.min():
                ends = f"{layer.min():g} to {layer.max():g}"
                return f"{band} holds {ends}, as linear power does: dB is below 0"
        return ""


def _outside(stored: Pixels, values: Pixels, least: float, most: float) -> str:
    """Name the first value outside a range, as it is stored; "" if there is none."""
    odd = stored[(values < least) | (values > most)]
    return f"{odd[0]:g}, outside {least:g} to {most:g}" if odd.size else ""


def _bands(file: Any) -> tuple[list[int], tuple[str, ...], tuple[str, ...]]:
    """Return the bands that are no mask: numbers, names, and colours of a picture."""
    texts = [(text or "").strip() for text in file.descriptions]
    colours = [colour.name for colour in file.colorinterp]
    named = [text.lower() not in ("", "alpha") for text in texts]
    at = [k for k in range(file.count) if named[k] or colours[k] != "alpha"]
    own, painted = (tuple(some[k] for k in at) for some in (texts, colours))
    one_each = all(own) and len(set(own)) == len(own)
    if not one_each and not all(_NUMBERED.fullmatch(text.lower()) for text in own):
        raise ValueError(f"bands called {', '.join(own)}: give each a name of its own")
    is_rgb = set(_RGB) <= set(painted) and len(set(painted)) == len(painted)
    return [k + 1 for k in at], own if one_each else (), painted if is_rgb else ()


def _find(
    bands: Sequence[str], numbers: list[int], own: Sequence[str], colours: Sequence[str]
) -> list[int]:
    """Find bands by name; where names say nothing by colour, or by their order."""
    told = own and not all(_NUMBERED.fullmatch(name.lower()) for name in own)
    for names in (own,) if told else (own, colours, bands):
        at = {name.lower(): k for name, k in zip(names, numbers, strict=False)}
        if len(names) == len(numbers) and all(band.lower() in at for band in bands):
            return [at[band.lower()] for band in bands]
    absent = ", ".join(band for band in bands if band not in own)
    known = ", ".join(own or colours) or f"{len(numbers)} without names"
    raise ValueError(f"no band is called {absent}: they are {known}")


def to_rgb(file: Image.Image) -> tuple[Image.Image, str]:
    """Make an upright 8-bit RGB picture, and say what was lost; "" if nothing was.

    Raises:
        ValueError: floating-point or 32-bit pixels.
    """
    is_wide = file.mode.startswith("I") or ";16" in str(getattr(file, "tile", ""))
    frames = 1 if file.format == "MPO" else getattr(file, "n_frames", 1)
    note = f"the first of its {frames} pages is read" * (frames > 1)
    picture = ImageOps.exif_transpose(file)
    if picture.mode.startswith(("F", "I")):  # 16-bit grey is "I" in older Pillows
        wide = np.asarray(picture)
        if picture.mode == "F" or wide.min() < 0 or wide.max() > 65535:
            raise ValueError("floating-point or 32-bit pixels: they are no picture")
        picture = Image.fromarray((wide >> 8).astype(np.uint8))
    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")  # a palette may hold transparency too
        if picture.getchannel("A").getextrema()[0] == 0:
            note = "what is transparent is read as the colour that it has"
    picture = picture.convert("RGB")
    if is_wide:
        low, high = zip(*picture.getextrema(), strict=True)
        if (levels := max(high) - min(low) + 1) < 32:  # its contrast is lost
            note = f"of its 16 bits {levels} of 256 levels are left: stretch it first"
    return picture, note


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
    # It would say so of each file, and such files are as welcome
    warnings.filterwarnings("ignore", message="Dataset has no geotransform")
    return rasterio


def open_raster(path: str) -> Any:
    """Open a GeoTIFF, to be used in a `with`.

    Raises:
        OSError: it is damaged, or no GeoTIFF.
        WorkshopError: rasterio is not installed.
    """
    return import_rasterio().open(path)


def raster_place(file: Any) -> dict[str, Any]:
    """Return where a raster lies, as `rasterio.open` takes it to write another."""
    points, crs = file.gcps
    if points and file.transform.is_identity:
        return {"gcps": points, "crs": crs}
    return {"transform": file.transform, "crs": file.crs}


def center_of(file: Any) -> dict[str, float]:
    """Return "lat" and "lon" of the centre in degrees; {} if not georeferenced."""
    from rasterio.transform import from_gcps, xy
    from rasterio.warp import transform

    place = raster_place(file)
    grid = from_gcps(place["gcps"]) if "gcps" in place else file.transform
    crs = place["crs"]
    if not crs or not (crs.is_projected or crs.is_geographic) or grid.is_identity:
        return {}
    x, y = xy(grid, file.height / 2, file.width / 2, offset="ul")
    (lon,), (lat,) = transform(crs, "EPSG:4326", [x], [y])
    return {"lat": lat, "lon": lon} if np.isfinite([lat, lon]).all() else {}


def day_of(file: Any) -> dict[str, int]:
    """Return "day_of_year" by the tag of acquisition, else of the file; {} if none."""
    acquired = file.tags(ns="IMAGERY").get("ACQUISITIONDATETIME")
    text = acquired or file.tags().get("TIFFTAG_DATETIME", "")
    with suppress(ValueError):  # no date, or none in this form
        date = datetime.strptime(re.sub(r"\D", "", text)[:8], "%Y%m%d")
        return {"day_of_year": date.timetuple().tm_yday}
    return {}
