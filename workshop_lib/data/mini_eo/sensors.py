"""From a painted landscape to what satellites would record of it.

The optical picture: reflectance of the materials, times light (sun height, terrain,
clouds' shadows), plus haze and cloud, blurred by the optics, averaged to pixels, with
sensor noise. The radar picture: backscatter of the covers with speckle. Elevation: a
smooth relief, flattened where there is water.

Reflectances (fraction of light sent back, 0 to 1) are typical of surface materials in
the bands of Sentinel-2's surface product, rounded; they are of the size that spectral
libraries give for such surfaces, not copies of any one measurement.
"""

__all__ = ["BANDS", "elevation", "optical", "radar"]

import numpy as np
import numpy.typing as npt

from workshop_lib.data.mini_eo import landscape as land
from workshop_lib.data.mini_eo.landscape import COVERS, MATERIALS, Array, Canvas

BANDS = (
    "B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12",
)  # fmt: skip

_REFLECTANCE = {  # thousandths
    #               B01  B02  B03  B04  B05  B06  B07  B08  B8A  B09  B11  B12
    "clear_water": (42, 34, 29, 17, 13, 10, 10, 9, 8, 6, 4, 3),
    "murky_water": (62, 70, 92, 78, 66, 40, 38, 30, 25, 15, 10, 7),
    "dark_soil": (45, 50, 68, 90, 110, 125, 138, 150, 165, 170, 220, 190),
    "bright_soil": (90, 110, 150, 200, 225, 245, 260, 275, 295, 300, 380, 340),
    "red_soil": (55, 62, 92, 172, 203, 225, 240, 255, 275, 280, 360, 300),
    "green_crop": (30, 30, 62, 32, 95, 300, 390, 430, 455, 460, 210, 95),
    "ripe_crop": (70, 85, 125, 170, 205, 240, 260, 290, 310, 320, 340, 240),
    "green_grass": (30, 32, 66, 42, 110, 270, 330, 365, 390, 400, 220, 110),
    "dry_grass": (60, 70, 100, 125, 160, 195, 215, 240, 262, 270, 310, 220),
    "needle_tree": (18, 18, 32, 18, 50, 140, 180, 205, 220, 225, 95, 40),
    "broad_leaf": (22, 24, 50, 24, 80, 270, 350, 395, 420, 425, 180, 75),
    "bare_twigs": (40, 45, 58, 68, 95, 130, 150, 170, 190, 195, 200, 140),
    "asphalt": (75, 85, 92, 100, 105, 110, 115, 120, 125, 128, 140, 130),
    "concrete": (150, 170, 195, 215, 225, 235, 240, 250, 255, 258, 290, 270),
    "roof_tile": (70, 80, 110, 190, 215, 230, 240, 255, 270, 275, 330, 300),
    "sheet_metal": (320, 340, 360, 370, 372, 375, 378, 382, 385, 385, 360, 330),
    "dark_roof": (55, 60, 65, 72, 78, 85, 88, 92, 96, 98, 110, 105),
    "limestone": (170, 200, 255, 310, 330, 345, 355, 365, 375, 378, 420, 380),
}
_SPECTRA = {k: np.array(v, dtype=np.float32) / 1000 for k, v in _REFLECTANCE.items()}

# Light that thin haze adds, strongest at short wavelengths; and a bright, flat cloud.
HAZE = np.array([60, 50, 33, 21, 17, 14, 12, 10, 9, 8, 2, 1], dtype=np.float32) / 1000
CLOUD = np.array(
    [420, 420, 420, 425, 430, 440, 440, 450, 450, 400, 350, 280], dtype=np.float32
) / 1000  # fmt: skip


def _blend(first: str, second: str, share: Array) -> Array:
    """Mix two spectra; `share` (n, 1, 1) of the second. Shape: (n, 12)."""
    weight = share[:, :, 0]  # (n, 1)
    return np.asarray(_SPECTRA[first] * (1 - weight) + _SPECTRA[second] * weight)


def material_table(
    rng: land.CounterRNG, leaves: Array, green: Array, dryness: Array
) -> Array:
    """Compute the spectrum of each material for each patch.

    Soil, water, roads and roofs differ from place to place; trees and grass follow the
    calendar.

    Args:
        leaves: how far broad-leaved trees are in leaf, 0 to 1, (n, 1, 1).
        green: how green the grass is, 0 to 1, (n, 1, 1).
        dryness: how far the climate favours red and bright soils, 0 to 1, (n, 1, 1).

    Returns:
        Reflectance (n, materials, 12), materials ordered as in `MATERIALS`.
    """
    draw = rng.uniform
    red = draw("soil/red") * dryness
    soil = _blend("dark_soil", "bright_soil", draw("soil/bright"))
    soil = soil * (1 - red[:, :, 0]) + _SPECTRA["red_soil"] * red[:, :, 0]
    murk = draw("water/murk", 0.0, 0.9)
    shallow = _blend("clear_water", "murky_water", 0.5 + 0.5 * murk) * 1.15
    rock = _blend("bright_soil", "limestone", draw("rock/pale")) * 0.6
    gravel = _blend("concrete", "limestone", draw("gravel/pale")) * 0.4
    rows = {
        "water": _blend("clear_water", "murky_water", murk),
        "shallow": shallow,
        "soil": soil,
        "green_crop": _blend("green_crop", "green_grass", draw("crop/kind")),
        "ripe_crop": _blend("ripe_crop", "dry_grass", draw("crop/straw")),
        "grass": _blend("dry_grass", "green_grass", green),
        "dry_grass": _blend("dry_grass", "bright_soil", draw("grass/thin", 0, 0.5)),
        "needle_tree": _blend("needle_tree", "broad_leaf", draw("tree/young", 0, 0.2)),
        "leaf_tree": _blend("bare_twigs", "broad_leaf", leaves),
        "road": _blend("asphalt", "concrete", draw("road/age") ** 2),
        "yard": _blend("asphalt", "concrete", draw("yard/age")),
        "roof_a": _blend("roof_tile", "dark_roof", draw("roof/dark")),
        "roof_b": _blend("dark_roof", "concrete", draw("roof/light")),
        "sheet_metal": _blend("sheet_metal", "concrete", draw("metal/dull", 0, 0.7)),
        "rock": soil * 0.4 + rock,
        "gravel": soil * 0.6 + gravel,
    }
    table = np.stack([rows[name] for name in MATERIALS], axis=1)
    own = 1 + 0.16 * rng.normal("materials/own", (len(MATERIALS), 1))
    return np.asarray(table * np.clip(own, 0.6, 1.5), dtype=np.float32)


def growing_season(acquisition: land.Acquisition) -> Array:
    """Return how green grass is, 0 to 1: late in the north, dry in hot summers."""
    peak = 150 + (acquisition.lat - 45) * 1.5 - 45 * acquisition.dryness
    width = 95 - 25 * acquisition.dryness
    days = np.abs(acquisition.day_of_year - peak)
    distance = np.minimum(days, 365 - days) / width
    return np.exp(-distance * distance).astype(np.float32)


def leaves_out(acquisition: land.Acquisition) -> Array:
    """Return how far broad-leaved trees are in leaf on that day, 0 to 1."""
    out = 105 + (acquisition.lat - 45) * 1.2
    fall = 300 - (acquisition.lat - 45) * 1.2
    rise = 1 / (1 + np.exp(-(acquisition.day_of_year - out) / 8))
    drop = 1 / (1 + np.exp((acquisition.day_of_year - fall) / 8))
    return (rise * drop).astype(np.float32)


# Bands that Sentinel-2 records at 20 or 60 m: averaged over blocks of 2 points.
COARSE = tuple(b not in ("B02", "B03", "B04", "B08") for b in BANDS)


def _pool(image: Array, factor: int) -> Array:
    """Average blocks of `factor` points of (n, H, H, ...)."""
    if factor == 1:
        return image
    n, h, w = image.shape[:3]
    shape = (n, h // factor, factor, w // factor, factor, *image.shape[3:])
    return np.asarray(image.reshape(shape).mean(axis=(2, 4)), dtype=np.float32)


def _blur(image: Array) -> Array:
    """Blur with the weights 1-2-1 along both axes: the point spread of the optics."""
    for axis in (1, 2):
        pad = [(0, 0)] * image.ndim
        pad[axis] = (1, 1)
        p = np.pad(image, pad, mode="edge")
        size = image.shape[axis]
        a, b, c = (np.take(p, range(k, k + size), axis=axis) for k in range(3))
        image = 0.25 * a + 0.5 * b + 0.25 * c
    return image


def optical(canvas: Canvas, size: int) -> Array:
    """Record the landscape in 12 bands.

    Returns:
        Surface reflectance (n, 12, size, size), 0 to about 1.
    """
    rng, acquisition = canvas.rng, canvas.acquisition
    vigour = rng.uniform("grass/vigour", 0.55, 1.0)
    green = np.clip(growing_season(acquisition) * vigour + 0.10, 0, 1)
    table = material_table(rng, leaves_out(acquisition), green, acquisition.dryness)
    wet = 0.35 * acquisition.wetness * rng.uniform("soil/drains", 0.3, 1)
    table = table * (1 - wet)
    flat = table.reshape(-1, table.shape[-1])  # (n * materials, 12)
    start = (np.arange(rng.n) * table.shape[1])[:, None, None]
    weight = (canvas.shade * canvas.share)[..., None]  # (n, H, H, 1)
    image = flat[start + canvas.first] * (canvas.shade[..., None] - weight)
    image += flat[start + canvas.second] * weight  # (n, H, H, 12)
    image = _pool(image, canvas.size // size) if canvas.size > size else _blur(image)
    image = image * _light(canvas, size)[..., None]
    haze = rng.uniform("air/haze") ** 2 * 1.3
    image = image + (haze + 0.10)[..., None] * HAZE
    image = image * (1 + 0.05 * rng.normal("sensor/gain", (1, 1, len(BANDS))))
    veil = _clouds(canvas, size)[..., None]
    image = np.asarray(image * (1 - veil) + veil * CLOUD, dtype=np.float32)
    coarse = np.repeat(np.repeat(_pool(image[..., COARSE], 2), 2, axis=1), 2, axis=2)
    image[..., COARSE] = coarse
    noise = rng.uniform("sensor/noise", 0.0008, 0.003)[..., None]
    image = image + noise * rng.normal("sensor/grain", image.shape[1:]) * (1 + image)
    return np.ascontiguousarray(np.moveaxis(np.clip(image, 0.0001, 1.6), -1, 1))


def _light(canvas: Canvas, size: int) -> Array:
    """Compute the light on each pixel: sun, slopes, shadows. (n, size, size)."""
    rng, acquisition = canvas.rng, canvas.acquisition
    # What the atmospheric correction leaves of a low sun
    sun = 0.72 + 0.28 * acquisition.season
    brightness = np.exp(rng.uniform("light/gain", -0.65, 0.5))
    relief = rng.noise("relief", 3, size)
    east, south = np.gradient(relief, axis=2), np.gradient(relief, axis=1)
    turn = rng.uniform("light/azimuth", 0, 2 * np.pi)
    slope = (east * np.cos(turn) + south * np.sin(turn)) * (64 / size) ** -1
    high = acquisition.altitude > 250
    steep = rng.uniform("relief/steep") ** 2 * (0.3 + 0.7 * high)
    terrain = np.clip(1 + 1.6 * steep * slope, 0.5, 1.5)
    dark = rng.chance("cloud/shadow", 0.06)
    shadow = np.clip(3 * (rng.noise("cloud/shadow-shape", 3, size) - 0.7), 0, 1) * dark
    return np.asarray(sun * brightness * terrain * (1 - 0.5 * shadow), dtype=np.float32)


def _clouds(canvas: Canvas, size: int) -> Array:
    """Draw the opacity of clouds, in one patch of sixteen. (n, size, size)."""
    rng = canvas.rng
    there = rng.chance("cloud", 0.06)
    puffs = rng.noise("cloud/shape", 3, size) + 0.4 * rng.noise("cloud/wisps", 9, size)
    opacity = 0.6 * (puffs - rng.uniform("cloud/cover", 0.4, 1.4))
    return np.clip(opacity, 0, 0.75) * there


# Backscatter in dB of cropland, grassland, trees, water, sealed, building, bare:
# first VV, then VH.
_BACKSCATTER = np.array(
    [[-11.0, -13.0, -8.5, -20.0, -13.5, -3.5, -12.5],
     [-18.0, -20.0, -13.5, -27.0, -21.0, -11.0, -21.0]], dtype=np.float32,
)  # fmt: skip
# Independent measurements averaged in one pixel: sets the strength of speckle
_LOOKS = 4


def radar(canvas: Canvas, size: int) -> Array:
    """Record the landscape as Sentinel-1 would: VV and VH.

    Volume (crowns) sends back more VH, buildings send back most, calm water almost
    nothing and windy water more; wet soil brightens fields. Speckle is multiplicative
    with a gamma law of four looks. Seasons and clouds leave radar alone.

    Returns:
        Backscatter in decibels (n, 2, size, size), about -35 to 5.
    """
    rng, acquisition = canvas.rng, canvas.acquisition
    level = _BACKSCATTER[:, canvas.cover]  # (2, n, H, H)
    ploughed = canvas.cover == COVERS.index("cropland")
    bare = canvas.cover == COVERS.index("bare")
    water = canvas.cover == COVERS.index("water")
    level = level + (ploughed | bare) * (3.5 * acquisition.wetness)
    level = level + ploughed * (3 * canvas.share - 1.5)
    level = level + water * (0.7 * acquisition.wind - 4)
    level = level + 1.2 * rng.noise("radar/texture", 17, canvas.size)
    level = level + rng.uniform("radar/angle", -1.5, 1.5)
    power = np.exp(level * np.float32(np.log(10) / 10))
    power = _pool(power.reshape(-1, *level.shape[2:]), canvas.size // size)
    looks = [rng.pixels(f"radar/look-{k}", (2, size, size)) for k in range(_LOOKS)]
    u = np.maximum(np.stack(looks), 1e-7)
    speckle = -np.log(u).mean(axis=0)  # (n, 2, size, size)
    power = np.moveaxis(power.reshape(2, -1, size, size), 0, 1) * speckle
    return np.asarray(10 * np.log10(np.maximum(power, 10**-4)), dtype=np.float32)


def elevation(canvas: Canvas, cover: npt.NDArray[np.uint8], size: int) -> Array:
    """Compute the height of the ground above the sea, in metres (n, 1, size, size).

    The same relief that shades the optical picture; water is level and lies low.
    """
    rng, acquisition = canvas.rng, canvas.acquisition
    relief = rng.noise("relief", 3, size)
    height = acquisition.altitude + relief * (4 + 40 * rng.uniform("relief/steep") ** 2)
    water = cover == COVERS.index("water")
    surface = height.min(axis=(1, 2), keepdims=True) - 2
    return np.where(water, surface, height)[:, None].astype(np.float32)
