"""All images of an index in one tensor: decoded once, a few at a time, and kept.

The target is `size` x `size`, or the most common size if none is given; see `decode`
for what happens to an image of another size. Whatever cannot be read is an error, and
one message lists all of it; or it is left out, and said so.
"""

__all__ = ["ImageReader", "OnError", "ReadImages", "decode_images", "read_images"]

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from workshop_lib.data.cache import WriteRows, memmap_cache
from workshop_lib.data.read.decode import UNREADABLE_IMAGE, Decoded, PictureReader
from workshop_lib.data.read.index import (
    ENDINGS,
    UNKNOWN,
    ImageEntry,
    ImageIndex,
    index_files,
)
from workshop_lib.errors import WorkshopError, unknown_name

OnError = Literal["raise", "skip"]

_FORMATS = ("JPEG", "JPEG2000", "PNG", "TIFF", "GIF", "BMP", "WEBP")
_CHUNK = 512  # images in memory at a time, at most; Ctrl-C waits for one such chunk
_CHUNK_BYTES = 2**25
_LISTED = 20  # offenders that an error names


class ImageReader(Protocol):
    """Reads one kind of image: pictures, GeoTIFFs, folders of bands."""

    index: ImageIndex  # what there is to read
    rules: str  # names all that decides what the pixels become, for the cache
    pixel_bytes: int  # of one pixel, all channels together

    def size(self, entry: ImageEntry) -> tuple[int, int]:
        """Return height and width without reading the pixels."""

    def read(self, entry: ImageEntry, height: int, width: int) -> Decoded:
        """Read one image; raises one of `UNREADABLE_IMAGE`."""


@dataclass(frozen=True)
class ReadImages:
    """The images that were read, in the order of the index."""

    images: Tensor  # (N, C, H, W)
    labels: list[int]  # (N,)
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
        broken = [*index.problems, *found["broken"]]
        if broken and (on_error == "raise" or not found["kept"]):
            where = f" in {index.where}" if index.where else ""
            number = f"{len(broken)} problem{'s' if len(broken) > 1 else ''}"
            head = f"{number}{where}: mend or remove what is listed."
            raise WorkshopError(_list(head, broken))
        return broken

    def fill(write: WriteRows) -> dict[str, Any]:
        found = _decode(reader, size, write)
        check(found)
        return found

    key = _key(reader, size) if cache else None
    images, found = memmap_cache(key, len(index.entries), fill)
    broken = check(found)  # again: what is wrong may have been skipped the last time
    notes = [found["note"]] if found["note"] else []
    if broken:
        notes.append(_list(f"{len(broken)} left out (on_error='skip'):", broken))
    # Classes are numbered by the images that are left; one without any is dropped.
    labels = [index.labels[i] for i in found["kept"]]
    present = sorted(set(labels) - {UNKNOWN})
    number = {UNKNOWN: UNKNOWN, **{label: k for k, label in enumerate(present)}}
    return ReadImages(
        images,
        [number[label] for label in labels],
        tuple(index.class_names[label] for label in present),
        tuple(index.entries[i].name for i in found["kept"]),
        found["metadata"],
        "\n".join(notes),
    )


def decode_images(paths: Iterable[Path | str], size: int | None = None) -> Tensor:
    """Decode single image files by the same rules, for instance to predict.

    Shape: (N, 3, H, W) uint8.

    Raises:
        WorkshopError: no files, or files that cannot be read.
    """
    index = index_files(paths)
    if not index.entries:
        raise WorkshopError("no image files were given.")
    return read_images(PictureReader(index), size=size, cache=False).images


def _key(reader: ImageReader, size: int | None) -> str:
    """Name everything that the decoded images depend on."""
    index = reader.index
    states = [(one.name, *one.state) for one in (*index.entries, *index.others)]
    text = json.dumps([reader.rules, size, index.where, states])
    return f"decoded-{hashlib.sha256(text.encode()).hexdigest()}"


def _decode(reader: ImageReader, size: int | None, write: WriteRows) -> dict[str, Any]:
    """Decode on all cores, pass the rows on, and report what happened."""
    entries = reader.index.entries
    kept: list[int] = []
    metadata: list[dict[str, Any]] = []
    broken: list[str] = []
    resized = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        height, width = (size, size) if size else _most_common_size(pool, reader)
        image_bytes = height * width * reader.pixel_bytes
        step = max(1, min(_CHUNK, _CHUNK_BYTES // image_bytes))

        def read(entry: ImageEntry) -> Decoded | str:
            if entry.state[0] == 0:
                return f"{entry.name}: empty file (0 bytes)"
            try:
                return reader.read(entry, height, width)
            except WorkshopError:  # nothing that is wrong with this file alone
                raise
            except UNREADABLE_IMAGE as error:
                return f"{entry.name}: {_reason(error)}"

        # disable=None: a bar in terminals, nothing elsewhere.
        with tqdm(
            total=len(entries), desc="decoding", unit="image", disable=None
        ) as bar:
            for k in range(0, len(entries), step):
                chunk = list(pool.map(read, entries[k : k + step]))
                rows = [one.pixels for one in chunk if isinstance(one, Decoded)]
                if rows:
                    write(np.stack(rows))  # (n, C, H, W)
                for i, one in enumerate(chunk, start=k):
                    if isinstance(one, str):
                        broken.append(one)
                        continue
                    kept.append(i)
                    metadata.append(one.metadata)
                    resized += one.resized
                bar.update(len(chunk))
    note = (
        f"{resized} of {len(entries)} images are not {width}x{height} px: resized to"
        " cover it, and cropped to the centre."
    )
    return {
        "kept": kept,
        "metadata": {  # that of all images
            k: [row[k] for row in metadata]
            for k in (metadata[0] if metadata else ())
            if all(k in row for row in metadata)
        },
        "broken": broken + _misnamed(reader.index),
        "note": note if resized else "",
    }


def _most_common_size(pool: ThreadPoolExecutor, reader: ImageReader) -> tuple[int, int]:
    """Count sizes by the headers: (height, width); (1, 1) if no file is readable."""

    def read(entry: ImageEntry) -> tuple[int, int] | None:
        try:
            return reader.size(entry)
        except UNREADABLE_IMAGE:
            return None

    sizes = pool.map(read, reader.index.entries)
    votes = Counter(size for size in sizes if size)
    # Of equally common sizes, the larger.
    return max(votes, key=lambda s: (votes[s], s[0] * s[1], s)) if votes else (1, 1)


def _misnamed(index: ImageIndex) -> list[str]:
    """Look for images among the files that were left out because of their ending."""
    found = []
    for entry in index.others:
        try:
            with index.open(entry.place) as stream:
                image = Image.open(stream, formats=_FORMATS)
        except UNREADABLE_IMAGE:  # whatever it is, it was not asked for
            continue
        found.append(
            f"{entry.name}: {image.format} by its content, but the name does not end"
            f" in one of {', '.join(ENDINGS)}"
        )
    return found


def _reason(error: Exception) -> str:
    """Say in a few words why a file could not be read."""
    if isinstance(error, Image.UnidentifiedImageError):
        return "not an image that can be read"
    return (str(error) or type(error).__name__).splitlines()[0]


def _list(head: str, lines: Sequence[str]) -> str:
    more = [f"... and {len(lines) - _LISTED} more"] if len(lines) > _LISTED else []
    return "\n  ".join([head, *lines[:_LISTED], *more])
