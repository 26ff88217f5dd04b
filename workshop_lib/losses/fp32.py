"""Arithmetic in float32 or finer, even where mixed precision would round."""

__all__ = [
    "at_least_fp32",
    "fp32_matmul",
    "similarity",
]

import torch
from torch import Tensor


def at_least_fp32(values: Tensor) -> Tensor:
    """Return half-precision values as float32, finer ones as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def fp32_matmul(a: Tensor, b: Tensor) -> Tensor:
    """Multiply two matrices in float32 or finer; autocast would round them to half.

    Shape: (n, d), (d, m) -> (n, m).
    """
    with torch.autocast(a.device.type, enabled=False):
        return at_least_fp32(a) @ at_least_fp32(b)


def similarity(z0: Tensor, z1: Tensor, temperature: float) -> Tensor:
    """Compare every embedding with every other one, ready for a softmax.

        s_ij = z0_i . z1_j / temperature

    In float32 or finer: divided by a temperature of 0.07 and put into an exponential,
    an error in the third digit of a dot product is one of several per cent in a
    probability. The division comes first, where it rounds N D numbers and not N^2.

    Shape: (N, D), (M, D) -> (N, M).
    """
    return fp32_matmul(at_least_fp32(z0) / temperature, z1.T)
