"""Putting an error of a learner's function into words: what happened, and why."""

__all__ = ["explain", "is_unwritten"]

import inspect
import linecache
import re
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from workshop_lib.course.checks.describe import describe
from workshop_lib.course.todo import NotYet

_SHAPES = re.compile(
    r"size of tensor|shape|size mismatch|mat1 and mat2|broadcast|dimension"
    r"|out of (range|bounds)",
    re.IGNORECASE,
)


def is_unwritten(error: Exception) -> bool:
    """Tell whether an error only says that the function is still to be written.

    `todo(...)` in a notebook raises `NotYet`; whoever leaves a stub of their own writes
    `raise NotImplementedError`.
    """
    return isinstance(error, NotYet | NotImplementedError)


def explain(
    error: Exception, function: Callable[..., Any], call: str, args: Sequence[Any]
) -> tuple[str, str]:
    """Say what a function raised and what that usually means.

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
            " of each step on these."
        )
    return came, (
        f"your function stopped before its end. It was given: {given}. Call it on that"
        " yourself, in a cell of its own, to see the error in full."
    )


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
        frame = traceback.tb_frame
        if frame.f_code.co_filename == code.co_filename:
            line = linecache.getline(code.co_filename, traceback.tb_lineno).strip()
        traceback = traceback.tb_next
    return line
