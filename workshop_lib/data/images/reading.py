"""All images of a listing into one tensor: once, with a bar, a few at a time.

Sizes: the target is `size` x `size`, or the most common size if none is given; see
`workshop_lib.data.images.decode` for what happens to an image of another size. Whatever
cannot be read is an error, and one message lists all of it; or it is left out, and said
so.
"""

__all__ = ["OnError", "ReadImages", "Reader", "decode_images", "read_images"]

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from workshop_lib.data.images.decode import (
    UNREADABLE_IMAGE,
    Decoded,
    Pictures,
    format_of,
)
from workshop_lib.data.images.listing import (
    ENDINGS,
    UNKNOWN,
    ImageFile,
    Listing,
    list_files,
)
from workshop_lib.data.mapped import Write, kept_tensor
from workshop_lib.errors import WorkshopError, unknown_name

OnError = Literal["raise", "skip"]

_CHUNK = 512  # images in memory at a time, at most; Ctrl-C waits for one such chunk
_CHUNK_BYTES = 2**25
_LISTED = 20  # offenders that an error names


class Reader(Protocol):
    """Reads one kind of image: pictures, GeoTIFFs, folders of bands."""

    listing: Listing  # what there is to read
    rules: str  # names all that decides what the pixels become, for the cache
    pixel_bytes: int  # of one pixel, all channels together

    def size(self, file: ImageFile) -> tuple[int, int]:
        """Return height and width without reading the pixels."""

    def read(self, file: ImageFile, height: int, width: int) -> Decoded:
        """Read one image; raises one of `UNREADABLE_IMAGE`."""


@dataclass(frozen=True)
class ReadImages:
    """What was read, in the order of the files."""

    images: Tensor  # (N, C, H, W)
    labels: list[int]  # (N,)
    class_names: tuple[str, ...]
    names: tuple[str, ...]
    facts: dict[str, list[Any]]  # what every file told besides pixels, each (N,)
    note: str  # what was resized or left out; empty if nothing was


def read_images(
    reader: Reader,
    size: int | None = None,
    cache: bool = True,
    on_error: OnError = "raise",
) -> ReadImages:
    """Decode all files of a reader, or map what an earlier call has decoded.

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
    listing = reader.listing

    def check(found: dict[str, Any]) -> list[str]:
        broken = [*listing.problems, *found["broken"]]
        if broken and (on_error == "raise" or not found["kept"]):
            where = f" in {listing.where}" if listing.where else ""
            number = f"{len(broken)} problem{'s' if len(broken) > 1 else ''}"
            head = f"{number}{where}: mend or remove what is listed."
            raise WorkshopError(_list(head, broken))
        return broken

    def fill(write: Write) -> dict[str, Any]:
        found = _decode(reader, size, write)
        check(found)
        return found

    key = _key(reader, size) if cache else None
    images, found = kept_tensor(key, len(listing.files), fill)
    broken = check(found)  # again: what is wrong may have been skipped the last time
    notes = [found["note"]] if found["note"] else []
    if broken:
        notes.append(_list(f"{len(broken)} left out (on_error='skip'):", broken))
    labels, class_names = _classes(listing, found["kept"])
    names = tuple(listing.files[i].name for i in found["kept"])
    note = "\n".join(notes)
    return ReadImages(images, labels, class_names, names, found["facts"], note)


def decode_images(paths: Iterable[Path | str], size: int | None = None) -> Tensor:
    """Decode single image files by the same rules, for instance to predict.

    Shape: (N, 3, H, W) uint8.

    Raises:
        WorkshopError: no files, or files that cannot be read.
    """
    listing = list_files(paths)
    if not listing.files:
        raise WorkshopError("no image files were given.")
    return read_images(Pictures(listing), size=size, cache=False).images


def _classes(listing: Listing, kept: list[int]) -> tuple[list[int], tuple[str, ...]]:
    """Number the classes of the images that are left; one without any is dropped."""
    labels = [listing.labels[i] for i in kept]
    present = sorted(set(labels) - {UNKNOWN})
    number = {UNKNOWN: UNKNOWN, **{label: k for k, label in enumerate(present)}}
    names = tuple(listing.class_names[label] for label in present)
    return [number[label] for label in labels], names


def _key(reader: Reader, size: int | None) -> str:
    """Name everything that the decoded images depend on."""
    listing = reader.listing
    states = [(f.name, *f.state) for f in (*listing.files, *listing.others)]
    text = json.dumps([reader.rules, size, listing.where, states])
    return f"images-{hashlib.sha256(text.encode()).hexdigest()}"


@dataclass
class _Tally:
    """What happened while decoding."""

    kept: list[int] = field(default_factory=list)
    facts: list[dict[str, Any]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    resized: int = 0

    def add(self, i: int, found: Decoded | str) -> None:
        if isinstance(found, str):
            self.broken.append(found)
            return
        self.kept.append(i)
        self.facts.append(found.facts)
        self.resized += found.resized


def _decode(reader: Reader, size: int | None, write: Write) -> dict[str, Any]:
    """Decode on all cores, hand the rows on, and tell what happened."""
    files = reader.listing.files
    tally = _Tally()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        height, width = (size, size) if size else _most_common_size(pool, reader)
        image_bytes = height * width * reader.pixel_bytes
        step = max(1, min(_CHUNK, _CHUNK_BYTES // image_bytes))

        def read(file: ImageFile) -> Decoded | str:
            if file.state[0] == 0:
                return f"{file.name}: empty file (0 bytes)"
            try:
                return reader.read(file, height, width)
            except WorkshopError:  # nothing that is wrong with this file alone
                raise
            except UNREADABLE_IMAGE as error:
                return f"{file.name}: {_reason(error)}"

        # disable=None: a bar in terminals, nothing elsewhere.
        with tqdm(total=len(files), desc="decoding", unit="image", disable=None) as bar:
            for k in range(0, len(files), step):
                chunk = list(pool.map(read, files[k : k + step]))
                rows = [found.pixels for found in chunk if isinstance(found, Decoded)]
                if rows:
                    write(np.stack(rows))  # (n, C, H, W)
                for i, found in enumerate(chunk, start=k):
                    tally.add(i, found)
                bar.update(len(chunk))
    note = (
        f"{tally.resized} of {len(files)} images are not {width}x{height} px: resized"
        " to cover it, and cropped to the centre."
    )
    names = tally.facts[0] if tally.facts else {}
    columns = {name: [row.get(name) for row in tally.facts] for name in names}
    return {
        "kept": tally.kept,
        "facts": {name: all_ for name, all_ in columns.items() if None not in all_},
        "broken": tally.broken + _misnamed(reader.listing),
        "note": note if tally.resized else "",
    }


def _most_common_size(pool: ThreadPoolExecutor, reader: Reader) -> tuple[int, int]:
    """Count sizes by the headers: (height, width); (1, 1) if no file is readable."""

    def read(file: ImageFile) -> tuple[int, int] | None:
        try:
            return reader.size(file)
        except UNREADABLE_IMAGE:
            return None

    sizes = pool.map(read, reader.listing.files)
    votes = Counter(size for size in sizes if size)
    # Of equally common sizes, the larger.
    return max(votes, key=lambda s: (votes[s], s[0] * s[1], s)) if votes else (1, 1)


def _misnamed(listing: Listing) -> list[str]:
    """Look for images among the files that were left out because of their ending."""
    found = []
    for file in listing.others:
        try:
            with listing.open(file.place) as stream:
                kind = format_of(stream)
        except UNREADABLE_IMAGE:  # whatever it is, nobody asked for it
            continue
        if kind:
            found.append(
                f"{file.name}: {kind} by its content, but the name does not end in one"
                f" of {', '.join(ENDINGS)}"
            )
    return found


def _reason(error: Exception) -> str:
    """Tell in a few words why a file could not be read."""
    if isinstance(error, Image.UnidentifiedImageError):
        return "not an image that can be read"
    return (str(error) or type(error).__name__).splitlines()[0]


def _list(head: str, lines: Sequence[str]) -> str:
    more = [f"... and {len(lines) - _LISTED} more"] if len(lines) > _LISTED else []
    return "\n  ".join([head, *lines[:_LISTED], *more])
