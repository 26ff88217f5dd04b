"""A landscape: its random numbers, where and when it is, and the canvas for it.

The numbers are the same on every machine, for ever. Each is a hash of (generator seed,
number of the patch, name of what is drawn, position). Integers are hashed, never
floats, and the hash becomes a float by one exact division. So patch 17 is the same
patch whether 20 or 4,000 are made, in whatever order, and a new quantity under a new
name changes no other. Shapes of maps are decided with + - * / and square roots only,
which IEEE 754 rounds alike everywhere; sines and exponentials, whose last bit varies
from CPU to CPU, are kept for pixel values.

What generates what:

scene class  -> region        each class is likelier in its home region, three times
region       -> lat, lon      a point in the region's box; within it classes made by
                              people are towards the west and natural ones towards the
                              east, in the last region the other way round: longitude
                              helps at home and misleads in a region never seen
region       -> climate zone  one each: repeats the region, in other words
date         -> season        1 on 21 June, 0 on 22 December: repeats the date; says
                              nothing of the class, but which colours to expect
lat, date, elevation -> temperature
region, date -> rain          wet soil is darker and sends back more radar
(nothing)    -> wind          roughens water in radar
region, class -> elevation    water lies low, forests and quarries high
"""

__all__ = [
    "CLIMATE_ZONES",
    "COVERS",
    "MATERIALS",
    "REGIONS",
    "Acquisition",
    "Array",
    "Canvas",
    "CounterRNG",
    "draw_acquisition",
]

import math
import zlib
from dataclasses import dataclass

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
        return low + (high - low) * self.pixels(name, (1, 1))

    def chance(self, name: str, probability: float | Array) -> npt.NDArray[np.bool_]:
        """Draw one yes or no per patch. Shape: (n, 1, 1)."""
        return self.pixels(name, (1, 1)) < probability

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
        """Give each cell of a grid its own number in [0, 1).

        Shape: i, j (n, H, W), whole numbers (as floats): the cell that holds a pixel.
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
        """Draw a coordinate frame turned by a random angle, in pixels from the centre.

        Shape: two coordinates, (n, size, size) each.
        """
        k = (self.pixels(name + "/angle", (1, 1)) * _DIRECTIONS).astype(np.int64)
        axis = np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)
        x, y = axis[None, None, :], axis[None, :, None]
        return x * _COS[k] + y * _SIN[k], y * _COS[k] - x * _SIN[k]


#           name             lat          lon         climate  altitude dryness home of
_TABLE = (
    ("boreal",        (60.0, 66.0), (14.0, 28.0), "Dfc", 180.0, 0.0, (1, 3)),
    ("atlantic",      (50.0, 55.0), (-6.0, 5.0),  "Cfb", 90.0, 0.1, (2, 4)),
    ("continental",   (47.0, 53.0), (13.0, 25.0), "Dfb", 260.0, 0.3, (0, 7)),
    ("mediterranean", (37.0, 43.0), (-5.0, 16.0), "Csa", 320.0, 0.7, (8, 6)),
    ("semi_arid",     (31.0, 35.0), (-7.0, 9.0),  "BSk", 650.0, 1.0, (9, 5)),
)  # fmt: skip
REGIONS = tuple(row[0] for row in _TABLE)
CLIMATE_ZONES = tuple(row[3] for row in _TABLE)
_LAT, _LON, _ALTITUDE, _DRYNESS = (
    np.array([row[k] for row in _TABLE], np.float32) for k in (1, 2, 4, 5)
)
_MADE_BY_PEOPLE = (0, 5, 6, 7, 8, 9)  # crops, highway, homes, industry, orchard, quarry
_HEIGHT_OF_CLASS = np.array(
    [0, 180, 60, -60, -70, 0, -20, -30, 40, 150], dtype=np.float32
)


@dataclass(frozen=True)
class Acquisition:
    """Facts of each patch, every one of shape (n, 1, 1); units in the comments."""

    region: np.ndarray  # 0 .. 4, index into REGIONS
    lat: Array  # degrees north
    lon: Array  # degrees east
    day_of_year: Array  # whole days, 1 .. 365
    season: Array  # 1 on 21 June, 0 on 22 December
    altitude: Array  # metres above the sea
    temperature: Array  # degrees Celsius
    rain: Array  # millimetres in the three days before
    wind: Array  # metres per second
    dryness: Array  # of the climate, 0 .. 1
    wetness: Array  # of the soil on that day, 0 .. 1


def draw_acquisition(rng: CounterRNG, scene: int, at_home: float = 3.0) -> Acquisition:
    """Draw place and date of `n` patches of a class, so many times likelier at home."""
    weights = np.array([at_home if scene in row[6] else 1.0 for row in _TABLE])
    bounds = np.cumsum(weights / weights.sum()).astype(np.float32)
    passed = rng.uniform("place/region") >= bounds
    region = np.minimum(passed.sum(-1, keepdims=True), 4)
    lat0, lat1 = _LAT[region, 0], _LAT[region, 1]
    lon0, lon1 = _LON[region, 0], _LON[region, 1]
    lat = lat0 + (lat1 - lat0) * rng.uniform("place/lat")
    u = rng.uniform("place/lon")
    westward = (scene in _MADE_BY_PEOPLE) ^ (region == len(_TABLE) - 1)
    lon = lon0 + (lon1 - lon0) * np.where(westward, u * u, 1 - u * u)
    # More cloud-free images in summer: the mean of two draws.
    twice = rng.uniform("date/a", 0.06, 1) + rng.uniform("date/b", 0.06, 1)
    day = 1 + np.floor(182 * twice)
    distance = np.abs(day - 172)  # days from 21 June, the short way round the year
    season = 1 - np.minimum(distance, 365 - distance) / np.float32(182.5)
    altitude = _ALTITUDE[region] * rng.uniform("place/altitude", 0.5, 1.5)
    altitude = np.maximum(altitude + _HEIGHT_OF_CLASS[scene], 2)
    temperature = 36 - 0.62 * lat + (season - 0.5) * 20 - 0.0065 * altitude
    temperature = temperature + rng.uniform("weather/warm", -4, 4)
    showers = rng.uniform("weather/rain")
    rain = 24 * showers * showers * showers * (1 - 0.6 * _DRYNESS[region] * season)
    return Acquisition(
        region=region,
        lat=lat,
        lon=lon.astype(np.float32),
        day_of_year=day.astype(np.float32),
        season=season.astype(np.float32),
        altitude=altitude,
        temperature=temperature.astype(np.float32),
        rain=rain.astype(np.float32),
        wind=rng.uniform("weather/wind", 0, 12),
        dryness=_DRYNESS[region],
        wetness=np.clip(rain / 15, 0, 1).astype(np.float32),
    )


# The materials that a landscape is painted with: what each is made of in one patch is
# settled by place and date in `material_table`.
MATERIALS = (
    "water", "shallow", "soil", "green_crop", "ripe_crop", "grass", "dry_grass",
    "needle_tree", "leaf_tree", "road", "yard", "roof_a", "roof_b", "sheet_metal",
    "rock", "gravel",
)  # fmt: skip
COVERS = ("cropland", "grassland", "trees", "water", "sealed", "building", "bare")
Mask = npt.NDArray[np.bool_]
_MATERIAL = {name: k for k, name in enumerate(MATERIALS)}
_COVER = {name: k for k, name in enumerate(COVERS)}


@dataclass
class Canvas:
    """The ground at each point: a cover, and the two materials it is mixed of.

    Reflectance will be shade * ((1 - share) * first + share * second). All (n, H, H).
    """

    rng: CounterRNG
    acquisition: Acquisition
    size: int
    cover: npt.NDArray[np.uint8]
    first: npt.NDArray[np.uint8]
    second: npt.NDArray[np.uint8]
    share: Array
    shade: Array

    @classmethod
    def blank(cls, rng: CounterRNG, acquisition: Acquisition, size: int) -> "Canvas":
        """Start with nothing but soil."""
        shape = (rng.n, size, size)
        soil = np.full(shape, _MATERIAL["soil"], dtype=np.uint8)
        bare = np.full(shape, _COVER["bare"], dtype=np.uint8)
        zeros, ones = np.zeros(shape, np.float32), np.ones(shape, np.float32)
        return cls(rng, acquisition, size, bare, soil, soil.copy(), zeros, ones)

    def paint(
        self,
        where: Mask,
        cover: str,
        first: str,
        second: str | npt.NDArray[np.uint8] = "",
        share: npt.ArrayLike = 0.0,
        shade: npt.ArrayLike = 1.0,
    ) -> None:
        """Cover the points of `where` with one land cover.

        Args:
            where: (n, H, H), or any shape that broadcasts to it.
            second, share: a second material and how much of it, 0 to 1.
            shade: brightness; below 1 for shadow between crowns and houses.
        """
        other = _MATERIAL[second or first] if isinstance(second, str) else second
        np.copyto(self.cover, np.uint8(_COVER[cover]), where=where)
        np.copyto(self.first, np.uint8(_MATERIAL[first]), where=where)
        np.copyto(self.second, np.asarray(other, dtype=np.uint8), where=where)
        np.copyto(self.share, np.clip(share, 0, 1).astype(np.float32), where=where)
        np.copyto(self.shade, np.asarray(shade, dtype=np.float32), where=where)

    def noise(self, name: str, cells: int) -> Array:
        """Draw a smooth surface of this canvas's size."""
        return self.rng.noise(name, cells, self.size)

    def frame(self, name: str, bend: float = 0.0) -> tuple[Array, Array]:
        """Draw a turned coordinate frame; `bend` warps it by so many pixels."""
        u, v = self.rng.frame(name, self.size)
        if bend:
            u = u + bend * self.noise(name + "/bend-u", 2)
            v = v + bend * self.noise(name + "/bend-v", 2)
        return u, v
