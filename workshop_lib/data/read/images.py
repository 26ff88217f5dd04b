"""All images of an index in one tensor: decoded once, a few at a time, and kept.

- Every picture becomes 8-bit RGB, turned as its EXIF says: grey is repeated,
  transparency dropped, of 16 bits the high byte is kept; what is lost is said.
- The target is `size` x `size`, or the most common size if none is given. An image of
  that size is kept as it is. Any other is resized until it just covers the target, then
  cropped to its centre.
- Whatever cannot be read is an error, and one message lists all of it; or it is left
  out, and said so.
"""

__all__ = [
    "UNREADABLE_IMAGE",
    "Decoded",
    "OnError",
    "PictureReader",
    "ReadImages",
    "decode_images",
    "fit",
    "header_sizes",
    "read_images",
]

import hashlib
import json
import math
import os
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from workshop_lib.data.cache import WriteRows, memmap_cache
from workshop_lib.data.read.index import UNKNOWN, ImageEntry, ImageIndex, index_files
from workshop_lib.data.read.values import to_rgb
from workshop_lib.errors import WorkshopError, listed, unknown_name
from workshop_lib.files import UNREADABLE

OnError = Literal["raise", "skip"]

# What Pillow and archives raise for files that are damaged or are no images.
_OTHERS = (SyntaxError, struct.error, zlib.error, Image.DecompressionBombError)
UNREADABLE_IMAGE = (*UNREADABLE, *_OTHERS)
_LISTED = 20  # offenders that an error names
_ORIENTATION = 0x0112  # of EXIF: 5 and above lie on their side


@dataclass(frozen=True)
class Decoded:
    """The pixels of one image, and what else its file holds."""

    pixels: np.ndarray[Any, Any]  # (C, H, W)
    resized: bool  # whether the file had another size
    metadata: dict[str, Any] = field(default_factory=dict)  # numbers or texts, for JSON
    note: str = ""  # what was lost, or looks odd


class ImageReader(Protocol):
    """Reads one kind of image: pictures, GeoTIFFs, folders of bands."""

    index: ImageIndex  # what there is to read
    rules: str  # names all that decides what the pixels become, for the cache

    def size(self, entry: ImageEntry) -> tuple[int, int]:
        """Return height and width without reading the pixels."""

    def read(self, entry: ImageEntry, height: int, width: int) -> Decoded:
        """Read one image; raises one of `UNREADABLE_IMAGE`."""


class PictureReader:
    """Reads the RGB images of an index: JPEG, PNG, 8-bit TIFF and others."""

    rules = "pictures 3"  # another number rebuilds every cache

    def __init__(self, index: ImageIndex) -> None:
        self.index = index

    def size(self, entry: ImageEntry) -> tuple[int, int]:
        """Return height and width, as it is seen upright, by the header alone."""
        with self.index.open(entry.place) as stream, Image.open(stream) as image:
            turned = "exif" in image.info and image.getexif().get(_ORIENTATION, 1) >= 5
            return image.size if turned else image.size[::-1]

    def read(self, entry: ImageEntry, height: int, width: int) -> Decoded:
        """Decode one image."""
        with self.index.open(entry.place) as stream, Image.open(stream) as image:
            picture, note = to_rgb(image)
        resized = picture.size != (width, height)
        picture = fit(picture, height, width)
        pixels = np.asarray(picture).transpose(2, 0, 1)  # (3, H, W)
        return Decoded(pixels, resized, note=note)


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


@dataclass(frozen=True)
class ReadImages:
    """The images that were read, in the order of the index."""

    images: Tensor  # (N, C, H, W)
    labels: list[Any]  # (N,), or (N, K) of several labels each
    class_names: tuple[str, ...]
    names: tuple[str, ...]
    metadata: dict[str, list[Any]]  # what every file holds besides pixels, each (N,)
    note: str  # what was resized or left out; empty if nothing was


def read_images(
    reader: ImageReader,
    size: int | None = None,
    cache: bool = True,
    on_error: OnError = "raise",
) -> ReadImages:
    """Decode all images of a reader, or map what an earlier call has decoded.

    Args:
        size: side in pixels of the images; None for their own or most common size.
        cache: whether to keep the images until a name, a file size or a time of change
            differs.
        on_error: "raise" an error that lists every offender, or "skip" them.

    Raises:
        WorkshopError: files that cannot be read; with "skip" only if that is all.
    """
    if size is not None and size < 1:
        raise WorkshopError(f"size={size}: give the side of the images in pixels.")
    if on_error not in ("raise", "skip"):
        raise unknown_name("on_error", on_error, ("raise", "skip"))
    index = reader.index

    def check(found: dict[str, Any]) -> list[str]:
        """Return the offenders, one a line below a title; or raise them."""
        broken = [*index.problems, *found["broken"]]
        more = [f"... and {len(broken) - _LISTED} more"] * (len(broken) > _LISTED)
        lines = "\n  ".join(["", *broken[:_LISTED], *more])
        if broken and (on_error == "raise" or not found["kept"]):
            where = f" in {index.where}" if index.where else ""
            number = f"{len(broken)} problem{'s' if len(broken) > 1 else ''}"
            raise WorkshopError(
                f"{number}{where}: mend or remove what is listed.{lines}"
            )
        title = f"{len(broken)} left out (on_error='skip'):"
        return [title + lines] if broken else []

    def fill(write: WriteRows) -> dict[str, Any]:
        found = _decode(reader, size, write)
        check(found)  # what is wrong is not kept
        return found

    # Everything that the decoded images depend on
    states = [(one.name, *one.state, *one.sides) for one in index.entries]
    about = json.dumps([reader.rules, size, index.where, states]).encode()
    key = f"decoded-{hashlib.sha256(about).hexdigest()}" if cache else None
    images, found = memmap_cache(key, fill)
    left_out = check(found)  # again: what is wrong may have been skipped the last time
    labels, class_names = [index.labels[i] for i in found["kept"]], index.class_names
    if not any(isinstance(label, list) for label in labels):  # one each
        # Numbered by the images that are left; a class without any is dropped.
        present = sorted(set(labels) - {UNKNOWN})
        number = {UNKNOWN: UNKNOWN, **{label: k for k, label in enumerate(present)}}
        labels = [number[label] for label in labels]
        class_names = tuple(class_names[k] for k in present)
    return ReadImages(
        images,
        labels,
        class_names,
        tuple(index.entries[i].name for i in found["kept"]),
        found["metadata"],
        "\n".join(filter(None, [index.note, found["note"], *left_out])),
    )


def decode_images(paths: Iterable[Path | str], size: int | None = None) -> Tensor:
    """Decode single pictures by the same rules, for instance to look at them.

    Shape: (N, 3, H, W) uint8.

    Raises:
        WorkshopError: files that cannot be read.
    """
    return read_images(PictureReader(index_files(paths)), size, cache=False).images


def _decode(reader: ImageReader, size: int | None, write: WriteRows) -> dict[str, Any]:
    """Decode on all cores, pass the rows on, and report what happened."""
    entries = reader.index.entries
    height, width = (size, size) if size else _most_common_size(reader)

    def read(entry: ImageEntry) -> Decoded | str:
        if entry.state[0] == 0:
            return f"{entry.name}: empty file (0 bytes)"
        try:
            return reader.read(entry, height, width)
        except WorkshopError:  # nothing that is wrong with this file alone
            raise
        except Image.UnidentifiedImageError:
            return f"{entry.name}: not an image that can be read"
        except UNREADABLE_IMAGE as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            return f"{entry.name}: {reason}"

    kept: list[int] = []
    metadata: list[dict[str, Any]] = []
    broken: list[str] = []
    odd: list[str] = []
    resized = 0
    # Few at a time: all that is decoded and not yet written is in memory
    cores = os.cpu_count() or 1
    chunks = (entries[k : k + 8 * cores] for k in range(0, len(entries), 8 * cores))
    with ThreadPoolExecutor(cores) as pool:
        decoded = (one for chunk in chunks for one in pool.map(read, chunk))
        bar = tqdm(decoded, "decoding", len(entries), unit="image", disable=None)
        for i, one in enumerate(bar):
            if isinstance(one, str):
                broken.append(one)
            else:
                write(one.pixels[None])  # (1, C, H, W)
                kept.append(i)
                metadata.append(one.metadata)
                resized += one.resized
                odd += [f"{entries[i].name}: {one.note}"] * bool(one.note)
    notes = [
        f"{resized} of {len(entries)} images are not {width}x{height} px: resized to"
        " cover it, and cropped to the centre."
    ] * bool(resized)
    notes += [f"{len(odd)} images to look at: {listed(odd, 2)}"] * bool(odd)
    known = dict.fromkeys(k for row in metadata for k in row)
    return {
        "kept": kept,
        "metadata": {k: [row.get(k, math.nan) for row in metadata] for k in known},
        "broken": broken,
        "note": "\n".join(notes),
    }


def header_sizes(
    entries: Sequence[ImageEntry], size: Callable[[ImageEntry], tuple[int, int]]
) -> list[tuple[int, int] | None]:
    """Return height and width of images by their headers; None if unreadable.

    Args:
        entries: the images.
        size: of one; see `ImageReader`.
    """

    def readable(entry: ImageEntry) -> tuple[int, int] | None:
        with suppress(*UNREADABLE_IMAGE):
            return size(entry)
        return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(readable, entries)
        return list(tqdm(found, "reading headers", len(entries), disable=None))


def _most_common_size(reader: ImageReader) -> tuple[int, int]:
    """Count sizes by the headers: (height, width); (1, 1) if no file is readable."""
    votes = Counter(filter(None, header_sizes(reader.index.entries, reader.size)))
    # Of equally common sizes, the larger.
    return max(votes, key=lambda s: (votes[s], s[0] * s[1], s)) if votes else (1, 1)
