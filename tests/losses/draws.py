"""Random scores, probabilities and embeddings in double precision; a softmax."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

# Golden numbers are met tightly in double precision, loosely in single precision
PRECISIONS = pytest.mark.parametrize(
    ("dtype", "rtol", "atol"),
    [(torch.float64, 1e-8, 1e-9), (torch.float32, 1e-5, 1e-6)],
)


def draw(*shape: int, seed: int = 0, scale: float = 2.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)


def unit(N: int, D: int, seed: int) -> Tensor:
    return F.normalize(draw(N, D, seed=seed), dim=1)


def probabilities(N: int, K: int, seed: int) -> Tensor:
    return draw(N, K, seed=seed).softmax(1)


def slow_softmax(row: list[float], temperature: float = 1.0) -> list[float]:
    weights = [math.exp(v / temperature) for v in row]
    return [w / sum(weights) for w in weights]
