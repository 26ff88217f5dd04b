"""Prepared inputs that several checks share; the same in every session."""

__all__ = ["draws", "generator", "noise"]

import torch
from torch import Tensor


def generator(seed: int = 0) -> torch.Generator:
    """Make a random generator of its own, so that no check disturbs another."""
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Draw values of a standard normal distribution, all different."""
    return torch.randn(shape, generator=generator(seed))


def draws(low: int, high: int, *shape: int, seed: int = 0) -> Tensor:
    """Draw whole numbers from low to high - 1, int64."""
    return torch.randint(low, high, shape, generator=generator(seed))
