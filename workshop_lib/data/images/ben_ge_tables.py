"""The tables of ben-ge: numbers for each patch, found by what their columns say.

What the tables and their columns are called is not known for certain. A table is any
.csv file below the folder with a column `patch_id` that names Sentinel-2 patches, in
any order; patches may be missing. A column is read if its name contains one of these,
in small or capital letters:

    season                                   "season", 1 on 21 June, 0 on 22 December
    climate                                  "climate_zone": 1 to 30 of `KOPPEN`, or
                                             its letters ("Dfb"); 0 is not known
    lat, lon (the whole name, or latitude)   "lat", "lon" in degrees
    temperature, pressure, wind, humid,
    rain, precip                             "weather", all of them side by side

Other columns are left alone, and so are those that end in `_s1`: they are about the day
of the radar image.
"""

__all__ = ["read_tables"]

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workshop_lib.data.checks import listed
from workshop_lib.data.facts import KOPPEN
from workshop_lib.data.images.listing import is_visible
from workshop_lib.errors import WorkshopError

_KEY = "patch_id"
_MEANING = {
    "season": re.compile("season"),
    "climate_zone": re.compile("climate"),
    "lat": re.compile("^lat(itude)?(_s2)?$"),
    "lon": re.compile("^lon(gitude)?(_s2)?$"),
    "weather": re.compile("temperature|pressure|wind|humid|(^|_)rain|precip"),
}


def read_tables(root: Path, names: Sequence[str]) -> dict[str, Tensor]:
    """Read the facts of some patches from all tables below a folder.

    Args:
        root: of the data set.
        names: of N patches.

    Returns:
        By name, (N,) float32, "weather" (N, k); NaN where a table does not tell.

    Raises:
        WorkshopError: a table that cannot be read, with a patch twice, or with texts
            where numbers are needed.
    """
    columns: dict[str, list[pd.Series]] = {}
    for path in sorted(root.rglob("*.csv")):
        if not is_visible(path.name):
            continue
        table = _read(path)
        if table is None:
            continue
        for column in table.columns:
            name = _meaning(str(column))
            if name is not None:
                values = _numbers(table[column], name, path)
                columns.setdefault(name, []).append(values.reindex(list(names)))
    found = {}
    for name, some in columns.items():
        numbers = torch.from_numpy(np.stack(some, 1).astype(np.float32))  # (N, k)
        found[name] = numbers if name == "weather" else numbers[:, 0]
    return found


def _meaning(column: str) -> str | None:
    column = column.strip().lower()
    if column.endswith("_s1"):
        return None
    return next((k for k, known in _MEANING.items() if known.search(column)), None)


def _read(path: Path) -> pd.DataFrame | None:
    """Read a table with patches for rows; None for one about something else."""
    try:
        table = pd.read_csv(path, dtype={_KEY: str})
    except (OSError, ValueError) as error:
        raise WorkshopError(
            f"{path} cannot be read as a table ({error}): mend or remove it."
        ) from error
    if _KEY not in table.columns:
        return None
    table = table.set_index(_KEY)
    twice = sorted(set(table.index[table.index.duplicated()].astype(str)))
    if twice:
        raise WorkshopError(
            f"{path}: {len(twice)} patches have two rows ({listed(twice)}): keep one"
            " of each."
        )
    return table


def _numbers(values: "pd.Series", name: str, path: Path) -> "pd.Series":
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
            " leave the field empty where nobody knows."
        )
    if name == "climate_zone":
        numbers = numbers.where(numbers != 0)  # the sea, in maps of climates
    return numbers
