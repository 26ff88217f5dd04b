"""ben-ge: BigEarthNet's patches with elevation, land cover, climate, season, weather.

    ben-ge-800/
        sentinel-2/S2A_MSIL2A_..._36_85/     as in `bigearthnet`: bands, labels, date
        sentinel-1/S1A_IW_GRDH_.../          its radar, VV and VH in dB
        S2A_MSIL2A_..._36_85_dem.tif             elevation in metres
        S2A_MSIL2A_..._36_85_esaworldcover.tif   land cover in the codes of ESA
        *.csv                                a row for each patch

That there are two folders of patches, maps with these two endings, and a table each for
weather, climate zone and season, is known. **Not known for certain** is in which folder
the maps are, and what the tables and their columns are called. So maps are looked for
anywhere below the folder, and tables are all .csv files there with a column `patch_id`
that names Sentinel-2 patches, in any order; patches may be missing. A column is read if
its name contains one of these, in small or capital letters:

    season                                   "season", 1 on 21 June, 0 on 22 December
    climate                                  "climate_zone": 1 to 30 of `KOPPEN`, or
                                             its letters ("Dfb"); 0 is not known
    lat, lon (the whole name, or latitude)   "lat", "lon" in degrees
    temperature, pressure, wind, humid,
    rain, precip                             "weather", all of them side by side

Columns that end in `_s1` are left alone: they are about the day of the radar image.

What a patch is missing is marked, not refused: radar and elevation by "has_s1" and
"has_dem" (0), land cover by 255, metadata by NaN. What is there but damaged is an
error.

Mommert et al. 2023, arXiv:2307.01741. Land cover: ESA WorldCover, 11 classes at 10 m.
"""

__all__ = ["COVER_CODES", "ben_ge", "is_ben_ge"]

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from workshop_lib.data.dataset import Dataset
from workshop_lib.data.metadata import KOPPEN, season_of
from workshop_lib.data.read.bigearthnet_patches import (
    S2_BANDS,
    PatchReader,
    dataset_fields,
)
from workshop_lib.data.read.geotiff import open_raster, without_place_warnings
from workshop_lib.data.read.images import Decoded, OnError, fit, read_images
from workshop_lib.data.read.index import ImageEntry, file_state, is_visible
from workshop_lib.errors import WorkshopError, listed
from workshop_lib.pixels import IGNORE

# Land cover by its code in ESA's maps; 0 is no data
COVER_CODES = {
    10: "trees",
    20: "shrubland",
    30: "grassland",
    40: "cropland",
    50: "built-up",
    60: "bare or sparse",
    70: "snow and ice",
    80: "water",
    90: "wetland",
    95: "mangroves",
    100: "moss and lichen",
}
_S2, _S1 = "sentinel-2", "sentinel-1"
_KEY = "patch_id"
_COLUMNS = {
    "season": re.compile("season"),
    "climate_zone": re.compile("climate"),
    "lat": re.compile("^lat(itude)?(_s2)?$"),
    "lon": re.compile("^lon(gitude)?(_s2)?$"),
    "weather": re.compile("temperature|pressure|wind|humid|(^|_)rain|precip"),
}


def is_ben_ge(folder: Path | str) -> bool:
    """Return whether a folder holds Sentinel-2 patches in the layout of ben-ge."""
    return any(Path(folder, _S2).glob("S2*"))


def ben_ge(
    path: Path | str,
    bands: Sequence[str] = S2_BANDS,
    size: int | None = None,
    cache: bool = True,
    on_error: OnError = "raise",
) -> Dataset:
    """Read patches with all that is known about each of them.

    Args:
        path: folder that holds `sentinel-2` and, if there are any, the rest.
        bands: which Sentinel-2 bands, in this order.
        size: side in pixels; None for 120. Land cover takes the nearest pixel.
        cache, on_error: as in `Dataset.from_folder`.

    Returns:
        A dataset with reflectance as images and multi-hot labels of 19 classes (N, 19).
        Where at least one patch has it: the modalities "s1" (dB) and "dem" (m) with
        "has_s1" and "has_dem" in the metadata, and land cover as masks. Metadata:
        "day_of_year", "lat" and "lon" of the Sentinel-2 patch, "season" (1 on 21 June)
        and what the tables hold.

    Raises:
        WorkshopError: no such folder; or one message that lists all damaged patches.
    """
    root = Path(path)
    reader = _BenGeReader(root, bands)
    with without_place_warnings():
        found = read_images(reader, size, cache, on_error)
    fields = dataset_fields(reader, found)
    facts = {name: numbers.float() for name, numbers in fields["metadata"].items()}
    facts["season"] = season_of(facts["day_of_year"])
    for name, told in _read_tables(root, found.names).items():
        own = facts.get(name, told)  # of the patch itself, where a table is silent
        facts[name] = torch.where(told.isnan(), own, told)
    modalities = {**fields["modalities"], "dem": found.images[:, -2:-1]}
    for name in ("s1", "dem"):
        if not facts.get(f"has_{name}", torch.zeros(1)).any():
            modalities.pop(name, None)
            facts.pop(f"has_{name}", None)
    if facts.pop("has_cover").any():
        fields["masks"] = found.images[:, -1].to(torch.uint8)
        fields["mask_names"] = tuple(COVER_CODES.values())
    return Dataset(**fields | {"modalities": modalities, "metadata": facts})


class _BenGeReader(PatchReader):
    """Reads a patch and its maps: bands, radar, elevation, number of the land cover."""

    def __init__(self, root: Path, bands: Sequence[str]) -> None:
        radar = root / _S1 if any((root / _S1).glob("S1*")) else None
        super().__init__(root / _S2, radar, bands)
        self.dem = _find_maps(root, "_dem.tif")
        self.cover = _find_maps(root, "_esaworldcover.tif")
        paths = map(str, [*self.dem.values(), *self.cover.values()])
        states = json.dumps([(path, *file_state(path)) for path in paths])
        digest = hashlib.sha256(states.encode()).hexdigest()
        self.rules = f"ben-ge 2, {self.rules}, {digest}"
        self.pixel_bytes += 8

    def read(self, entry: ImageEntry, height: int, width: int) -> Decoded:
        """Read all of one patch; what is not there is 0, of the land cover 255."""
        found = super().read(entry, height, width)
        nothing = np.zeros((height, width), np.float32)
        dem = _read_dem(self.dem.get(entry.name), height, width)
        cover = _read_cover(self.cover.get(entry.name), height, width)
        has = {"has_dem": dem is not None, "has_cover": cover is not None}
        dem = nothing if dem is None else dem
        cover = nothing + IGNORE if cover is None else cover
        pixels = np.concatenate([found.pixels, np.stack([dem, cover])])  # (C + 2, H, W)
        return Decoded(pixels, found.resized, found.metadata | has)


def _find_maps(root: Path, ending: str) -> dict[str, Path]:
    """Find the maps of one kind below a folder: patch -> file."""
    return {p.name.removesuffix(ending): p for p in _visible(root, f"*{ending}")}


def _visible(root: Path, pattern: str) -> list[Path]:
    return [path for path in sorted(root.rglob(pattern)) if is_visible(path.name)]


def _read_dem(path: Path | None, h: int, w: int) -> npt.NDArray[np.float32] | None:
    """Read heights in metres; None where the map is not there or has gaps."""
    if path is None:
        return None
    with open_raster(str(path)) as dataset:
        heights = dataset.read(1, masked=True).astype(np.float32).filled(np.nan)
    if not np.isfinite(heights).all():
        return None
    return np.asarray(fit(Image.fromarray(heights), h, w))


def _read_cover(path: Path | None, h: int, w: int) -> npt.NDArray[np.float32] | None:
    """Read land cover as numbers from 0, 255 where it is not known.

    Raises:
        ValueError: a code that ESA's maps do not have.
    """
    if path is None:
        return None
    with open_raster(str(path)) as dataset:
        codes = dataset.read(1)
    odd = sorted(set(np.unique(codes).tolist()) - {0, *COVER_CODES})
    if odd:
        raise ValueError(f"codes that ESA WorldCover does not have: {odd[:8]}")
    number = np.full(256, IGNORE, np.uint8)  # 0 stays unknown
    number[list(COVER_CODES)] = range(len(COVER_CODES))
    picture = Image.fromarray(number[codes.astype(np.uint8)])
    nearest = fit(picture, h, w, Image.Resampling.NEAREST)
    return np.asarray(nearest).astype(np.float32)


def _read_tables(root: Path, names: Sequence[str]) -> dict[str, Tensor]:
    """Read the metadata of some patches from all tables below a folder.

    Returns:
        By name, (N,) float32, "weather" (N, k); NaN where a table is silent.

    Raises:
        WorkshopError: a table that cannot be read, with a patch twice, or with texts
            where numbers are needed.
    """
    columns: dict[str, list[pd.Series]] = {}
    for path in _visible(root, "*.csv"):
        try:
            table = pd.read_csv(path, dtype={_KEY: str})
            if _KEY not in table.columns:  # about something else
                continue
            table = table.set_index(_KEY)
            if twice := sorted(set(table.index[table.index.duplicated()].astype(str))):
                raise ValueError(f"two rows each for {listed(twice)}")
        except (OSError, ValueError) as error:
            raise WorkshopError(
                f"{path} cannot be read as a table with one row for each patch"
                f" ({error}): mend or remove it."
            ) from error
        for column in table.columns:
            text = str(column).strip().lower()
            name = next((k for k, one in _COLUMNS.items() if one.search(text)), None)
            if name is not None and not text.endswith("_s1"):
                values = _numbers(table[column], name, path)
                columns.setdefault(name, []).append(values.reindex(list(names)))
    found = {}
    for name, some in columns.items():
        numbers = torch.from_numpy(np.stack(some, 1).astype(np.float32))  # (N, k)
        found[name] = numbers if name == "weather" else numbers[:, 0]
    return found


def _numbers(values: pd.Series, name: str, path: Path) -> pd.Series:
    """Turn a column into numbers; a climate may be given by its letters."""
    if name == "climate_zone":
        codes = {letters.lower(): k for k, letters in enumerate(KOPPEN, start=1)}
        texts = values.astype(str).str.strip().str.lower()
        values = values.where(~texts.isin(list(codes)), texts.map(codes))
    numbers = pd.to_numeric(values, errors="coerce")
    odd = sorted(set(values[numbers.isna() & values.notna()].astype(str)))
    if odd:
        raise WorkshopError(
            f"{path}, column {values.name}: {listed(odd)} is no number: mend it, or"
            " leave the field empty where it is not known."
        )
    if name == "climate_zone":
        numbers = numbers.where(numbers != 0)  # the sea, in maps of climates
    return numbers
