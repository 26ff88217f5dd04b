"""Prepared inputs of the checks, and whether a function changed what it was given."""

__all__ = [
    "draws",
    "fingerprint",
    "generator",
    "global_random",
    "noise",
    "uneven_lengths",
]

import random
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def generator(seed: int = 0) -> torch.Generator:
    """Make a separate random generator, so that no check disturbs another."""
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Draw values of a standard normal distribution, all different."""
    return torch.randn(shape, generator=generator(seed))


def draws(low: int, high: int, *shape: int, seed: int = 0) -> Tensor:
    """Draw integers from low to high - 1, int64."""
    return torch.randint(low, high, shape, generator=generator(seed))


def uneven_lengths(vectors: Tensor, seed: int = 0) -> Tensor:
    """Rescale vectors to very different lengths, 0.2 to 5. Shape: (N, D)."""
    N = len(vectors)
    order = torch.randperm(N, generator=generator(seed))
    return F.normalize(vectors) * torch.linspace(0.2, 5, N)[order, None]


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
    legacy: Any = np.random.get_state(legacy=False)
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": (legacy["state"]["key"].tobytes(), legacy["state"]["pos"]),
        "random": random.getstate(),
    }
