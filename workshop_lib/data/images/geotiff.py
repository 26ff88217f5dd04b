"""GeoTIFF files of many bands, one file per image: bands by name, never by number.

Archives number their bands differently (in EuroSAT's files B8A comes last, in others
after B08), and a wrong order is nothing that a training would complain about. So names
come from the band descriptions in the files, or from the caller.

Whole numbers are reflectance times 10,000, as Sentinel-2 products store it, and become
float32 reflectance; floating-point values stay as they are. Sizes follow the one rule
of `workshop_lib.data.images.decode`. The centre of a georeferenced image becomes its
"lat" and "lon".
"""

__all__ = ["GeoTiffs", "geotiffs", "is_multiband"]

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from PIL import TiffImagePlugin

from workshop_lib.data.checks import listed
from workshop_lib.data.images.decode import UNREADABLE_IMAGE, Decoded
from workshop_lib.data.images.listing import ImageFile, Listing, list_folder
from workshop_lib.data.images.raster import (
    band_names,
    open_raster,
    place_of,
    read_bands,
    without_place_warnings,
)
from workshop_lib.data.images.reading import OnError, read_images
from workshop_lib.data.images.zip_listing import list_zip
from workshop_lib.data.scenes import Scenes
from workshop_lib.errors import WorkshopError

ENDINGS = (".tif", ".tiff")


def geotiffs(
    data: Path | str | Listing,
    bands: Sequence[str] | None = None,
    file_bands: Sequence[str] | None = None,
    size: int | None = None,
    cache: bool = True,
    on_error: OnError = "raise",
) -> Scenes:
    """Read GeoTIFF files of many bands from a folder per class, or a zip of such.

    Needs `pip install 'workshop_lib[geo]'`.

    Args:
        data: the folder, the archive, or what was listed of one.
        bands: which bands, in this order, e.g. ("B04", "B03", "B02", "B08"); None for
            all.
        file_bands: what the bands in the files are called, all of them in the files'
            order, where the files do not say so themselves. Where nobody says so,
            `bands` has to name all of them.
        size, cache, on_error: as in `Scenes.from_folder`.

    Raises:
        WorkshopError: one message that lists everything wrong with the files.
    """
    if isinstance(data, Listing):
        listing = data
    elif Path(data).suffix.lower() == ".zip":
        listing = list_zip(data, endings=ENDINGS)
    else:
        listing = list_folder(data, endings=ENDINGS)
    with without_place_warnings():
        # Previews and the like beside GeoTIFFs are no images of the data set.
        reader = GeoTiffs(replace(listing, others=()), bands, file_bands)
        found = read_images(reader, size, cache, on_error)
    return Scenes.from_read(found, reader.bands)


class GeoTiffs:
    """Read some bands of the GeoTIFF files of a listing.

    Args:
        bands: names of the bands to read, in the order wanted; None for all.
        file_bands: names of all bands in the files, in the files' order; None if the
            files tell. Where nobody tells, `bands` has to name all of them in order.

    Raises:
        WorkshopError: rasterio is missing, neither files nor caller name the bands, or
            a wanted band is not among them.
    """

    def __init__(
        self,
        listing: Listing,
        bands: Sequence[str] | None = None,
        file_bands: Sequence[str] | None = None,
    ) -> None:
        self.listing = listing
        self.names = tuple(file_bands) if file_bands is not None else None
        if self.names is None:
            count, known = _first(listing)
            if not known:  # then whoever asks for bands has to name them all
                known = self.names = tuple(bands or ())
                if len(known) != count:
                    raise WorkshopError(
                        f"the files in {listing.where} have {count} bands without"
                        " names: name all of them in their order, as in"
                        f" B01,B02,B03,...; {len(known)} names were given."
                    )
        else:
            known = self.names
        self.bands = tuple(bands) if bands is not None else known
        missing = [band for band in self.bands if band not in known]
        if missing or not self.bands:
            raise WorkshopError(
                f"bands {listed(missing) or '(none)'} are not in {listing.where}: its"
                f" files hold {', '.join(known)}."
            )
        self.rules = f"geotiff 1, {self.bands} of {self.names}"
        self.pixel_bytes = 4 * len(self.bands)

    def size(self, file: ImageFile) -> tuple[int, int]:
        """Return height and width by the header alone."""
        with _open(self.listing, file) as dataset:
            return dataset.height, dataset.width

    def read(self, file: ImageFile, height: int, width: int) -> Decoded:
        """Read one image.

        Raises:
            one of UNREADABLE_IMAGE: the file is damaged, lacks a band or has gaps.
        """
        with _open(self.listing, file) as dataset:
            # Asked of every file: their orders may differ.
            names = self.names or band_names(dataset)
            if names and len(names) != dataset.count:
                raise ValueError(f"{dataset.count} bands for {len(names)} names")
            missing = [band for band in self.bands if band not in names]
            if missing:
                raise ValueError(f"no band is called {', '.join(missing)}")
            numbers = [names.index(band) + 1 for band in self.bands]
            pixels = read_bands(dataset, numbers, height, width)  # (C, H, W)
            resized = dataset.shape != (height, width)
            return Decoded(pixels, resized, place_of(dataset))


def is_multiband(listing: Listing) -> bool:
    """Tell whether images are GeoTIFFs that hold more than an 8-bit picture does.

    The first readable file decides; grey and RGB pictures are not for this module.
    """
    if not all(file.name.lower().endswith(ENDINGS) for file in listing.files):
        return False
    for file in listing.files:
        try:
            with listing.open(file.place) as stream:
                samples, bits = _layout(stream)
        except UNREADABLE_IMAGE:  # reading will list them all
            continue
        return samples not in (1, 3, 4) or (samples > 1 and bits != 8)
    return False


def _layout(stream: BinaryIO) -> tuple[int, int]:
    """Read bands and bits per value from a TIFF's header: Pillow, as rasterio may lack.

    Pillow itself opens no TIFF of 13 bands, but it reads the tags of any.
    """
    head = stream.read(8)
    if head[2:3] == b"+" or head[3:4] == b"+":  # version 43: BigTIFF
        head += stream.read(8)
    tags = TiffImagePlugin.ImageFileDirectory_v2(head)
    stream.seek(tags.next)
    tags.load(stream)
    bits = tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
    return int(tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1)), int(max(bits))


def _first(listing: Listing) -> tuple[int, tuple[str, ...]]:
    """Return number and names of the bands of the first file that can be read."""
    for file in listing.files:
        try:
            with without_place_warnings(), _open(listing, file) as dataset:
                return dataset.count, band_names(dataset)
        except WorkshopError:
            raise
        except UNREADABLE_IMAGE:  # reading will list them all
            continue
    raise WorkshopError(f"{listing.where}: none of its GeoTIFF files can be read.")


@contextmanager
def _open(listing: Listing, file: ImageFile) -> Iterator[Any]:
    if isinstance(file.place, str):
        with open_raster(file.place) as dataset:
            yield dataset
        return
    with listing.open(file.place) as stream, open_raster(stream.read()) as dataset:
        yield dataset
