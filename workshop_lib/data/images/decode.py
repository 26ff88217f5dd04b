"""From an image file to pixels, by one set of rules.

- Every picture becomes 8-bit RGB: grey is repeated, transparency dropped, of 16-bit
  grey the high byte is kept.
- An image that already has the target size is kept as it is. Any other is resized
  until it just covers the target, then cropped to its centre.
"""

__all__ = ["UNREADABLE_IMAGE", "Decoded", "Pictures", "fit", "format_of"]

import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from workshop_lib.data.images.listing import ImageFile, Listing

# What Pillow and archives raise for files that are damaged or are no images.
UNREADABLE_IMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    IndexError,
    EOFError,
    RuntimeError,  # also: an encrypted archive, a compression that is not supported
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
    Image.DecompressionBombError,
)

_FORMATS = ("JPEG", "JPEG2000", "PNG", "TIFF", "GIF", "BMP", "WEBP")


@dataclass(frozen=True)
class Decoded:
    """The pixels of one image, and what else its file told."""

    pixels: np.ndarray[Any, Any]  # (C, H, W)
    resized: bool  # whether the file had another size
    facts: dict[str, Any] = field(default_factory=dict)  # numbers or texts, for JSON


class Pictures:
    """Read the RGB images of a listing: JPEG, PNG, 8-bit TIFF and others."""

    rules = "pictures 2"  # another number makes every cache anew
    pixel_bytes = 3

    def __init__(self, listing: Listing) -> None:
        self.listing = listing

    def size(self, file: ImageFile) -> tuple[int, int]:
        """Return height and width by the header alone."""
        with self.listing.open(file.place) as stream, Image.open(stream) as image:
            return image.height, image.width

    def read(self, file: ImageFile, height: int, width: int) -> Decoded:
        """Decode one image.

        Raises:
            one of UNREADABLE_IMAGE: the file is damaged or no picture.
        """
        with self.listing.open(file.place) as stream, Image.open(stream) as image:
            picture = fit(_to_rgb(image), height, width)
            resized = image.size != (width, height)
        return Decoded(np.asarray(picture).transpose(2, 0, 1), resized)  # (3, H, W)


def format_of(stream: BinaryIO) -> str:
    """Tell the format of a file by its content: "PNG", ...; empty if it is no image."""
    try:
        with Image.open(stream, formats=_FORMATS) as image:
            return image.format or ""
    except UNREADABLE_IMAGE:
        return ""


def fit(
    picture: Image.Image,
    height: int,
    width: int,
    how: Image.Resampling = Image.Resampling.BILINEAR,
) -> Image.Image:
    """Resize until it covers the target, crop the centre; untouched if it fits."""
    if picture.size == (width, height):
        return picture
    scale = max(width / picture.width, height / picture.height)
    w = max(width, round(picture.width * scale))
    h = max(height, round(picture.height * scale))
    left, top = (w - width) // 2, (h - height) // 2
    picture = picture.resize((w, h), how)
    return picture.crop((left, top, left + width, top + height))


def _to_rgb(file: Image.Image) -> Image.Image:
    if file.mode == "F":
        raise ValueError("floating-point pixels: read them with Scenes.from_geotiffs")
    if file.mode.startswith("I"):  # 16-bit grey; older versions of Pillow say "I"
        wide = np.asarray(file)
        if wide.min() < 0 or wide.max() > 65535:
            raise ValueError("32-bit pixels: read them with Scenes.from_geotiffs")
        return Image.fromarray((wide >> 8).astype(np.uint8)).convert("RGB")
    if file.mode == "P":  # a palette may hold transparency, which RGB alone warns about
        return file.convert("RGBA").convert("RGB")
    return file.convert("RGB")
