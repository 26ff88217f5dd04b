"""BigEarthNet, version 1: a folder per patch, and in it a GeoTIFF per band.

    BigEarthNet-v1.0/S2A_MSIL2A_20170617T113321_36_85/
        S2A_MSIL2A_20170617T113321_36_85_B02.tif           120 x 120 px of 10 m
        S2A_MSIL2A_20170617T113321_36_85_B05.tif            60 x 60 px of 20 m
        S2A_MSIL2A_20170617T113321_36_85_B01.tif            20 x 20 px of 60 m
        S2A_MSIL2A_20170617T113321_36_85_labels_metadata.json

Sentinel-1 is in a second folder of such folders, with `_VV.tif` and `_VH.tif` in dB;
its JSON names the Sentinel-2 patch that it belongs to. Bands of 20 and 60 m are
resampled (bilinearly) to the grid of 10 m.

The labels are 43 classes of CORINE. The 19 made of them merge classes that look alike
from above, and leave out 11 that images of 10 m do not show.

Sumbul et al. 2019 (Sentinel-2), 2021 (Sentinel-1 and the 19 classes).
"""

__all__ = ["CLASSES_19", "CLASSES_43", "S1_BANDS", "S2_BANDS", "bigearthnet"]

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from torch import Tensor
from tqdm import tqdm

from workshop_lib.data.cache import file_state
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.read.geotiff import read_raster
from workshop_lib.data.read.images import Decoded, OnError, ReadImages, read_images
from workshop_lib.data.read.index import UNKNOWN, ImageEntry, ImageIndex
from workshop_lib.data.read.tables import read_parts
from workshop_lib.data.read.values import Values, center_of, open_raster
from workshop_lib.errors import WorkshopError, listed, unknown_name
from workshop_lib.files import read_json, reading

S2_BANDS = (
    "B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12",
)  # fmt: skip
S1_BANDS = ("VV", "VH")
SIDE = 120  # pixels of 10 m
_JSON = "_labels_metadata.json"  # the end of the name of a patch's file of labels

# CORINE class, third level, in the order of its codes -> one of the 19, or None
TO_19: dict[str, str | None] = yaml.safe_load(
    Path(__file__).with_name("corine.yaml").read_text(encoding="utf-8")
)
CLASSES_43 = tuple(TO_19)
CLASSES_19 = tuple(dict.fromkeys(name for name in TO_19.values() if name))


def bigearthnet(
    path: Path | str,
    s1: Path | str | None = None,
    bands: Sequence[str] = S2_BANDS,
    size: int | None = None,
    on_error: OnError = "raise",
    classes: Sequence[str] = CLASSES_19,
) -> Dataset:
    """Read patches of BigEarthNet with several labels each.

    Args:
        path: folder that holds one folder per Sentinel-2 patch.
        s1: folder that holds one folder per Sentinel-1 patch; becomes the modality
            "s1" (VV, VH in dB); "has_s1" is 0 in the metadata of a patch that has none.
            None leaves it out.
        bands: which Sentinel-2 bands, in this order.
        size: side of the images in pixels; None for 120.
        on_error: as in `Dataset.from_folder`.
        classes: `CLASSES_19`, or all 43, `CLASSES_43`.

    Returns:
        A dataset with multi-hot labels (N, K), reflectance as images, and "lat", "lon"
        and "day_of_year" as metadata.

    Raises:
        WorkshopError: one message that lists everything wrong with the patches.
    """
    reader = PatchReader(Path(path), Path(s1) if s1 is not None else None, bands)
    found = read_images(reader, size, on_error=on_error)
    fields = patch_fields(reader, found, classes)
    return Dataset.from_read(found, reader.bands, **fields)


def patch_fields(
    reader: "PatchReader", found: ReadImages, classes: Sequence[str] = CLASSES_19
) -> dict[str, Any]:
    """Sort what was read of patches into the fields of a `Dataset`."""
    C, radar = len(reader.bands), len(S1_BANDS)
    return {
        "images": found.images[:, :C],
        "labels": multi_hot(found.metadata.pop("labels"), classes),
        "class_names": tuple(classes),
        "modalities": {"s1": found.images[:, C : C + radar]} if reader.s1 else {},
    }


def multi_hot(
    given: Sequence[Sequence[str]], classes: Sequence[str] = CLASSES_19
) -> Tensor:
    """Turn lists of labels into 1 for each of the classes that is there.

    Shape: N lists of names of the 43 or the 19 -> (N, K) int64.

    Raises:
        WorkshopError: a label that BigEarthNet does not have.
    """
    to = TO_19 | {name: name for name in (*CLASSES_19, *classes)}
    unknown = sorted({label for some in given for label in some} - set(to))
    if unknown:
        raise WorkshopError(
            f"labels that BigEarthNet does not have: {listed(unknown)}. Is it"
            " BigEarthNet?"
        )
    labels = torch.zeros(len(given), len(classes), dtype=torch.int64)
    for i, some in enumerate(given):
        labels[i, [classes.index(name) for k in some if (name := to[k])]] = 1
    return labels


def read_labels(folder: Path) -> tuple[dict[str, list[str]], list[str]]:
    """Read the labels of all patches, and to which part each belongs; no pixels.

    Version 2 has both in one table. Version 1 has labels in each patch's folder, and a
    list of (Sentinel-2 patch, Sentinel-1 patch) for each part.

    Returns:
        Patch -> names of its classes; and for each patch "train", "val" or "test": none
        if no parts are published.

    Raises:
        WorkshopError: a table that cannot be read, or a listed patch that is missing.
    """
    path = folder / "metadata.parquet"
    if path.exists():
        with reading(path, "pip install 'workshop_lib[geo]'; or get the file again."):
            table = pd.read_parquet(path, columns=["patch_id", "labels", "split"])
        labels = dict(zip(table["patch_id"], map(list, table["labels"]), strict=True))
        return labels, table["split"].replace({"validation": "val"}).tolist()
    s2 = folder / "sentinel-2"
    paths = sorted(tqdm(s2.rglob(f"*{_JSON}"), desc="labels", disable=None))
    labels = {p.name.removesuffix(_JSON): read_json(p)["labels"] for p in paths}
    parts = read_parts(folder)
    missing = [name for name in parts if name not in labels]
    if missing:
        raise WorkshopError(
            f"{len(missing)} of the {len(parts)} patches of the published lists are not"
            f" in {s2} (the first is {missing[0]}): run `check`."
        )
    return {name: labels[name] for name in parts or labels}, list(parts.values())


class PatchReader:
    """Reads the bands of one place from the files of one or two folders.

    Raises:
        WorkshopError: no patches, or bands that they do not have.
    """

    def __init__(self, root: Path, s1: Path | None, bands: Sequence[str]) -> None:
        for band in bands:
            if band not in S2_BANDS:
                raise unknown_name("band", band, S2_BANDS)
        self.bands = tuple(bands)
        found = _list_patches(root, "S2*")
        self.index = ImageIndex(str(root.resolve()), found, [UNKNOWN] * len(found), ())
        self.s1 = _list_patches(s1, "S1*") if s1 is not None else None
        states = [entry[::2] for entry in self.s1 or []]
        self.rules = f"bigearthnet 4, {self.bands}, {states}"

    def size(self, entry: ImageEntry) -> tuple[int, int]:
        """Return the side of the 10 m bands, which all others are resampled to."""
        return SIDE, SIDE

    def read(self, entry: ImageEntry, height: int, width: int) -> Decoded:
        """Read all bands of one patch, Sentinel-1 behind Sentinel-2."""
        metadata = _read_metadata(entry.place)
        layers = [_read_band(entry.place, b, height, width) for b in self.bands]
        # All bands show the same place
        with open_raster(f"{_stem(entry.place)}_{self.bands[0]}.tif") as file:
            metadata |= center_of(file)
        if self.s1 is not None:
            partner = self._partners.get(entry.name)
            metadata["has_s1"] = float(partner is not None)
            nothing = Decoded(np.zeros((1, height, width), np.float32), False)
            for band in S1_BANDS:
                found = partner and _read_band(partner, band, height, width)
                layers.append(found or nothing)
        resized = (height, width) != (SIDE, SIDE)
        note = next((one.note for one in layers if one.note), "")
        pixels = np.concatenate([one.pixels for one in layers])
        return Decoded(pixels, resized, metadata, note)

    @cached_property
    def _partners(self) -> dict[str, str]:
        """Find the Sentinel-1 patch of each Sentinel-2 patch by its JSON."""
        found = {}
        for entry in self.s1 or []:
            with suppress(OSError, ValueError, TypeError):  # its partner stays alone
                given = _read_json(entry.place)
                found[str(given.get("corresponding_s2_patch"))] = entry.place
        return found


def _list_patches(root: Path, pattern: str) -> list[ImageEntry]:
    """List the folders of a folder; their state is that of all files in them."""
    found = []
    for folder in sorted(path for path in root.glob(pattern) if path.is_dir()):
        states = [file_state(str(file)) for file in folder.iterdir()] or [(0, 0, 0)]
        sizes, *times = zip(*states, strict=True)
        state = (len(states), sum(sizes), *map(max, times))
        found.append(ImageEntry(folder.name, str(folder), state))
    if not found:
        raise WorkshopError(
            f"{root}: no folders {pattern} in it. Give the folder that holds one folder"
            " per patch, S2A_MSIL2A_... or S1A_IW_GRDH_..."
        )
    return found


def find_patches(root: Path, satellite: str) -> Path | None:
    """Find the folder that holds the patches of "S1" or "S2", at most two folders down.

    None if there is none.
    """
    for depth in ("", "*/", "*/*/"):
        for found in root.glob(f"{depth}{satellite}*/*{_JSON}"):
            return found.parent.parent
    return None


def _stem(folder: str) -> str:
    return os.path.join(folder, os.path.basename(folder))


def _read_band(folder: str, band: str, height: int, width: int) -> Decoded:
    with open_raster(f"{_stem(folder)}_{band}.tif") as file:
        return read_raster(file, Values(file, (band,)), height, width)


def _read_json(folder: str) -> dict[str, Any]:
    """Read a patch's JSON: OSError or ValueError if that fails."""
    with open(f"{_stem(folder)}{_JSON}", encoding="utf-8") as file:
        return dict(json.load(file))


def _read_metadata(folder: str) -> dict[str, Any]:
    """Take from a patch's JSON what is kept of it."""
    given = _read_json(folder)
    if not {"labels", "acquisition_date"} <= set(given):
        raise ValueError("its JSON has no labels or no acquisition_date")
    day = datetime.strptime(given["acquisition_date"], "%Y-%m-%d %H:%M:%S")
    return {"labels": given["labels"], "day_of_year": day.timetuple().tm_yday}
