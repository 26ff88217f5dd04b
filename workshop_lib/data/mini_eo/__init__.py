"""MiniEO: the data set that needs no download.

Procedural scenes in the manner of Sentinel-2 and Sentinel-1, made in seconds from a
seed. A land-cover map is drawn first; reflectance, radar and elevation follow from it,
from the place and from the date. See `landscape` for what generates what.
"""

__all__ = [
    "BANDS",
    "CLASSES",
    "CLIMATE_ZONES",
    "COVERS",
    "DEFAULT_BANDS",
    "DEFAULT_SEED",
    "REGIONS",
    "mini_eo",
]

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from workshop_lib.data.cache import cached
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.mini_eo import landscape
from workshop_lib.data.mini_eo.classes import CLASSES, paint_scene
from workshop_lib.data.mini_eo.landscape import CLIMATE_ZONES, COVERS, REGIONS
from workshop_lib.data.mini_eo.sensors import BANDS, elevation, optical, radar
from workshop_lib.errors import WorkshopError, unknown_name

DEFAULT_SEED = 2026
VERSION = 1  # raise when pixels change: caches of older versions are then left alone
DEFAULT_BANDS = ("B02", "B03", "B04", "B08")  # blue, green, red, near infrared: 10 m
# What is known of each patch besides its pixels
FACTS = tuple(
    f.name
    for f in fields(landscape.Acquisition)
    if f.name not in ("dryness", "wetness")
)
_POINTS = 64  # points across a painted landscape; 32 px average 2 x 2 of them
_POOR = 0.05  # standard deviation of a poor sensor's noise, in reflectance
_CHUNK = 64  # patches painted at once: small enough for the cache of a laptop

Arrays = dict[str, npt.NDArray[Any]]


def mini_eo(
    count: int = 4000,
    seed: int = DEFAULT_SEED,
    size: int = 32,
    bands: Sequence[str] = DEFAULT_BANDS,
    places: bool = False,
) -> Dataset:
    """Make the embedded data set, or load it from the cache of an earlier call.

    Ten scene classes, equally frequent, that differ in structure while colour, season
    and light vary within each. Labels, masks and metadata are identical on every
    machine; pixels within one digit of the fourth decimal of reflectance.

    Args:
        count: number of patches; patch k is the same whatever `count` is.
        seed: of the generator; 2026 is the set that this workshop's figures are about.
        size: 32 or 64 pixels a side, of the same landscapes (640 m wide).
        bands: names of Sentinel-2 bands, in the order wanted; `BANDS` has all twelve.
        places: the preset in which the place says much and pixels less: a class is
            twenty times likelier in its home region instead of three times, and the
            noise of a poor sensor (0.05, nearly the contrast of the red band) makes
            classes look alike. For lessons on metadata.

    Returns:
        A dataset with reflectance as images, land-cover `masks` (`COVERS`), modalities
        `s1` (VV, VH in dB) and `dem` (m), and metadata: region (its name is
        `REGIONS[region]`, its climate `CLIMATE_ZONES[region]`), lat, lon, day_of_year,
        season, altitude, temperature, rain, wind (units in `landscape.Acquisition`).

    Raises:
        WorkshopError: another size, an unknown band, fewer than one patch per class,
            a seed out of range.
    """
    if size not in (32, 64):
        raise WorkshopError(f"size={size}: MiniEO comes with 32 or 64 pixels a side.")
    if count < len(CLASSES):
        raise WorkshopError(
            f"count={count}: MiniEO has {len(CLASSES)} classes, ask for at least one"
            " patch of each."
        )
    if not 0 <= seed < 2**32:
        raise WorkshopError(f"seed={seed}: give a whole number from 0 to {2**32 - 1}.")
    for band in bands:
        if band not in BANDS:
            raise unknown_name("band", band, BANDS)

    def build() -> dict[str, Tensor]:
        arrays = generate(count, seed=seed, size=size, places=places)
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    preset = "_places" if places else ""
    found = cached(f"mini_eo{preset}-v{VERSION}-{seed}-{count}-{size}", build)
    channels = [BANDS.index(band) for band in bands]
    return Dataset(
        images=found["s2"][:, channels].float() / 10_000,
        labels=found["label"],
        class_names=CLASSES,
        names=tuple(f"{CLASSES[k % len(CLASSES)]}/{k:05d}" for k in range(count)),
        bands=tuple(bands),
        masks=found["mask"],
        mask_names=COVERS,
        modalities={"s1": found["s1"].float() / 100, "dem": found["dem"].float()},
        metadata={name: found[name] for name in FACTS},
    )


def generate(
    count: int, seed: int = DEFAULT_SEED, size: int = 32, places: bool = False
) -> Arrays:
    """Make `count` patches, with every class equally often.

    Patch k belongs to class k modulo 10 and looks the same whatever `count` is.

    Args:
        count: number of patches.
        seed: of the generator; 2026 is the set that figures are reported on.
        size: 32 or 64 pixels a side; the landscapes are the same.
        places: as of `mini_eo`.

    Returns:
        Arrays by name, patch k in row k: `s2` (N, 12, size, size) int16 reflectance
        times 10,000; `s1` (N, 2, size, size) int16 decibels times 100; `dem`
        (N, 1, size, size) int16 metres; `mask` (N, size, size) uint8 covers; `label`
        (N,) int64; and one (N,) float32 per name in `FACTS`.
    """
    jobs = list(_chunks(count))
    with ThreadPoolExecutor(2) as pool:
        parts = list(
            pool.map(lambda job: _make(job[0], job[1], seed, size, places), jobs)
        )
    order = np.argsort(np.concatenate([ids for _, ids in jobs]), kind="stable")
    return {k: np.concatenate([part[k] for part in parts])[order] for k in parts[0]}


def _chunks(count: int) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """Cut the patch numbers into groups of one class each."""
    for scene in range(len(CLASSES)):
        ids = np.arange(scene, count, len(CLASSES))
        for k in range(0, len(ids), _CHUNK):
            yield scene, ids[k : k + _CHUNK]


def _make(
    scene: int, ids: npt.NDArray[np.int64], seed: int, size: int, places: bool
) -> Arrays:
    """Paint and record the patches `ids`, all of one class."""
    rng = landscape.CounterRNG(seed, ids)
    acquisition = landscape.draw_acquisition(rng, scene, 20.0 if places else 3.0)
    canvas = paint_scene(rng, acquisition, scene, _POINTS)
    cover = _majority(canvas, size)
    s2 = optical(canvas, size)  # (n, 12, size, size)
    if places:
        s2 = np.clip(s2 + _POOR * rng.normal("sensor/poor", s2.shape[1:]), 0.0001, 1.6)
    s1 = np.rint(radar(canvas, size) * 100)
    facts = {
        name: getattr(acquisition, name).reshape(-1).astype(np.float32)
        for name in FACTS
    }
    return {
        "s2": np.rint(s2 * 10_000).astype(np.int16),
        "s1": s1.astype(np.int16),
        "dem": np.rint(elevation(canvas, cover, size)).astype(np.int16),
        "mask": cover,
        "label": np.full(len(ids), scene, dtype=np.int64),
        **facts,
    }


def _majority(canvas: landscape.Canvas, size: int) -> npt.NDArray[np.uint8]:
    """Give each pixel the cover that most of its points have; of a tie, the later one.

    Later covers in the list (roads, buildings) are the smaller things, which a tie
    would otherwise erase.
    """
    f = canvas.size // size
    if f == 1:
        return canvas.cover
    blocks = canvas.cover.reshape(-1, size, f, size, f)
    last_first = range(len(COVERS))[::-1]  # of equal counts, argmax takes the first
    counts = [(blocks == k).sum(axis=(2, 4), dtype=np.uint8) for k in last_first]
    return np.array(last_first, np.uint8)[np.argmax(counts, axis=0)]
