"""MiniEO: the data set that needs no download.

Procedural scenes in the manner of Sentinel-2 and Sentinel-1, made in seconds from a
seed. A land-cover map is drawn first; reflectance, radar and elevation follow from it,
from the place and from the date. See `places` for what generates what.
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

from collections.abc import Sequence

import torch
from torch import Tensor

from workshop_lib.data.cache import cached
from workshop_lib.data.mini_eo.canvas import COVERS
from workshop_lib.data.mini_eo.generate import DEFAULT_SEED, FACTS, VERSION, generate
from workshop_lib.data.mini_eo.landscape import CLASSES
from workshop_lib.data.mini_eo.places import CLIMATE_ZONES, REGIONS
from workshop_lib.data.mini_eo.spectra import BANDS
from workshop_lib.data.scenes import Scenes
from workshop_lib.errors import WorkshopError, unknown_name

DEFAULT_BANDS = ("B02", "B03", "B04", "B08")  # blue, green, red, near infrared: 10 m


def mini_eo(
    count: int = 4000,
    seed: int = DEFAULT_SEED,
    size: int = 32,
    bands: Sequence[str] = DEFAULT_BANDS,
) -> Scenes:
    """Make the embedded data set, or load it from the cache of an earlier call.

    Ten scene classes, equally frequent, that differ in structure while colour, season
    and light vary within each. Labels, masks and metadata are identical on every
    machine; pixels within one digit of the fourth decimal of reflectance.

    Args:
        count: number of patches; patch k is the same whatever `count` is.
        seed: of the generator; 2026 is the set that this workshop's figures are about.
        size: 32 or 64 pixels a side, of the same landscapes (640 m wide).
        bands: names of Sentinel-2 bands, in the order wanted; `BANDS` has all twelve.

    Returns:
        Scenes with reflectance as images, land-cover `masks` (`COVERS`), modalities
        `s1` (VV, VH in dB) and `dem` (m), and metadata: region (its name is
        `REGIONS[region]`, its climate `CLIMATE_ZONES[region]`), lat, lon, day_of_year,
        season, altitude, temperature, rain, wind (units in `places.Place`).

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
        arrays = generate(count, seed=seed, size=size)
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    found = cached(f"mini_eo-v{VERSION}-{seed}-{count}-{size}", build)
    channels = [BANDS.index(band) for band in bands]
    return Scenes(
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
