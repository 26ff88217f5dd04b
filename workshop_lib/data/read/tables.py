"""Tables beside images: several labels of each image, and where and when it was taken.

    FOLDER/labels.csv          name,labels          a column `name`, the path from the
        a.jpg,field;river                           table's folder; labels between `;`
    FOLDER/metadata.csv        name,lat,lon,date
        a.jpg,52.1,-8.3,2017-06-13                  degrees, and year-month-day

In place of `date` there may be `day_of_year`, 1 to 366; other columns of numbers come
along under their names, such as `region`. An empty cell is not known.
"""

__all__ = [
    "LABELS_FILE",
    "METADATA_FILE",
    "first_known",
    "read_label_table",
    "read_metadata",
    "read_parts",
]

import math
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import pandas as pd
import torch
from torch import Tensor

from workshop_lib.errors import WorkshopError, listed, readable
from workshop_lib.files import reading

PARTS = ("train", "val", "test")
LABELS_FILE, METADATA_FILE = "labels.csv", "metadata.csv"
_RANGES = {"lat": (-90, 90), "lon": (-180, 180), "day_of_year": (1, 366)}


def read_label_table(file: Path) -> tuple[list[tuple[str, list[int]]], tuple[str, ...]]:
    """Read the labels of each image.

    Returns:
        Name and K numbers of each image, 1 for each label that it has, only 0 where
        none is known; and the names of the K labels.

    Raises:
        WorkshopError: no table, no such columns, an image on two lines, or fewer than
            two labels.
    """
    table = _read(file, ("labels",))
    hot = table["labels"].fillna("").str.replace(r"\s*;\s*", ";", regex=True)
    hot = hot.str.strip("; ").str.get_dummies(";")  # (N, K)
    hot = hot.drop(columns="", errors="ignore")  # of empty cells
    if hot.shape[1] < 2:
        raise WorkshopError(
            f"{file}: {hot.shape[1]} labels in {len(table)} rows. Expected at least"
            " two, as in 'a.jpg,field;river'."
        )
    rows = zip(map(str, hot.index), hot.to_numpy().tolist(), strict=True)
    return list(rows), tuple(hot.columns)


def read_metadata(file: Path, names: Sequence[str]) -> tuple[dict[str, Tensor], str]:
    """Read what is known of some images; NaN where a cell is empty or a row missing.

    Args:
        file: the table.
        names: of the images. Where no name in the table has a folder, file names alone
            are compared.

    Returns:
        By column (N,) float32; and in one line each how many images have no row, and
        how many rows have no image; empty if none.

    Raises:
        WorkshopError: no table, no such columns, an image on two lines; or, by line,
            values that are no numbers or dates, or outside their range.
    """
    table = _read(file, ()).rename(index=readable)
    found, faults = {}, []
    for column, text in table.drop(columns="line").items():
        if column == "date":  # of a time of day, the date
            days = pd.to_datetime(text.str[:10], format="%Y-%m-%d", errors="coerce")
            column, values = "day_of_year", days.dt.day_of_year
        else:
            values = pd.to_numeric(text, errors="coerce")
        least, most = _RANGES.get(column, (-math.inf, math.inf))
        odd = text.notna() & ~values.between(least, most)
        if column in _RANGES:
            rows = zip(table["line"][odd], text[odd], strict=True)
            faults += [f"line {i}: {value!r} as {text.name}" for i, value in rows]
        if column in _RANGES or not odd.any():  # other texts are left out
            found[column] = values
    if faults:
        raise WorkshopError(
            f"{file}: {len(faults)} values are wrong ({listed(faults, 5)}). lat is -90"
            " to 90, lon -180 to 180 degrees, date year-month-day, day_of_year 1 to"
            " 366; leave what is not known empty."
        )
    keys = pd.Index([PurePosixPath(name).name for name in names])
    if any("/" in name for name in table.index) or not keys.is_unique:
        keys = pd.Index(names)
    numbers = pd.DataFrame(found, table.index).reindex(keys).astype("float32")
    lacking = int((~keys.isin(table.index)).sum())
    extra = int((~table.index.isin(keys)).sum())
    notes = [f"{file}: {lacking} of {len(names)} images have no row"] * bool(lacking)
    notes += [f"{file}: {extra} rows name no image"] * bool(extra)
    columns = {str(k): torch.tensor(v.to_numpy()) for k, v in numbers.items()}
    return columns, "\n".join(notes)


def read_parts(folder: Path) -> dict[str, str]:
    """Read published lists of images: name -> "train", "val" or "test".

    Each is a CSV without a heading, whose first column is the name: `train.csv`,
    `bigearthnet-train.csv`, and so on. What `patches_with_cloud_and_shadow.csv` or
    `patches_with_seasonal_snow.csv` lists as well is left out.

    Raises:
        WorkshopError: a list that cannot be read.
    """
    parts: dict[str, str] = {}
    for part in (*PARTS, "patches_with_"):
        pattern = f"*{part}.csv" if part in PARTS else f"{part}*.csv"
        for path in sorted(folder.glob(pattern)):
            with reading(path, "give a CSV with a name on each line."):
                names = pd.read_csv(path, header=None, dtype=str)[0]
            parts |= dict.fromkeys(names, part)
    return {name: part for name, part in parts.items() if part in PARTS}


def first_known(
    told: Mapping[str, Tensor], own: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Join metadata: what a table tells, and where it is silent what a file holds."""
    found = {**own, **told}
    for name in told.keys() & own.keys():
        found[name] = torch.where(told[name].isnan(), own[name], told[name])
    return found


def _read(file: Path, needs: Sequence[str]) -> pd.DataFrame:
    """Read a table of texts by image name, with the number of each line."""
    columns = ["name", *needs]
    with reading(file, f"give a CSV in UTF-8 with the columns {', '.join(columns)}."):
        options = {"dtype": str, "skip_blank_lines": False, "skipinitialspace": True}
        table = pd.read_csv(file, encoding="utf-8-sig", **options)
        table.columns = table.columns.str.strip()
        if not set(columns) <= set(table):
            raise ValueError(f"its first line is {','.join(table)!r}")
        table = table.assign(line=range(2, len(table) + 2)).dropna(subset=columns[:1])
        table["name"] = table["name"].str.replace("\\", "/")  # as Windows writes them
    twice = table[table["name"].duplicated()]
    if len(twice):
        rows = [f"line {i}: {name}" for i, name in twice[["line", "name"]].to_numpy()]
        raise WorkshopError(f"{file} names images twice: {listed(rows, 5)}.")
    return table.set_index("name")
