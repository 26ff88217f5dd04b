"""One tensor in one file, mapped into memory instead of read.

The file is written row by row, so that no more than a few rows have to fit into memory,
and what is read later is only what is indexed: a data set may be larger than memory.

Layout: the raw numbers from the first byte on, then a JSON text that says what they
are, then the length of that text (8 bytes). As the file says what it is at its very
end, one that was cut off anywhere says nothing, and is made anew.
"""

__all__ = ["Rows", "Write", "kept_tensor"]

import json
import struct
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from workshop_lib.data.cache import cache_path
from workshop_lib.files import write_whole

FORMAT = 1  # of the files; another number makes every file anew
_LENGTH = struct.Struct("<Q")

Rows = np.ndarray[Any, Any]
Write = Callable[[Rows], None]  # takes rows (n, ...), always of one shape and type
Fill = Callable[[Write], dict[str, Any]]  # writes rows; returns facts for JSON


def kept_tensor(
    key: str | None, most: int, fill: Fill, folder: Path | None = None
) -> tuple[Tensor, dict[str, Any]]:
    """Map the tensor that an earlier call with the same key wrote, or make it.

    Writing to the tensor changes memory, never the file; where a file is larger than
    memory, it may not be written to at all.

    Args:
        key: names everything that the rows depend on; None keeps no file.
        most: rows that `fill` will write at most.
        fill: makes the rows, a few at a time. Called again if the disk is full.
        folder: where the file lies; `cache_folder()` if not given.

    Returns:
        The tensor (N, ...) and the facts. If nothing can be written, the tensor is in
        memory, which one line on stderr says.
    """
    if key is None:
        return _in_memory(most, fill)
    path = cache_path(key, folder, ".raw")
    found = _open(path, key) if path.exists() else None
    if found is not None:
        return found
    try:
        write_whole(path, lambda temporary: _write(temporary, key, fill))
    except OSError as error:
        print(
            f"warning: going on without a cache, {path} cannot be written ({error});"
            " free some space, or set WORKSHOP_CACHE to a folder you may write to.",
            file=sys.stderr,
        )
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
    """Map a file, or tell why not and return None."""
    try:
        with path.open("rb") as file:
            about = _read_end(file)
        if about["format"] != FORMAT or about["key"] != key:
            raise ValueError("not written for this by this version")
        rows = _map(path, np.dtype(about["dtype"]), tuple(about["shape"]))
        return rows, about["facts"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"{path} is damaged ({error}): making it anew.", file=sys.stderr)
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
        # "c", copy on write: a cell that writes to the images harms nobody.
        return torch.from_numpy(np.memmap(path, dtype, mode="c", shape=shape))
    except OSError:  # the system will not promise memory for that many copies
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*not writable.*")
            return torch.from_numpy(np.memmap(path, dtype, mode="r", shape=shape))
