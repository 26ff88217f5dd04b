"""Values that go into a learner's function and come out: made, compared, described."""

__all__ = [
    "as_tensor",
    "describe_value",
    "draws",
    "fingerprint",
    "first_difference",
    "generator",
    "global_random",
    "noise",
    "same",
]

import pickle
import random
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
    """Report where two results first differ, and in how many places.

    Returns:
        An empty string if the shapes differ: then there is nothing to compare.
    """
    a, b = as_tensor(came), as_tensor(expected)
    if a is None or b is None or a.shape != b.shape or a.ndim == 0:
        return ""
    a, b = a.double(), b.double()
    differ = ~torch.isclose(a, b, **_CLOSE)  # type: ignore[arg-type]
    place = tuple(differ.nonzero()[0].tolist())
    where = ", ".join(map(str, place))
    return (
        f"at [{where}] came {_number(a[place])}, expected {_number(b[place])}"
        f" ({int(differ.sum())} of {differ.numel()} values differ)"
    )


def _number(value: Tensor) -> str:
    number = value.item()
    return f"{number:.4g}" if isinstance(number, float) else str(number)
