"""Where and when: region, date, climate, weather, relief. What generates what:

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

__all__ = ["CLIMATE_ZONES", "REGIONS", "Acquisition", "draw_acquisition"]

from dataclasses import dataclass

import numpy as np

from workshop_lib.data.mini_eo.rng import Array, CounterRNG

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
