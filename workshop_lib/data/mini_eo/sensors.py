"""From a painted landscape to what satellites would record of it.

The optical picture: reflectance of the materials, times light (sun height, terrain,
clouds' shadows), plus haze and cloud, blurred by the optics, averaged to pixels, with
sensor noise. The radar picture: backscatter of the covers with speckle. Elevation: a
smooth relief, flattened where water lies.
"""

__all__ = ["COARSE", "elevation", "optical", "radar"]

import numpy as np
import numpy.typing as npt

from workshop_lib.data.mini_eo.canvas import COVERS, Canvas, growing_season, leaves_out
from workshop_lib.data.mini_eo.draws import Array
from workshop_lib.data.mini_eo.spectra import BANDS, CLOUD, HAZE, material_table

# Bands that Sentinel-2 records at 20 or 60 m: averaged over blocks of 2 points.
COARSE = tuple(b not in ("B02", "B03", "B04", "B08") for b in BANDS)


def _pool(image: Array, factor: int) -> Array:
    """Average blocks of `factor` points of (n, H, H, ...)."""
    if factor == 1:
        return image
    n, h, w = image.shape[:3]
    blocks = image.reshape(
        n, h // factor, factor, w // factor, factor, *image.shape[3:]
    )
    return np.asarray(blocks.mean(axis=(2, 4)), dtype=np.float32)


def _blur(image: Array) -> Array:
    """Blur with the weights 1-2-1 along both axes: the point spread of the optics."""
    for axis in (1, 2):
        pad = [(0, 0)] * image.ndim
        pad[axis] = (1, 1)
        p = np.pad(image, pad, mode="edge")
        a, b, c = (
            np.take(p, range(k, k + image.shape[axis]), axis=axis) for k in range(3)
        )
        image = 0.25 * a + 0.5 * b + 0.25 * c
    return image


def optical(canvas: Canvas, size: int) -> Array:
    """Record the landscape in 12 bands.

    Returns:
        Surface reflectance (n, 12, size, size), 0 to about 1.
    """
    draw, place = canvas.draw, canvas.place
    vigour = draw.uniform("grass/vigour", 0.55, 1.0)
    green = np.clip(growing_season(place) * vigour + 0.10, 0, 1)
    table = material_table(draw, leaves_out(place), green, place.dryness)
    table = table * (1 - 0.35 * place.wetness * draw.uniform("soil/drains", 0.3, 1))
    flat = table.reshape(-1, table.shape[-1])  # (n * materials, 12)
    start = (np.arange(draw.n) * table.shape[1])[:, None, None]
    weight = (canvas.shade * canvas.share)[..., None]  # (n, H, H, 1)
    image = flat[start + canvas.first] * (canvas.shade[..., None] - weight)
    image += flat[start + canvas.second] * weight  # (n, H, H, 12)
    image = _pool(image, canvas.size // size) if canvas.size > size else _blur(image)
    image = image * _light(canvas, size)[..., None]
    haze = draw.uniform("air/haze") ** 2 * 1.3
    image = image + (haze + 0.10)[..., None] * HAZE
    image = image * (1 + 0.05 * draw.normal("sensor/gain", (1, 1, len(BANDS))))
    veil = _clouds(canvas, size)[..., None]
    image = np.asarray(image * (1 - veil) + veil * CLOUD, dtype=np.float32)
    coarse = np.repeat(np.repeat(_pool(image[..., COARSE], 2), 2, axis=1), 2, axis=2)
    image[..., COARSE] = coarse
    noise = draw.uniform("sensor/noise", 0.0008, 0.003)[..., None]
    image = image + noise * draw.normal("sensor/grain", image.shape[1:]) * (1 + image)
    return np.ascontiguousarray(np.moveaxis(np.clip(image, 0.0001, 1.6), -1, 1))


def _light(canvas: Canvas, size: int) -> Array:
    """Compute the light on each pixel: sun, slopes, shadows. (n, size, size)."""
    draw, place = canvas.draw, canvas.place
    sun = (
        0.72 + 0.28 * place.season
    )  # what the atmospheric correction leaves of low sun
    brightness = np.exp(draw.uniform("light/gain", -0.65, 0.5))
    relief = draw.noise("relief", 3, size)
    east, south = np.gradient(relief, axis=2), np.gradient(relief, axis=1)
    turn = draw.uniform("light/azimuth", 0, 2 * np.pi)
    slope = (east * np.cos(turn) + south * np.sin(turn)) * (64 / size) ** -1
    steep = draw.uniform("relief/steep") ** 2 * (0.3 + 0.7 * (place.altitude > 250))
    terrain = np.clip(1 + 1.6 * steep * slope, 0.5, 1.5)
    dark = draw.chance("cloud/shadow", 0.06)
    shadow = np.clip(3 * (draw.noise("cloud/shadow-shape", 3, size) - 0.7), 0, 1) * dark
    return np.asarray(sun * brightness * terrain * (1 - 0.5 * shadow), dtype=np.float32)


def _clouds(canvas: Canvas, size: int) -> Array:
    """Draw the opacity of clouds, in one patch of sixteen. (n, size, size)."""
    draw = canvas.draw
    there = draw.chance("cloud", 0.06)
    puffs = draw.noise("cloud/shape", 3, size) + 0.4 * draw.noise(
        "cloud/wisps", 9, size
    )
    return (
        np.clip(0.6 * (puffs - draw.uniform("cloud/cover", 0.4, 1.4)), 0, 0.75) * there
    )


# Backscatter in dB of cropland, grassland, trees, water, sealed, building, bare:
# first VV, then VH.
_BACKSCATTER = np.array(
    [[-11.0, -13.0, -8.5, -20.0, -13.5, -3.5, -12.5],
     [-18.0, -20.0, -13.5, -27.0, -21.0, -11.0, -21.0]], dtype=np.float32,
)  # fmt: skip
_LOOKS = (
    4  # independent measurements averaged in one pixel: sets the strength of speckle
)


def radar(canvas: Canvas, size: int) -> Array:
    """Record the landscape as Sentinel-1 would: VV and VH.

    Volume (crowns) sends back more VH, buildings send back most, calm water almost
    nothing and windy water more; wet soil brightens fields. Speckle is multiplicative
    with a gamma law of four looks. Seasons and clouds leave radar alone.

    Returns:
        Backscatter in decibels (n, 2, size, size), about -35 to 5.
    """
    draw, place = canvas.draw, canvas.place
    level = _BACKSCATTER[:, canvas.cover]  # (2, n, H, H)
    ploughed = canvas.cover == COVERS.index("cropland")
    bare = canvas.cover == COVERS.index("bare")
    water = canvas.cover == COVERS.index("water")
    level = level + (ploughed | bare) * (3.5 * place.wetness)
    level = level + ploughed * (3 * canvas.share - 1.5)
    level = level + water * (0.7 * place.wind - 4)
    level = level + 1.2 * draw.noise("radar/texture", 17, canvas.size)
    level = level + draw.uniform("radar/angle", -1.5, 1.5)
    power = _pool(
        np.exp(level * np.float32(np.log(10) / 10)).reshape(-1, *level.shape[2:]),
        canvas.size // size,
    )
    u = np.stack(
        [draw.pixels(f"radar/look-{k}", (2, size, size)) for k in range(_LOOKS)]
    )
    speckle = -np.log(np.maximum(u, 1e-7)).mean(axis=0)  # (n, 2, size, size)
    power = np.moveaxis(power.reshape(2, -1, size, size), 0, 1) * speckle
    return np.asarray(10 * np.log10(np.maximum(power, 10**-4)), dtype=np.float32)


def elevation(canvas: Canvas, cover: npt.NDArray[np.uint8], size: int) -> Array:
    """Compute the height of the ground above the sea, in metres (n, 1, size, size).

    The same relief that shades the optical picture; water is level and lies low.
    """
    draw, place = canvas.draw, canvas.place
    relief = draw.noise("relief", 3, size)
    height = place.altitude + relief * (4 + 40 * draw.uniform("relief/steep") ** 2)
    water = cover == COVERS.index("water")
    surface = height.min(axis=(1, 2), keepdims=True) - 2
    return np.where(water, surface, height)[:, None].astype(np.float32)
