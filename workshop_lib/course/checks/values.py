"""Values that go into a learner's function and come out: made, compared, described."""

__all__ = [
    *("as_tensor", "describe_value", "draws", "fingerprint", "first_difference"),
    *("generator", "global_random", "noise", "relation", "same"),
]

import pickle
import random
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

_FEW = 6  # up to so many values are shown themselves
_CLOSE = {"rtol": 1e-4, "atol": 1e-6, "equal_nan": True}


def generator(seed: int = 0) -> torch.Generator:
    """Make a separate random generator, so that no check disturbs another."""
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Draw values of a standard normal distribution, all different."""
    return torch.randn(shape, generator=generator(seed))


def draws(low: int, high: int, *shape: int, seed: int = 0) -> Tensor:
    """Draw integers from low to high - 1, int64."""
    return torch.randint(low, high, shape, generator=generator(seed))


def fingerprint(value: Any) -> Any:
    """Reduce arguments to something that compares equal unless they were changed.

    Looks into tensors, arrays, lists, dicts and dataclasses. Random generators, models
    and the like are left out: generators are meant to change.
    """
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, value.tobytes()
    if isinstance(value, list | tuple):
        return [fingerprint(v) for v in value]
    if isinstance(value, dict):
        return {k: fingerprint(v) for k, v in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: fingerprint(getattr(value, f.name)) for f in fields(value)}
    return value if isinstance(value, int | float | str) else None


def global_random() -> dict[str, Any]:
    """Return the state of the global random numbers of torch, numpy and Python.

    A function that draws from an explicit generator leaves all three as they were.
    """
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": pickle.dumps(np.random.get_state()),
        "random": random.getstate(),
    }


def as_tensor(value: Any) -> Tensor | None:
    """Read numbers in whatever form they come: tensor, array, list, bool, float.

    Returns:
        A detached CPU tensor; None for what holds no numbers, or rows of unequal
        length.
    """
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, list | tuple):
        try:
            return torch.stack([as_tensor(row) for row in value])  # type: ignore[misc]
        except (TypeError, RuntimeError):
            return None
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


def describe_value(value: Any) -> str:
    """Describe a value by shape, type and range, or by its values if they are few.

    >>> describe_value(torch.zeros(2, 3, 4))
    'shape (2, 3, 4), float32, values from 0 to 0'
    """
    if "return_types" in type(value).__module__:  # of torch: max, mode, sort, topk
        return "two things, .values and .indices"
    tensor = as_tensor(value)
    if tensor is None:
        if isinstance(value, list | tuple | set | dict):
            return f"a {type(value).__name__} of {len(value)}"
        if value is None or isinstance(value, str):
            return repr(value)[:40]
        return f"an object of type {type(value).__name__}"
    if tensor.ndim == 0:
        return _number(tensor)
    text = f"shape {tuple(tensor.shape)}, {str(tensor.dtype).removeprefix('torch.')}"
    if tensor.numel() <= _FEW:
        return f"{text}, values {', '.join(map(_number, tensor.flatten()))}"
    known = tensor[~tensor.isnan()]
    if known.numel() == 0:
        return f"{text}, all values NaN"
    lost = tensor.numel() - known.numel()
    nan = f", {lost} of them NaN" if lost else ""
    return f"{text}, values from {_number(known.min())} to {_number(known.max())}{nan}"


def first_difference(came: Any, expected: Any) -> str:
    """Report where two results first differ, in how many places, and at which rows.

    Returns:
        An empty string if the shapes differ: then there is nothing to compare.
    """
    a, b = as_tensor(came), as_tensor(expected)
    if a is None or b is None or a.shape != b.shape or a.ndim == 0:
        return ""
    a, b = a.double(), b.double()
    differ = ~torch.isclose(a, b, **_CLOSE)  # type: ignore[arg-type]
    place = tuple(differ.nonzero()[0].tolist())
    where, few = ", ".join(map(str, place)), ""
    for dim, size in enumerate(differ.shape):
        at = differ.nonzero()[:, dim].unique().tolist()
        if a.ndim > 1 and len(at) <= size / 2:
            few += f", all at {', '.join(map(str, at))} of dimension {dim}"
    return (
        f"at [{where}] came {_number(a[place])}, expected {_number(b[place])}"
        f" ({int(differ.sum())} of {differ.numel()} values differ{few})"
    )


def relation(came: Sequence[Any], expected: Sequence[Any]) -> str:
    """Say what wrong results have to do with the right ones, whatever the exercise.

    Args:
        came, expected: the results of all wrong cases, in the same order.

    Returns:
        The name of a hint for every exercise; "" if nothing is noticed.

    >>> relation([torch.tensor([3, 1, 2])], [torch.tensor([1, 2, 3])])
    'reordered'
    """
    found = [(as_tensor(x), as_tensor(y)) for x, y in zip(came, expected, strict=True)]
    pairs = [(x, y) for x, y in found if x is not None and y is not None]
    if len(pairs) < len(found):
        return "no_numbers"
    if any(x.shape != y.shape for x, y in pairs):
        return "shape"
    flat = [(x.double().flatten(), y.double().flatten()) for x, y in pairs]
    a, b = (torch.cat(some) for some in zip(*flat, strict=True))
    factors, whole = (a / b)[b != 0], not pairs[0][1].is_floating_point()
    kinds = {
        "became_nan": (a.isnan() & ~b.isnan()).any(),
        "whole": whole and (a % 1).any(),
        "all_or_nothing": not pairs[0][1].ndim and same(a, a.bool()) and (b % 1).any(),
        "reordered": len(a) > len(pairs) and same(a.sort()[0], b.sort()[0]),
        "sign": same(a, -b),
        "scaled": len(factors) > 1 and same(a, b * factors[0]),
        "unfilled": not whole and same(a, torch.where(a == 0, a, b)),
    }
    return next((name for name, holds in kinds.items() if holds), "")


def _number(value: Tensor) -> str:
    number = value.item()
    return f"{number:.4g}" if isinstance(number, float) else str(number)
