"""A landscape: where and when it is, and the canvas that it is painted on.

What generates what:

scene class  -> region        each class is three times likelier in its home region
region       -> lat, lon      a point in the region's box; within the box, classes
                              made by people are towards the west and natural ones
                              towards the east, except in the last region, where it
                              is the other way round: longitude helps at home and
                              misleads in a region never seen
region       -> climate zone  one each: repeats the region, in other words
date         -> season        1 on 21 June, 0 on 22 December: repeats the date; says
                              nothing of the class by itself, but says which colours
                              to expect
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
    "Canvas",
    "countryside",
    "distance",
    "draw_acquisition",
    "farm_track",
    "grid",
    "paint_grass",
    "paint_trees",
    "rural",
]

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workshop_lib.data.mini_eo.rng import Array, CounterRNG, wave

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
_LAT = np.array([row[1] for row in _TABLE], dtype=np.float32)
_LON = np.array([row[2] for row in _TABLE], dtype=np.float32)
_ALTITUDE = np.array([row[4] for row in _TABLE], dtype=np.float32)
_DRYNESS = np.array([row[5] for row in _TABLE], dtype=np.float32)
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


def draw_acquisition(rng: CounterRNG, scene: int) -> Acquisition:
    """Draw place and date of `n` patches of one scene class."""
    weights = np.array([3.0 if scene in row[6] else 1.0 for row in _TABLE])
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


def paint_trees(canvas: Canvas, where: Mask, name: str = "wood") -> None:
    """Paint woodland: needle and broad leaves in stands, lit and shaded crowns."""
    leaf = canvas.rng.uniform(name + "/leaf", -0.3, 1.3)
    stands = canvas.noise(name + "/stands", 3) * 0.35 + leaf
    tufts = 0.8 * canvas.noise(name + "/tufts", 31)
    crowns = canvas.noise(name + "/crowns", 21) + tufts
    shade = 0.80 + 0.17 * crowns * canvas.rng.uniform(name + "/rough", 0.7, 1.3)
    shade = np.clip(shade, 0.35, 1.35)
    canvas.paint(where, "trees", "needle_tree", "leaf_tree", stands, shade)


def paint_grass(canvas: Canvas, where: Mask, name: str = "grass") -> None:
    """Paint grassland: patches of greener and drier grass, nearly smooth."""
    tint = 0.25 + 0.22 * canvas.noise(name + "/tint", 4)
    tint = tint + 0.08 * canvas.noise(name + "/fine", 12)
    shade = 1 + 0.05 * canvas.noise(name + "/shade", 7)
    canvas.paint(where, "grassland", "grass", "dry_grass", tint, shade)


def paint_crops(canvas: Canvas, where: Mask, u: Array, i: Array, j: Array) -> None:
    """Paint arable parcels: each sown on its own day, with the tractor's lines.

    Args:
        u: coordinate across the rows, in pixels.
        i, j: number of the parcel that holds each point.
    """
    rng, day = canvas.rng, canvas.acquisition.day_of_year
    peak = 105 + 120 * rng.cell("parcel/sown", i, j) + (canvas.acquisition.lat - 45)
    days = (day - peak) / 42
    grown = np.exp(-days * days) * (0.65 + 0.35 * rng.cell("parcel/vigour", i, j))
    ripe = (day > peak + 22) & (rng.cell("parcel/stubble", i, j) < 0.6)
    second = np.where(ripe, _MATERIAL["ripe_crop"], _MATERIAL["green_crop"])
    share = np.where(ripe, 0.35 + 0.4 * rng.cell("parcel/straw", i, j), grown)
    rows = wave(u / rng.uniform("crop/row-width", 4.2, 7.5))
    share = share + 0.10 * rows + 0.05 * canvas.noise("crop/patchy", 9)
    tilled = 0.80 + 0.35 * rng.cell("parcel/tilled", i, j)
    shade = tilled * (1 + rng.uniform("crop/row-depth", 0.10, 0.22) * rows)
    canvas.paint(where, "cropland", "soil", second.astype(np.uint8), share, shade)


def countryside(
    canvas: Canvas, crops: tuple[float, float], woods: tuple[float, float]
) -> None:
    """Paint parcels of crops and grass with woods between them.

    Args:
        crops: least and largest fraction of the parcels that are ploughed, 0 to 1.
        woods: least and largest amount of woodland; 0 is half of the area, -2.5 none,
            2.5 all.
    """
    rng = canvas.rng
    crops_here = rng.uniform("rural/crops", *crops)
    woods_here = rng.uniform("rural/woods", *woods)
    u, v = canvas.frame("parcel", bend=1.5)
    i = np.floor(u / rng.uniform("parcel/width", 13, 26))
    shift = rng.cell("parcel/shift", i, 0 * i)
    j = np.floor(v / rng.uniform("parcel/length", 22, 60) + shift)
    everywhere = np.ones_like(canvas.cover, dtype=bool)
    paint_grass(canvas, everywhere)
    ploughed = rng.cell("parcel/kind", i, j) < crops_here
    paint_crops(canvas, ploughed, u, i, j)
    edge = canvas.noise("wood/edge", 3) + 0.25 * canvas.noise("wood/fray", 9)
    paint_trees(canvas, edge < woods_here)


def distance(canvas: Canvas, name: str, spread: float) -> Array:
    """Measure the distance to a random centre, made uneven: outlines of lakes, pits."""
    u, v = canvas.frame(name)
    u = u - canvas.rng.uniform(name + "/u", -spread, spread)
    v = v - canvas.rng.uniform(name + "/v", -spread, spread)
    v = v * canvas.rng.uniform(name + "/flat", 0.8, 1.4)
    fray = 1.5 * canvas.noise(name + "/fray", 7)
    uneven = 5.0 * canvas.noise(name + "/outline", 3) + fray
    return np.sqrt(u * u + v * v) + uneven


def grid(canvas: Canvas, name: str, pitch: Array, bend: float) -> tuple[Array, ...]:
    """Lay a turned grid: cell numbers i, j, and the position within it, in pixels."""
    u, v = canvas.frame(name, bend)
    i, j = np.floor(u / pitch), np.floor(v / pitch)
    return i, j, u - (i + 0.5) * pitch, v - (j + 0.5) * pitch


def rural(canvas: Canvas) -> None:
    """Paint the background of scenes that are about something else."""
    countryside(canvas, crops=(-0.2, 0.9), woods=(-2.0, 0.8))


def farm_track(canvas: Canvas, probability: float) -> None:
    """Paint a track through some patches: a thin line is no proof of a highway."""
    rng = canvas.rng
    u, v = canvas.frame("track", bend=2.0)
    line = np.abs(u - rng.uniform("track/offset", -24, 24)) < 1.0
    canvas.paint(line & rng.chance("track", probability), "bare", "soil", "gravel", 0.4)
