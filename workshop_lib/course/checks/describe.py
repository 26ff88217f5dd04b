"""Results and errors of a learner's function, compared and put into words."""

__all__ = ["as_tensor", "describe", "explain", "first_difference", "same"]

import inspect
import linecache
import re
from collections.abc import Callable, Sequence
from functools import reduce
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor

_FEW = 6  # up to so many values are shown themselves
_CLOSE = {"rtol": 1e-4, "atol": 1e-6, "equal_nan": True}
_SHAPES = re.compile(
    r"size of tensor|shape|size mismatch|mat1 and mat2|broadcast|dimension"
    r"|out of (range|bounds)",
    re.IGNORECASE,
)


def as_tensor(value: Any) -> Tensor | None:
    """Read numbers in whatever form they come: tensor, array, list, bool, float.

    Returns:
        A detached CPU tensor; None for what holds no numbers, or rows of unequal
        length.
    """
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, list | tuple):
        rows = [as_tensor(v) for v in value]
        known = [row for row in rows if row is not None]
        if len(known) < len(rows) or len({row.shape for row in known}) > 1:
            return None
        kind = reduce(torch.promote_types, (r.dtype for r in known), torch.bool)
        return torch.stack([r.to(kind) for r in known]) if known else torch.empty(0)
    if not isinstance(value, float | int | np.ndarray | np.generic):
        return None
    array = np.asarray(value)
    return torch.from_numpy(array.copy()) if array.dtype.kind in "fiub" else None


def same(came: Any, expected: Any) -> bool:
    """Return whether two results are the same word, or the same numbers and shape.

    Type and device do not count, nor do differences of rounding; NaN equals NaN, so
    that a mistake which gives NaN can be recognised.
    """
    if isinstance(came, str) or isinstance(expected, str):  # a verdict in a word
        return bool(came == expected)
    a, b = as_tensor(came), as_tensor(expected)
    if a is None or b is None or a.shape != b.shape:
        return False
    return torch.allclose(a.double(), b.double(), **_CLOSE)  # type: ignore[arg-type]


def describe(value: Any) -> str:
    """Describe a value by shape, type and range, or by its values if they are few.

    >>> describe(torch.zeros(2, 3, 4))
    'shape (2, 3, 4), float32, values from 0 to 0'
    """
    tensor = as_tensor(value)
    if tensor is None:
        return _other(value)
    if tensor.ndim == 0:
        return _number(tensor)
    text = f"shape {tuple(tensor.shape)}, {str(tensor.dtype).removeprefix('torch.')}"
    if tensor.numel() == 0:
        return f"{text}, empty"
    if tensor.numel() <= _FEW:
        return f"{text}, values {', '.join(map(_number, tensor.flatten()))}"
    known = tensor[~tensor.isnan()]
    if known.numel() == 0:
        return f"{text}, all values NaN"
    lost = tensor.numel() - known.numel()
    nan = f", {lost} of them NaN" if lost else ""
    return f"{text}, values from {_number(known.min())} to {_number(known.max())}{nan}"


def first_difference(came: Any, expected: Any) -> str:
    """Report where two results of one shape differ first, and in how many places.

    Returns:
        An empty string if the shapes differ: then there is nothing to compare.
    """
    a, b = as_tensor(came), as_tensor(expected)
    if a is None or b is None or a.shape != b.shape or a.ndim == 0:
        return ""
    a, b = a.double(), b.double()
    differ = ~torch.isclose(a, b, **_CLOSE)  # type: ignore[arg-type]
    if not differ.any():
        return ""
    place = tuple(differ.nonzero()[0].tolist())
    where = ", ".join(map(str, place))
    return (
        f"at [{where}] came {_number(a[place])}, expected {_number(b[place])}"
        f" ({int(differ.sum())} of {differ.numel()} values differ)"
    )


def explain(
    error: Exception, function: Callable[..., Any], call: str, args: Sequence[Any]
) -> tuple[str, str]:
    """Describe an error of the learner's function and what usually causes it.

    Args:
        error: what it raised.
        function: the learner's.
        call: how the check calls it, e.g. "convolve(image, kernel)".
        args: what it was given.

    Returns:
        What came, with the learner's own line of code; and the likely mistake.
    """
    came = f"{type(error).__name__}: {error}"
    line = _own_line(error.__traceback__, function)
    if line:
        came += f"\n             in your line `{line}`"
    given = "; ".join(describe(arg) for arg in args)
    if isinstance(error, TypeError) and not line:
        return came, (
            f"the check calls {call}, your function is defined as"
            f" {_signature(function)}: give it the same arguments in the same order."
        )
    if isinstance(error, NameError):
        return came, (
            f"the name {getattr(error, 'name', None) or '?'!r} is not known: is it"
            " spelt right, and has the cell that makes or imports it been run?"
        )
    if _SHAPES.search(str(error)):
        return came, (
            f"two shapes do not fit. Your function was given: {given}. Print the shape"
            " after each step on these."
        )
    return came, (
        f"your function raised an error. It was given: {given}. Call it on that"
        " yourself, in a cell of its own, to see the error in full."
    )


def _number(value: Tensor) -> str:
    number = value.item()
    return f"{number:.4g}" if isinstance(number, float) else str(number)


def _other(value: Any) -> str:
    if value is None:
        return "None"
    if isinstance(value, list | tuple | set | dict):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    return f"an object of type {type(value).__name__}"


def _signature(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", "your function")
    try:
        return f"{name}{inspect.signature(function)}"
    except (TypeError, ValueError):  # built-in functions may have none
        return name


def _own_line(traceback: TracebackType | None, function: Callable[..., Any]) -> str:
    """Return the last line of the learner's own code that the error passed through."""
    code = getattr(function, "__code__", None)
    line = ""
    while traceback is not None and code is not None:
        if traceback.tb_frame.f_code.co_filename == code.co_filename:
            line = linecache.getline(code.co_filename, traceback.tb_lineno).strip()
        traceback = traceback.tb_next
    return line
