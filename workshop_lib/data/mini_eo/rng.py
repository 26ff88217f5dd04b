"""Random numbers that are the same on every machine, for ever.

Every number is a hash of (generator seed, number of the patch, name of what is drawn,
position). Integers are hashed, never floats, and the hash becomes a float by one exact
division. So patch 17 is the same patch whether 20 or 4,000 are made, in whatever order,
and giving a new quantity a new name changes no other quantity.

Shapes of maps are decided with + - * / and square roots only, which IEEE 754 rounds
alike everywhere; sines and exponentials, whose last bit varies from CPU to CPU, are
kept for pixel values.
"""

__all__ = ["Array", "CounterRNG", "wave"]

import math
import zlib

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Ints = npt.NDArray[np.uint32]

_GOLDEN = np.uint32(0x9E3779B9)
# Directions rounded to 15 bits: every mathematics library agrees on these digits.
_DIRECTIONS = 720
_ANGLES = [math.pi * k / _DIRECTIONS for k in range(_DIRECTIONS)]
_COS = np.array([round(math.cos(a) * 2**15) / 2**15 for a in _ANGLES], np.float32)
_SIN = np.array([round(math.sin(a) * 2**15) / 2**15 for a in _ANGLES], np.float32)


def _scramble(x: Ints) -> Ints:
    """Hash 32-bit integers in place: two rounds of xor-shift and multiply."""
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x


def _unit(h: Ints) -> Array:
    """Turn hashes into floats in [0, 1): 24 bits fit a float32 exactly."""
    return (h >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def wave(t: Array) -> Array:
    """Swing between -1 and 1 with period 1: a sine made of parabolas, exact."""
    s = (t - np.floor(t)) * 2 - 1
    return 4 * s * (1 - np.abs(s))


class CounterRNG:
    """The random numbers of a group of patches; `n` patches in one call.

    Args:
        seed: generator seed; another seed gives another, unrelated data set.
        ids: number of each patch in the data set, shape (n,).
    """

    def __init__(self, seed: int, ids: npt.NDArray[np.int64]) -> None:
        base = _scramble(np.array([seed], dtype=np.uint32) + _GOLDEN)
        self.key = _scramble(base ^ (ids.astype(np.uint32) * _GOLDEN))  # (n,)
        self.n = len(ids)

    def _hash(self, name: str, shape: tuple[int, ...]) -> Ints:
        """Hash one integer per position of `shape` for each patch: (n, *shape)."""
        stream = _scramble(self.key ^ np.uint32(zlib.crc32(name.encode())))
        index = np.arange(math.prod(shape), dtype=np.uint32) * _GOLDEN
        return _scramble(stream[:, None] + index[None]).reshape(self.n, *shape)

    def uniform(self, name: str, low: float = 0.0, high: float = 1.0) -> Array:
        """Draw one number per patch, uniform in [low, high). Shape: (n, 1, 1)."""
        return low + (high - low) * _unit(self._hash(name, (1, 1)))

    def chance(self, name: str, probability: float | Array) -> npt.NDArray[np.bool_]:
        """Draw one yes or no per patch. Shape: (n, 1, 1)."""
        return _unit(self._hash(name, (1, 1))) < probability

    def normal(self, name: str, shape: tuple[int, ...]) -> Array:
        """Draw nearly normal numbers, the sum of four bytes. Shape: (n, *shape)."""
        h = self._hash(name, shape)
        total = (h & np.uint32(255)) + ((h >> np.uint32(8)) & np.uint32(255))
        total = total + ((h >> np.uint32(16)) & np.uint32(255)) + (h >> np.uint32(24))
        return (total.astype(np.float32) - 510.0) * np.float32(1 / 147.8)

    def pixels(self, name: str, shape: tuple[int, ...]) -> Array:
        """Draw a number in [0, 1) for each position. Shape: (n, *shape)."""
        return _unit(self._hash(name, shape))

    def cell(self, name: str, i: Array, j: Array) -> Array:
        """Give each cell (i, j) of a grid its own number in [0, 1).

        Args:
            i, j: whole numbers (as floats), the cell that holds a pixel, (n, H, W).
        """
        stream = _scramble(self.key ^ np.uint32(zlib.crc32(name.encode())))
        a = i.astype(np.int32).view(np.uint32) * np.uint32(0x85EBCA6B)
        b = j.astype(np.int32).view(np.uint32) * np.uint32(0xC2B2AE35)
        return _unit(_scramble((a ^ (b + _GOLDEN)) + stream[:, None, None]))

    def noise(self, name: str, cells: int, size: int) -> Array:
        """Draw a smooth random surface with about unit variance.

        A lattice of random heights, `cells` across the image, is blended by cubic
        B-splines, first along one axis, then along the other.

        Shape: (n, size, size).
        """
        lattice = 2 * _unit(self._hash(name, (cells + 3, cells + 3))) - 1
        t = np.arange(size, dtype=np.float32) + np.float32(0.5)
        t = t * np.float32(cells / size)
        start = np.floor(t).astype(np.int64)
        f = t - np.floor(t)
        weights = (
            (1 - f) * (1 - f) * (1 - f) / 6,
            (3 * f * f * f - 6 * f * f + 4) / 6,
            (-3 * f * f * f + 3 * f * f + 3 * f + 1) / 6,
            f * f * f / 6,
        )
        columns = [w[None, :, None] for w in weights]
        rows = sum(w * lattice[:, start + k] for k, w in enumerate(columns))
        full = sum(w * rows[:, :, start + k] for k, w in enumerate(weights))
        return np.asarray(full * np.float32(3.6), dtype=np.float32)

    def frame(self, name: str, size: int) -> tuple[Array, Array]:
        """Draw a coordinate frame turned by a random angle and shifted, in pixels.

        Returns:
            Two coordinates (n, size, size); the origin is the image's centre.
        """
        k = (_unit(self._hash(name + "/angle", (1, 1))) * _DIRECTIONS).astype(np.int64)
        axis = np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)
        x, y = axis[None, None, :], axis[None, :, None]
        return x * _COS[k] + y * _SIN[k], y * _COS[k] - x * _SIN[k]
