"""Caches: decoded or generated tensors, kept in files.

A cache may only ever save time. So a file that is cut off, or that something else
wrote, is rebuilt; and where nothing can be written, the work is simply done again.

`cached` keeps a dictionary of tensors and loads it whole. `memmap_cache` keeps one
tensor that may be larger than memory: it is written row by row to a file of raw
numbers, and mapped into memory instead of read. What the numbers are is `cached` after
them, so a file that was not finished has no description, and is rebuilt.
"""

__all__ = [
    *("WriteRows", "cached", "file_state", "image_digest", "memmap_cache", "sides_of")
]

import hashlib
import io
import math
import os
import re
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from workshop_lib.files import UNREADABLE, write_whole

SIDES = (".msk", ".aux.xml", ".ovr")  # parts of the raster that they are named after
WORLD = (".tfw", ".wld")  # where it lies: in place of its ending
Rows = np.ndarray[Any, Any]
WriteRows = Callable[[Rows], None]  # takes rows (n, ...), always of one shape and type
Fill = Callable[[WriteRows], dict[str, Any]]  # writes rows; returns facts about them


def cache_folder() -> Path:
    """Return the folder of the cache: `WORKSHOP_CACHE`, else `.cache/workshop` here."""
    return Path(os.environ.get("WORKSHOP_CACHE") or Path(".cache") / "workshop")


def _cache_path(key: str, ending: str) -> Path:
    """Make a file name that people can read and that no two keys share."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", key)[:60].strip("-.") or "cache"
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    return cache_folder() / f"{readable}-{digest}{ending}"


def cached(
    key: str,
    build: Callable[[], dict[str, Any]],
    fits: Callable[[dict[str, Any]], bool] = bool,
) -> dict[str, Any]:
    """Load what an earlier call with the same key built, or build and keep it.

    Args:
        key: names everything that the result depends on; another key, another file.
        build: makes the result: a dictionary of tensors, numbers, texts, and lists or
            dictionaries of these (nothing else can be loaded without running code).
        fits: whether what was loaded may be used; by default if it is not empty.

    Returns:
        The dictionary. If nothing can be written, it was built and not kept, which one
        line on stderr says.
    """
    path = _cache_path(key, ".pt")
    with suppress(*UNREADABLE):  # not there, damaged, or something else
        # weights_only: a file from elsewhere can hold data, never code that runs.
        state = torch.load(path, map_location="cpu", weights_only=True)
        found: dict[str, Any] = state["content"]
        if state["key"] == key and fits(found):
            return found
    if path.exists():
        about = "is damaged, or of another version: building it again."
        print(path, about, file=sys.stderr)
    content = build()
    state = {"key": key, "content": content}
    try:
        write_whole(path, lambda temporary: torch.save(state, temporary))
    except (OSError, RuntimeError) as error:
        _warn(path, error)
    return content


def image_digest(images: Tensor) -> str:
    """Hash every pixel, for a key; chunk by chunk: a set may be larger than memory."""
    digest = hashlib.blake2b(str(tuple(images.shape)).encode(), digest_size=20)
    for chunk in images.split(4096):
        digest.update(chunk.cpu().contiguous().numpy().data)
    return digest.hexdigest()


def memmap_cache(key: str | None, fill: Fill) -> tuple[Tensor, dict[str, Any]]:
    """Map the tensor that an earlier call with the same key wrote, or make it.

    Writing to the tensor changes memory, never the file; where a file is larger than
    memory, it may not be written to at all.

    Args:
        key: names everything that the rows depend on; None keeps no file.
        fill: makes the rows, a few at a time. Called again if the disk is full.

    Returns:
        The tensor (N, ...) and the facts. If nothing can be written, the tensor is in
        memory, which one line on stderr says.
    """
    if key is None:
        return _in_memory(fill)
    path = _cache_path(key, ".rows")

    def build() -> dict[str, Any]:
        about: dict[str, Any] = {}

        def write(temporary: Path) -> None:
            # Plain writes: through a mapping, a full disk would kill the program.
            with temporary.open("wb") as file:
                about.update(_write(file, fill))

        write_whole(path, write)
        return about

    def fits(about: dict[str, Any]) -> bool:
        size = math.prod(about["shape"]) * np.dtype(about["dtype"]).itemsize
        return path.exists() and path.stat().st_size == size

    try:
        about = cached(key, build, fits)
    except OSError as error:
        _warn(path, error)
        return _in_memory(fill)
    return _map(path, about["dtype"], tuple(about["shape"])), about["facts"]


def _write(file: BinaryIO, fill: Fill) -> dict[str, Any]:
    """Write the rows, and return what is needed to map them."""
    about: dict[str, Any] = {"shape": [0], "dtype": ""}

    def write(some: Rows) -> None:
        about["dtype"] = some.dtype.str
        about["shape"] = [about["shape"][0] + len(some), *some.shape[1:]]
        file.write(np.ascontiguousarray(some).data)

    facts = fill(write)
    return {**about, "facts": facts}


def _in_memory(fill: Fill) -> tuple[Tensor, dict[str, Any]]:
    file = io.BytesIO()
    about = _write(file, fill)
    rows = np.frombuffer(file.getbuffer(), about["dtype"]).reshape(about["shape"])
    return torch.from_numpy(rows), about["facts"]


def _map(path: Path, dtype: str, shape: tuple[int, ...]) -> Tensor:
    try:
        # "c", copy on write: a cell that writes to the images harms no file.
        return torch.from_numpy(np.memmap(path, dtype, mode="c", shape=shape))
    except OSError:  # the system will not promise memory for that many copies
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*not writable.*")
            return torch.from_numpy(np.memmap(path, dtype, mode="r", shape=shape))


def _warn(path: Path, reason: object) -> None:
    print(
        f"warning: continuing without a cache, {path} cannot be written ({reason});"
        " free some space, or set WORKSHOP_CACHE to a folder you may write to.",
        file=sys.stderr,
    )


def file_state(place: Path | str) -> tuple[int, ...]:
    """Return size, time of content and time of change; -1 for a dangling link."""
    try:
        stat = os.stat(place)
    except (OSError, ValueError):  # or a zero byte in the name
        return (-1, -1, -1)  # decoding will report it
    # The third changes too where a copy keeps the time of the original.
    return (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def sides_of(name: str, state_of: Callable[[str], Any]) -> tuple[Any, ...]:
    """Return ending and state of each file that belongs to a raster."""
    stem, ending = os.path.splitext(name)
    if ending.lower() not in (".tif", ".tiff"):
        return ()
    ends = [*((name, end) for end in SIDES), *((stem, end) for end in WORLD)]
    found = ((end, state_of(begin + end)) for begin, end in ends)
    return tuple((end, *state) for end, state in found if state and state[0] >= 0)
