"""Pictures: from an image file to pixels, by one set of rules.

- Every picture becomes 8-bit RGB: grey is repeated, transparency dropped, of 16-bit
  grey the high byte is kept.
- An image that already has the target size is kept as it is. Any other is resized
  until it just covers the target, then cropped to its centre.
"""

__all__ = ["UNREADABLE_IMAGE", "Decoded", "PictureReader", "fit"]

import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from workshop_lib.data.read.index import ImageEntry, ImageIndex

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


@dataclass(frozen=True)
class Decoded:
    """The pixels of one image, and what else its file holds."""

    pixels: np.ndarray[Any, Any]  # (C, H, W)
    resized: bool  # whether the file had another size
    metadata: dict[str, Any] = field(default_factory=dict)  # numbers or texts, for JSON


class PictureReader:
    """Reads the RGB images of an index: JPEG, PNG, 8-bit TIFF and others."""

    rules = "pictures 2"  # another number rebuilds every cache
    pixel_bytes = 3

    def __init__(self, index: ImageIndex) -> None:
        self.index = index

    def size(self, entry: ImageEntry) -> tuple[int, int]:
        """Return height and width by the header alone."""
        with self.index.open(entry.place) as stream, Image.open(stream) as image:
            return image.height, image.width

    def read(self, entry: ImageEntry, height: int, width: int) -> Decoded:
        """Decode one image."""
        with self.index.open(entry.place) as stream, Image.open(stream) as image:
            picture = fit(_to_rgb(image), height, width)
            resized = image.size != (width, height)
        return Decoded(np.asarray(picture).transpose(2, 0, 1), resized)  # (3, H, W)


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
        raise ValueError("floating-point pixels: read them with data.read.geotiff")
    if file.mode.startswith("I"):  # 16-bit grey; older versions of Pillow say "I"
        wide = np.asarray(file)
        if wide.min() < 0 or wide.max() > 65535:
            raise ValueError("32-bit pixels: read them with data.read.geotiff")
        return Image.fromarray((wide >> 8).astype(np.uint8)).convert("RGB")
    if file.mode == "P":  # a palette may hold transparency, which RGB alone warns about
        return file.convert("RGBA").convert("RGB")
    return file.convert("RGB")
