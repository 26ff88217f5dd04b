"""The predictions in a submission, which somebody else has made: checked, then read."""

__all__ = ["from_csv", "from_npz"]

import csv
import io
import math
import zipfile
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workshop_lib.course.leaderboard.archive import DAMAGED
from workshop_lib.course.leaderboard.refusal import RefusedError

_MOST_ROWS = 1_000_000  # of predictions
_MOST_BYTES = 64 * 2**20  # of all arrays together
_KINDS = "Uiuf"  # texts and numbers; objects would be code
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def from_csv(content: bytes) -> dict[str, Any]:
    """Read the columns image and class; a column truth is held against the data."""
    text = io.StringIO(content.decode("utf-8-sig", errors="replace"), newline="")
    try:
        head, *rows = islice(csv.reader(text, strict=True), _MOST_ROWS)
    except (csv.Error, ValueError) as problem:
        raise RefusedError("predictions", "predictions.csv is no table.") from problem
    if not {"image", "class"} <= set(head):
        raise RefusedError("predictions", "predictions.csv lacks image or class.")
    rows = [row for row in rows if row]  # an empty line says nothing
    if not rows or any(len(row) != len(head) for row in rows):
        raise RefusedError("predictions", "predictions.csv has rows of unequal length.")
    columns = dict(zip(head, zip(*rows, strict=True), strict=True))
    found = {"names": columns["image"], "predicted": columns["class"]}
    return found | ({"truth": columns["truth"]} if "truth" in columns else {})


def from_npz(content: bytes) -> dict[str, Any]:
    """Read what `Predictions.save` wrote, with or without the truth."""
    try:
        arrays = _safe_arrays(content)
        names, probs, classes = (arrays[k] for k in ("names", "probs", "class_names"))
        kinds = names.dtype.kind + probs.dtype.kind + classes.dtype.kind
        if kinds != "UfU" or probs.shape != (*names.shape, *classes.shape):
            raise ValueError(f"{kinds} {probs.shape}")
        if probs.ndim != 2 or not 0 < len(names) <= _MOST_ROWS or not len(classes):
            raise ValueError(f"{probs.shape}")
        class_names = tuple(str(name) for name in classes.tolist())
        found = {
            "names": tuple(names.tolist()),
            "predicted": tuple(class_names[k] for k in probs.argmax(axis=1)),
            "probs": probs,
            "class_names": class_names,
        }
        if "truth" in arrays:
            numbers = arrays["truth"].astype(np.int64).tolist()
            found["truth"] = tuple(_class(class_names, k) for k in numbers)
        return found
    except RefusedError:
        raise
    except DAMAGED as problem:
        raise RefusedError(
            "predictions",
            "predictions.npz does not hold names (N,), probs (N, K) and class_names"
            f" (K,) ({type(problem).__name__}).",
        ) from problem


def _class(class_names: tuple[str, ...], k: int) -> str:
    return class_names[k] if 0 <= k < len(class_names) else f"class {k}"


def _safe_arrays(content: bytes) -> dict[str, NDArray[np.generic]]:
    """Read the arrays of an `.npz` file of numbers and texts.

    A header may promise an array of any size, for which numpy would ask the system
    before it reads: so every header is held against the bytes behind it first.

    Raises:
        RefusedError: objects (which are code) or fields in it, more or fewer bytes than
            its headers say, or too many.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if sum(info.file_size for info in members) > _MOST_BYTES:
            raise RefusedError("too_large", "its arrays take too many megabytes.")
        for info in members:
            with archive.open(info) as file:
                header = _HEADERS.get(np.lib.format.read_magic(file))
                if header is None:
                    raise RefusedError("predictions", "an unusual numpy file.")
                shape, _, dtype = header(file)
            size = math.prod(shape) * dtype.itemsize
            honest = dtype.itemsize > 0 and min(shape, default=0) >= 0
            if dtype.kind not in _KINDS or not honest or size > info.file_size:
                raise RefusedError(
                    "predictions",
                    f"{info.filename} in predictions.npz is {dtype} of shape {shape}:"
                    " no array of numbers or texts that this file could hold.",
                )
    with np.load(io.BytesIO(content), allow_pickle=False) as found:
        return {name: found[name] for name in found.files}
