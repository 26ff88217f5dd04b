"""GeoTIFFs of many bands, one file per image: bands by name, never by number.

Archives number their bands differently (in EuroSAT's files B8A comes last, in others
after B08), and a wrong order is nothing that a training would complain about. So names
come from the band descriptions in the files, or from the caller.

What the numbers mean is decided by `workshop_lib.data.read.values`, file by file. Sizes
follow the one rule of `workshop_lib.data.read.images`. The centre of a georeferenced
image becomes its "lat" and "lon", the date in its tags its "day_of_year".
"""

__all__ = ["geotiffs", "is_multiband", "raster_size", "read_pictures", "read_raster"]

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from workshop_lib.data.dataset import RGB, Dataset
from workshop_lib.data.read import images
from workshop_lib.data.read.index import ImageEntry, ImageIndex, index_images
from workshop_lib.data.read.large_image import missing
from workshop_lib.data.read.values import Values, center_of, day_of, open_raster
from workshop_lib.errors import WorkshopError, listed

ENDINGS = (".tif", ".tiff")
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the last two: BigTIFF
_BITS, _ABOUT, _NODATA = 258, 42112, 42113  # tags; the second has names and colours
_PLAIN = re.compile(r"(red|green|blue|gr[ae]y|alpha|(band|layer|channel)?[ _-]*\d*)")
_ASKED = 25  # files of a data set that say of which kind most are


def geotiffs(
    data: Path | str | ImageIndex,
    bands: Sequence[str] | None = None,
    size: int | None = None,
    cache: bool = True,
    on_error: images.OnError = "raise",
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
    reader = GeoTiffReader(index, bands)
    found = images.read_images(reader, size, cache, on_error)
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
        self.index, self.size = index, partial(raster_size, index)
        self.is_picture, count, known = _usual(index)
        if bands and set(RGB) <= set(known) and not set(bands) & set(known):
            known = ()  # colours only, and the caller knows better
        self.names = () if known else tuple(bands or ())  # if the files have none
        known = known or self.names
        if len(known) != count:
            raise WorkshopError(
                f"the files in {index.where} have {count} bands without names: name all"
                " of them in their order, as in B01,B02,B03,...;"
                f" {len(known)} names were given."
            )
        if set(known) == set(RGB):  # in whatever order they are stored
            known = RGB
        self.bands = tuple(bands) if bands is not None else known
        missing = [band for band in self.bands if band not in known]
        if missing or not self.bands:
            raise WorkshopError(
                f"bands {listed(missing) or '(none)'} are not in"
                f" {index.where or 'these files'}: they hold {', '.join(known)}."
            )
        self.rules = f"geotiff 3, {self.is_picture}, {self.bands} of {self.names}"

    def read(self, entry: ImageEntry, height: int, width: int) -> images.Decoded:
        """Read one image; one of UNREADABLE_IMAGE if a band is missing or has gaps."""
        with open_raster(_source(self.index, entry)) as file:
            # Asked of every file: order, scale and offset may differ
            values = Values(file, self.bands, self.names)
            if values.is_picture != self.is_picture:
                kind = "8-bit pictures" if self.is_picture else "reflectance"
                raise ValueError(f"{file.dtypes[0]}, where most others are {kind}")
            found = read_raster(file, values, height, width)
            return replace(found, metadata=center_of(file) | day_of(file))


def read_pictures(
    index: ImageIndex, size: int | None = None, on_error: images.OnError = "raise"
) -> images.ReadImages:
    """Read files as red, green and blue, for instance to predict.

    Args:
        index: of the files.
        size, on_error: as of `read_images`.

    Raises:
        WorkshopError: files that cannot be read.
    """
    is_raster = is_multiband(index)
    reader = GeoTiffReader(index, RGB) if is_raster else images.PictureReader(index)
    return images.read_images(reader, size, on_error=on_error)


def is_multiband(index: ImageIndex) -> bool:
    """Return whether most images are GeoTIFFs that hold more than a picture does.

    More than red, green and blue or grey in 8 bits, or these in an order or with a mask
    that only the tags of a GeoTIFF tell. Some files that can be read decide.
    """
    votes = Counter(_is_multiband(index, entry) for entry in _some(index))
    return votes[True] > votes[False]


def _some(index: ImageIndex) -> list[ImageEntry]:
    return index.entries[:: max(1, len(index.entries) // _ASKED)]


def _is_multiband(index: ImageIndex, entry: ImageEntry) -> bool | None:
    """Ask one file; None if it is no image: reading will list it."""
    is_tiff = False
    try:
        with index.open(entry.place) as stream:
            is_tiff = stream.read(4) in _TIFF
            stream.seek(0)
            image = Image.open(stream)
            tags = getattr(image, "tag_v2", {})
            bits = tags.get(_BITS, (1,))
            texts = re.findall(r'role="description">([^<]*)<', tags.get(_ABOUT, ""))
            named = any(not _PLAIN.fullmatch(text.strip().lower()) for text in texts)
            ordered = 'role="colorinterp"' in tags.get(_ABOUT, "")
            inside = is_tiff and getattr(image, "n_frames", 1) > 1
            masked = inside or _NODATA in tags or ".msk" in [s[0] for s in entry.sides]
            return named or ordered or (len(bits) > 1 and (masked or max(bits) != 8))
    except images.UNREADABLE_IMAGE as error:  # Pillow opens none of, say, 13 bands
        odd = isinstance(error, (Image.UnidentifiedImageError, SyntaxError))
        return True if is_tiff and odd else None


def _usual(index: ImageIndex) -> tuple[bool, int, tuple[str, ...]]:
    """Return what most files hold: whether pictures, number and names of bands."""
    votes: Counter[tuple[bool, int, tuple[str, ...]]] = Counter()
    for entry in _some(index):
        try:
            with open_raster(_source(index, entry)) as file:
                found = Values(file)
                votes[found.is_picture, len(found.numbers), found.bands] += 1
        except images.UNREADABLE_IMAGE as error:  # reading will list them all
            if isinstance(error, WorkshopError):
                raise
    if not votes:
        raise WorkshopError(f"{index.where}: none of its GeoTIFF files can be read.")
    return votes.most_common(1)[0][0]


def raster_size(index: ImageIndex, entry: ImageEntry) -> tuple[int, int]:
    """Return height and width of a GeoTIFF by its header, whatever its bands."""
    with open_raster(_source(index, entry)) as dataset:
        return dataset.height, dataset.width


def _source(index: ImageIndex, entry: ImageEntry) -> str:
    """Return what `open_raster` takes: a path, for an archive's entry one of GDAL's."""
    if isinstance(entry.place, str):
        return entry.place
    return f"/vsizip/{{{index.where}}}/{entry.place.filename}"


def read_raster(file: Any, values: Values, height: int, width: int) -> images.Decoded:
    """Read the bands of an open raster in one size.

    Raises:
        ValueError: gaps, which would be learned from, or values that cannot be.
    """
    pixels = values.read(file)  # (C, h, w)
    if gaps := int(missing(pixels).sum()):
        raise ValueError(f"{gaps} pixels without data")
    pages = len(file.subdatasets)
    note = (
        f"the first of its {pages} pages is read" if pages else values.unusual(pixels)
    )
    if resized := file.shape != (height, width):
        bands = (images.fit(Image.fromarray(band), height, width) for band in pixels)
        pixels = np.stack([np.asarray(band) for band in bands])
    return images.Decoded(pixels, resized, note=note)
