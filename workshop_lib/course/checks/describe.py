"""Telling in words what a function returned, and where that differs."""

__all__ = ["as_tensor", "describe", "first_difference", "same"]

from typing import Any

import numpy as np
import torch
from torch import Tensor

_FEW = 6  # up to so many values are shown themselves


def as_tensor(value: Any) -> Tensor | None:
    """Read numbers in any of their dresses: tensor, array, list, bool, float.

    Returns:
        A detached CPU tensor; None for what holds no numbers, or rows of unequal
        length.
    """
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, list | tuple) and any(isinstance(v, Tensor) for v in value):
        rows = [as_tensor(v) for v in value]
        known = [row for row in rows if row is not None]
        if len(known) < len(rows) or len({row.shape for row in known}) != 1:
            return None
        wide = torch.float64 if any(r.is_floating_point() for r in known) else None
        return torch.stack([row.to(wide or torch.int64) for row in known])
    if not isinstance(value, list | tuple | float | int | np.ndarray | np.generic):
        return None
    try:
        array = np.asarray(value)
    except ValueError:  # rows of unequal length
        return None
    return torch.from_numpy(array.copy()) if array.dtype.kind in "fiub" else None


def same(came: Any, expected: Any) -> bool:
    """Tell whether two results are one word, or the same numbers in the same shape.

    Type and device do not count, nor do differences of rounding; NaN equals NaN, so
    that a mistake which gives NaN can be recognised.
    """
    if isinstance(came, str) or isinstance(expected, str):  # a verdict in a word
        return bool(came == expected)
    a, b = as_tensor(came), as_tensor(expected)
    if a is None or b is None or a.shape != b.shape:
        return False
    return torch.allclose(a.double(), b.double(), rtol=1e-4, atol=1e-6, equal_nan=True)


def describe(value: Any) -> str:
    """Say what a value is: shape, type and range, or the values where they are few."""
    tensor = as_tensor(value)
    if tensor is None:
        return _other(value)
    if tensor.ndim == 0:
        return _number(tensor)
    kind = str(tensor.dtype).removeprefix("torch.")
    text = f"shape {tuple(tensor.shape)}, {kind}"
    if tensor.numel() == 0:
        return f"{text}, empty"
    if tensor.numel() <= _FEW:
        return f"{text}, values {', '.join(map(_number, tensor.flatten()))}"
    known = tensor[~tensor.isnan()] if tensor.is_floating_point() else tensor
    if known.numel() == 0:
        return f"{text}, all values NaN"
    lost = tensor.numel() - known.numel()
    nan = f", {lost} of them NaN" if lost else ""
    return f"{text}, values from {_number(known.min())} to {_number(known.max())}{nan}"


def first_difference(came: Any, expected: Any) -> str:
    """Say where two results of one shape differ first, and in how many places.

    Returns:
        An empty string if the shapes differ: then there is nothing to compare.
    """
    a, b = as_tensor(came), as_tensor(expected)
    if a is None or b is None or a.shape != b.shape or a.ndim == 0:
        return ""
    a, b = a.double(), b.double()
    differ = ~torch.isclose(a, b, rtol=1e-4, atol=1e-6, equal_nan=True)
    if not differ.any():
        return ""
    place = tuple(differ.nonzero()[0].tolist())
    where = ", ".join(map(str, place))
    return (
        f"at [{where}] came {_number(a[place])}, expected {_number(b[place])}"
        f" ({int(differ.sum())} of {differ.numel()} values differ)"
    )


def _number(value: Tensor) -> str:
    number = value.item()
    if isinstance(number, bool) or not isinstance(number, float):
        return str(number)
    return f"{number:.4g}"


def _other(value: Any) -> str:
    if value is None:
        return "None"
    if isinstance(value, list | tuple | set | dict):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    return f"an object of type {type(value).__name__}"
