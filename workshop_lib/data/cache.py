"""Caches: decoded or generated tensors, kept in one file.

A cache may only ever save time. So a file that is cut off, or that something else
wrote, is rebuilt; and where nothing can be written, the work is simply done again.

`cached` keeps a dictionary of tensors and loads it whole. `memmap_cache` keeps one
tensor that may be larger than memory: it is written row by row, and mapped into memory
instead of read. Its layout: the raw numbers from the first byte on, then a JSON text
that describes them, then the length of that text (8 bytes). As the description is at
the very end, a file that was cut off anywhere has none, and is rebuilt.
"""

__all__ = ["WriteRows", "cache_folder", "cached", "memmap_cache"]

import hashlib
import json
import os
import re
import struct
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from workshop_lib.files import UNREADABLE, write_whole

FORMAT = 1  # of the cache files; another number rebuilds every file
_LENGTH = struct.Struct("<Q")

Rows = np.ndarray[Any, Any]
WriteRows = Callable[[Rows], None]  # takes rows (n, ...), always of one shape and type
Fill = Callable[[WriteRows], dict[str, Any]]  # writes rows; returns facts for JSON


def cache_folder() -> Path:
    """Return the folder of the cache: `WORKSHOP_CACHE`, else `.cache/workshop` here."""
    return Path(os.environ.get("WORKSHOP_CACHE") or Path(".cache") / "workshop")


def _cache_path(key: str, folder: Path | str | None, ending: str) -> Path:
    """Make a file name that people can read and that no two keys share.

    Args:
        folder: of the file; `cache_folder()` if not given.
    """
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", key)[:60].strip("-.") or "cache"
    name = f"{readable}-{hashlib.sha256(key.encode()).hexdigest()[:16]}{ending}"
    return (Path(folder) if folder is not None else cache_folder()) / name


def cached(
    key: str, build: Callable[[], dict[str, Any]], folder: Path | str | None = None
) -> dict[str, Any]:
    """Load what an earlier call with the same key built, or build and keep it.

    Args:
        key: names everything that the result depends on; another key, another file.
        build: makes the result: a dictionary of tensors, numbers, texts, and lists or
            dictionaries of these (nothing else can be loaded without running code).
        folder: of the file; `cache_folder()` if not given.

    Returns:
        The dictionary. If nothing can be written, it was built and not kept, which one
        line on stderr says.
    """
    path = _cache_path(key, folder, ".pt")
    found = _load(path, key)
    if found is not None:
        return found
    content = build()
    state = {"format": FORMAT, "key": key, "content": content}
    try:
        write_whole(path, lambda temporary: torch.save(state, temporary))
    except (OSError, RuntimeError) as error:
        # torch reports both as a RuntimeError about positions in its archive.
        reason = (
            "no space or no permission" if isinstance(error, RuntimeError) else error
        )
        _warn(path, reason)
    return content


def _load(path: Path, key: str) -> dict[str, Any] | None:
    """Load a cache file, or report why not and return None."""
    if not path.exists():
        return None
    try:
        # weights_only: a file from elsewhere can hold data, never code that runs.
        state = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        _say(f"{path} is damaged ({type(error).__name__}): building it again.")
        return None
    if (
        not isinstance(state, dict)
        or state.get("format") != FORMAT
        or state.get("key") != key
        or not isinstance(state.get("content"), dict)
    ):
        _say(f"{path} was not written for this by this version: building it again.")
        return None
    return dict(state["content"])


def memmap_cache(
    key: str | None, most: int, fill: Fill, folder: Path | None = None
) -> tuple[Tensor, dict[str, Any]]:
    """Map the tensor that an earlier call with the same key wrote, or make it.

    Writing to the tensor changes memory, never the file; where a file is larger than
    memory, it may not be written to at all.

    Args:
        key: names everything that the rows depend on; None keeps no file.
        most: rows that `fill` will write at most.
        fill: makes the rows, a few at a time. Called again if the disk is full.
        folder: of the file; `cache_folder()` if not given.

    Returns:
        The tensor (N, ...) and the facts. If nothing can be written, the tensor is in
        memory, which one line on stderr says.
    """
    if key is None:
        return _in_memory(most, fill)
    path = _cache_path(key, folder, ".raw")
    found = _open(path, key) if path.exists() else None
    if found is not None:
        return found
    try:
        write_whole(path, lambda temporary: _write(temporary, key, fill))
    except OSError as error:
        _warn(path, error)
        return _in_memory(most, fill)
    return _open(path, key) or _in_memory(most, fill)


def _in_memory(most: int, fill: Fill) -> tuple[Tensor, dict[str, Any]]:
    rows: list[Rows] = []
    count = 0

    def write(some: Rows) -> None:
        nonlocal count
        if not rows:
            rows.append(np.empty((most, *some.shape[1:]), some.dtype))
        rows[0][count : count + len(some)] = some
        count += len(some)

    facts = fill(write)
    return torch.from_numpy(rows[0][:count]), facts


def _write(path: Path, key: str, fill: Fill) -> None:
    # Plain writes: through a mapping, a full disk would kill the program.
    with path.open("wb") as file:
        shape: list[int] = [0]
        dtype = ""

        def write(some: Rows) -> None:
            nonlocal dtype
            dtype = some.dtype.str
            shape[:] = [shape[0] + len(some), *some.shape[1:]]
            file.write(np.ascontiguousarray(some).data)

        facts = fill(write)
        about = {"format": FORMAT, "key": key, "shape": shape, "dtype": dtype}
        text = json.dumps({**about, "facts": facts}).encode()
        file.write(text + _LENGTH.pack(len(text)))


def _open(path: Path, key: str) -> tuple[Tensor, dict[str, Any]] | None:
    """Map a file, or report why not and return None."""
    try:
        with path.open("rb") as file:
            about = _read_end(file)
        if about["format"] != FORMAT or about["key"] != key:
            raise ValueError("not written for this by this version")
        rows = _map(path, np.dtype(about["dtype"]), tuple(about["shape"]))
        return rows, about["facts"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        _say(f"{path} is damaged ({error}): building it again.")
        return None


def _read_end(file: BinaryIO) -> dict[str, Any]:
    size = file.seek(0, 2)
    file.seek(max(0, size - _LENGTH.size))
    (length,) = _LENGTH.unpack(file.read().rjust(_LENGTH.size, b"\0"))
    begin = size - _LENGTH.size - length
    if not 0 < length <= size or begin < 0:
        raise ValueError("cut off")
    file.seek(begin)
    about = json.loads(file.read(length))
    numbers = int(np.prod(about["shape"], dtype=np.int64))
    if numbers * np.dtype(about["dtype"]).itemsize != begin:
        raise ValueError("cut off")
    return dict(about)


def _map(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Tensor:
    try:
        # "c", copy on write: a cell that writes to the images harms no file.
        return torch.from_numpy(np.memmap(path, dtype, mode="c", shape=shape))
    except OSError:  # the system will not promise memory for that many copies
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*not writable.*")
            return torch.from_numpy(np.memmap(path, dtype, mode="r", shape=shape))


def _warn(path: Path, reason: object) -> None:
    _say(
        f"warning: continuing without a cache, {path} cannot be written ({reason});"
        " free some space, or set WORKSHOP_CACHE to a folder you may write to."
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr)
