"""ben-ge: BigEarthNet's patches with elevation, land cover, climate, season, weather.

    ben-ge-800/
        sentinel-2/S2A_MSIL2A_..._36_85/     as in `bigearthnet`: bands, labels, date
        sentinel-1/S1A_IW_GRDH_.../          its radar, VV and VH in dB
        dem/S2A_MSIL2A_..._36_85_dem.tif     elevation in metres
        esaworldcover/S2A_..._36_85_esaworldcover.tif   land cover in the codes of ESA
        ben-ge-800_meta.csv, ben-ge-800_era-5.csv, ...  a row for each patch

The full data set comes in several archives. So maps and tables are looked for anywhere
below the folder: maps by their endings, tables as .csv files with a column `patch_id`,
whose rows may be in any order. Of their columns these are read, in the names of the
data set's description; those that end in `_s1`, about the day of the radar image, are
not:

    season_s2      "season", 1 on 21 June, 0 on 22 December
    climatezone    "climate_zone", 1 to 30 of `KOPPEN`; 0, open water, becomes NaN
    lat, lon       "lat", "lon" in degrees
    the others     "weather", side by side: pressure level (mbar), temperature (K), wind
                   to the east and to the north (m/s), relative humidity (%)

What a patch is missing is marked, not refused: radar and elevation by "has_s1" and
"has_dem" (0), land cover by 255, metadata by NaN. What is there but damaged is an
error.

Mommert et al. 2023, arXiv:2307.01741; https://github.com/HSG-AIML/ben-ge describes the
files. Land cover: ESA WorldCover, 11 classes at 10 m.
"""

__all__ = ["COVER_CODES", "ben_ge", "is_ben_ge"]

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from workshop_lib.data.cache import file_state
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.metadata import season_of
from workshop_lib.data.read import bigearthnet_patches as patches
from workshop_lib.data.read.images import Decoded, OnError, fit, read_images
from workshop_lib.data.read.index import ImageEntry, is_visible
from workshop_lib.data.read.tables import first_known
from workshop_lib.data.read.values import open_raster
from workshop_lib.files import reading
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
_KEY = "patch_id"
_COLUMNS = {"season_s2": "season", "climatezone": "climate_zone"}
_COLUMNS |= {"lat": "lat", "lon": "lon"}
_WEATHER = (
    "atmpressure_level", "temperature_s2", "wind-u_s2", "wind-v_s2", "relhumidity_s2",
)  # fmt: skip


def is_ben_ge(folder: Path | str) -> bool:
    """Return whether a folder holds Sentinel-2 patches, as of ben-ge or BigEarthNet."""
    return patches.find_patches(Path(folder), "S2") is not None


def ben_ge(
    path: Path | str,
    bands: Sequence[str] = patches.S2_BANDS,
    size: int | None = None,
    on_error: OnError = "raise",
) -> Dataset:
    """Read patches with all that is known about each of them.

    Args:
        path: folder that holds `sentinel-2` and, if there are any, the rest; or patches
            of BigEarthNet, version 1, of which there are only these.
        bands: which Sentinel-2 bands, in this order.
        size: side in pixels; None for 120. Land cover takes the nearest pixel.
        on_error: as in `Dataset.from_folder`.

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
    found = read_images(reader, size, on_error=on_error)
    fields = patches.patch_fields(reader, found)
    facts = {name: torch.tensor(v).float() for name, v in found.metadata.items()}
    facts["season"] = season_of(facts["day_of_year"])
    facts = first_known(_read_tables(root, found.names), facts)
    modalities = {**fields["modalities"], "dem": found.images[:, -2:-1]}
    for name in ("s1", "dem"):
        if not facts.get(f"has_{name}", torch.zeros(1)).any():
            modalities.pop(name, None)
            facts.pop(f"has_{name}", None)
    if facts.pop("has_cover").any():
        fields["masks"] = found.images[:, -1].to(torch.uint8)
        fields["mask_names"] = tuple(COVER_CODES.values())
    fields |= {"modalities": modalities, "metadata": facts}
    return Dataset.from_read(found, reader.bands, **fields)


class _BenGeReader(patches.PatchReader):
    """Reads a patch and its maps: bands, radar, elevation, number of the land cover."""

    def __init__(self, root: Path, bands: Sequence[str]) -> None:
        optical, radar = (patches.find_patches(root, name) for name in ("S2", "S1"))
        super().__init__(optical or root, radar, bands)
        self.maps: dict[tuple[str, str], Path] = {}  # by ending and patch
        for ending in _MAPS:
            found = _visible(root, f"*{ending}")
            self.maps |= {(ending, p.name.removesuffix(ending)): p for p in found}
        states = [(str(path), *file_state(path)) for path in self.maps.values()]
        self.rules = f"ben-ge 4, {self.rules}, {states}"

    def read(self, entry: ImageEntry, height: int, width: int) -> Decoded:
        """Read all of one patch; what is not there is 0, of the land cover 255."""
        found = super().read(entry, height, width)
        layers, has = [found.pixels], {}
        for ending, (name, read, nothing) in _MAPS.items():
            path = self.maps.get((ending, entry.name))
            layer = read(path, height, width) if path else None
            has[f"has_{name}"] = layer is not None
            if layer is None:
                layer = np.full((height, width), nothing)
            layers.append(layer[None].astype(np.float32))
        about = found.metadata | has
        return Decoded(np.concatenate(layers), found.resized, about, found.note)


def _visible(root: Path, pattern: str) -> list[Path]:
    return [path for path in sorted(root.rglob(pattern)) if is_visible(path.name)]


def _read_dem(path: Path, h: int, w: int) -> npt.NDArray[Any] | None:
    """Read heights in metres; None if the map has gaps."""
    with open_raster(str(path)) as dataset:
        heights = dataset.read(1, masked=True).astype(np.float32).filled(np.nan)
    if not np.isfinite(heights).all():
        return None
    return np.asarray(fit(Image.fromarray(heights), h, w))


def _read_cover(path: Path, h: int, w: int) -> npt.NDArray[Any]:
    """Read land cover as numbers from 0, 255 where it is not known.

    Raises:
        ValueError: a code that ESA's maps do not have.
    """
    with open_raster(str(path)) as dataset:
        codes = dataset.read(1)
    odd = sorted(set(np.unique(codes).tolist()) - {0, *COVER_CODES})
    if odd:
        raise ValueError(f"codes that ESA WorldCover does not have: {odd[:8]}")
    number = np.full(256, IGNORE, np.uint8)  # 0 stays unknown
    number[list(COVER_CODES)] = range(len(COVER_CODES))
    picture = Image.fromarray(number[codes.astype(np.uint8)])
    return np.asarray(fit(picture, h, w, Image.Resampling.NEAREST))


# Ending of the files -> name, reader, and the value where a patch has no map
_MAPS = {
    "_dem.tif": ("dem", _read_dem, 0),
    "_esaworldcover.tif": ("cover", _read_cover, IGNORE),
}


def _read_tables(root: Path, names: Sequence[str]) -> dict[str, Tensor]:
    """Read the metadata of some patches from all tables below a folder.

    Returns:
        By name, (N,) float32, "weather" (N, k); NaN where a table is silent.

    Raises:
        WorkshopError: a table that cannot be read, with a patch twice, or with texts
            where numbers are needed.
    """
    known = {_KEY, *_COLUMNS, *_WEATHER}
    columns: dict[str, npt.NDArray[np.float32]] = {}
    for path in _visible(root, "*.csv"):
        with reading(path, "a row of numbers for each patch: mend or remove it."):
            table = pd.read_csv(path, usecols=known.__contains__)
            if _KEY in table:  # others are about something else
                table = table.set_index(_KEY).reindex(list(names)).astype(np.float32)
                columns |= {str(name): table[name].to_numpy() for name in table}
    found = {
        name: torch.tensor(columns[column])
        for column, name in _COLUMNS.items()
        if column in columns
    }
    if "climate_zone" in found:
        found["climate_zone"][found["climate_zone"] == 0] = torch.nan
    if weather := [columns[column] for column in _WEATHER if column in columns]:
        found["weather"] = torch.from_numpy(np.stack(weather, 1))
    return found
