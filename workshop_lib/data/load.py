"""Data sets by name: the embedded one, public ones, and folders of one's own.

Their splits, too.
"""

__all__ = [
    "describe",
    "load_dataset",
    "load_moved",
    "make_split",
    "open_data",
    "split_by_lists",
]

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workshop_lib.config import Config
from workshop_lib.data import split_rules as rules
from workshop_lib.data.catalog import datasets, resolve
from workshop_lib.data.dataset import RGB, Dataset
from workshop_lib.data.mini_eo import CLASSES, DEFAULT_BANDS, DEFAULT_SEED, mini_eo
from workshop_lib.data.places import coordinates, west_to_east
from workshop_lib.data.read import bigearthnet_patches as patches
from workshop_lib.data.read import tables
from workshop_lib.data.read.ben_ge_patches import ben_ge, is_ben_ge
from workshop_lib.data.read.geotiff import geotiffs, is_multiband
from workshop_lib.data.read.images import PictureReader, read_images
from workshop_lib.data.read.index import index_images
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.settings import DataConfig

MINI_EO_COUNT = 4000  # images of the embedded data set
_SUBSETS = {"train": rules.TRAIN, "val": rules.VAL, "test": rules.TEST}
_FEW, _MOST = 2, 256  # images that `describe` reads, of each class and in all


def load_dataset(
    name: str = "mini_eo", size: int = 32, bands: str | Sequence[str] = ""
) -> Dataset:
    """Load a data set.

    Args:
        name: "mini_eo", the embedded data set, or "mini_eo:7" for the same from
            generator seed 7; "mini_eo_places", where the place says most; "ucm",
            "eurosat" or "ben_ge", found where `workshop data NAME get` puts them; a
            folder that holds one folder of images per class, a
            .zip of such a folder, a .txt with "path label" on each line, or a folder in
            the layout of ben-ge. GeoTIFFs of many bands are read as reflectance. A
            .csv, or a folder with a labels.csv, gives several labels to each image; a
            metadata.csv beside the images tells where and when they were taken (see
            `workshop_lib.data.read.tables`).
        size: side of the images in pixels; others are resized to it.
        bands: of multispectral images, such as "B04,B03,B02"; empty for all.

    Raises:
        WorkshopError: no such data, or everything that is wrong with them.

    Example:
        dataset = load_dataset("mini_eo", size=32)  # 4,000 images of 10 classes
    """
    return _load(name, size, bands)[0]


def open_data(config: Config, split: Path | str | None = None) -> tuple[Dataset, Split]:
    """Load the data set that a config names, with its split.

    Args:
        config: of which only the data section is read.
        split: folder of a saved split, such as that of a run; None: draw the config's.

    Raises:
        WorkshopError: whatever `load_dataset`, `make_split` and `Split.load` raise.
    """
    dataset = load_dataset(config.data.name, config.data.size, config.data.bands)
    if split is not None:
        return dataset, Split.load(split, dataset)
    return dataset, make_split(dataset, config.data)


def load_moved(config: Config, run: Path, data: str = "") -> Dataset:
    """Load the images of a run, also where they have been moved since.

    Args:
        config: of the run.
        run: its folder.
        data: where the images are now; empty for where they were.

    Raises:
        WorkshopError: they are not there; says where the path came from.
    """
    about = config.data
    try:
        return load_dataset(data or about.name, about.size, about.bands)
    except WorkshopError as error:
        if data:
            raise
        raise WorkshopError(
            f"{error} {run / 'config.json'} names {about.name!r}, as seen from"
            f" {Path.cwd()}; if the images have moved, say where they are with --data."
        ) from error


def make_split(dataset: Dataset, data: DataConfig) -> Split:
    """Draw the split that the data section of a config describes.

    Raises:
        WorkshopError: a class has too few images; no coordinates, or no such regions;
            no predefined split of this data set.
    """
    wish: dict[str, Any] = {"labels_per_class": data.labels_per_class}
    wish["seed"] = data.split_seed
    wish["label_fraction"] = data.label_fraction or None
    match str(data.split):  # in Python nothing checks it before
        case "random":
            return Split.random(dataset, **wish)
        case "block":
            return Split.by_block(dataset, data.block_km, data.buffer_km, **wish)
        case "region":
            return Split.by_region(dataset, data.test_regions, **wish)
        case "longitude":
            parts = west_to_east(coordinates(dataset.metadata))
            return split_by_lists(dataset, parts, **wish)
        case "predefined":
            if lists := tables.read_parts(Path(data.name)):
                parts = [lists.get(name, "") for name in dataset.names]
                return split_by_lists(dataset, parts, **wish)
            name = Path(data.name).name.partition(":")[0]
            if data.label_fraction:
                raise WorkshopError(
                    f"label_fraction={data.label_fraction}: the predefined split of"
                    f" {name} has numbers of labels; give labels_per_class."
                )
            return Split.predefined(
                dataset, name, data.labels_per_class, data.split_seed
            )
        case other:
            kinds = ("random", "block", "region", "longitude", "predefined")
            raise unknown_name("kind of split", other, kinds)


def split_by_lists(
    scenes: Dataset,
    parts: Sequence[str],
    labels_per_class: int = 4,
    seed: int = 0,
    label_fraction: float | None = None,
) -> Split:
    """Take each image's part as given; draw the labelled ones of those for training.

    Only classes that are in all three parts are labelled.

    Args:
        scenes: the images.
        parts: "train", "val" or "test" for each; the others are left out.
        labels_per_class, seed, label_fraction: as of `Split.random`.

    Raises:
        WorkshopError: no class is in all three parts, or one has too few images.
    """
    subset = np.array([_SUBSETS.get(part, rules.EXCLUDED) for part in parts])
    images = rules.Candidates.of(scenes, seed)
    there = [set(images.strata[subset == k].tolist()) for k in _SUBSETS.values()]
    needed = sorted(set.intersection(*there) - {-1})
    if not needed:
        counts = ", ".join(f"{k} {list(parts).count(k)}" for k in _SUBSETS)
        raise WorkshopError(
            f"{counts} of {len(scenes)} images, and no class in all three: is it the"
            " data set of these lists?"
        )
    spec = rules.SplitSpec(labels_per_class, label_fraction)
    parts_of = rules.choose_parts(images._replace(needed=needed), subset, spec)
    return Split(**parts_of, seed=seed)


def describe(data: DataConfig) -> tuple[Dataset, int]:
    """Read a few images of a data set, for the budget of a training on all of them.

    Returns:
        Some images with the sensors, sizes, metadata and classes of the whole data set,
        and how many images that has. Of ben-ge all are read: which sensors it has is
        not known before.

    Raises:
        WorkshopError: no such data, or no images of at least two classes.
    """
    return _load(data.name, data.size, data.bands, few=_FEW)


def _load(
    name: str, size: int, bands: str | Sequence[str], few: int = 0
) -> tuple[Dataset, int]:
    """Load a data set, or with `few` so many images of each class; count all."""
    names = bands.split(",") if isinstance(bands, str) else bands
    wanted = tuple(band.strip() for band in names if band.strip()) or None
    kind, _, seed = name.partition(":")
    if kind in ("mini_eo", "mini_eo_places"):
        if seed and not seed.isdecimal():
            raise WorkshopError(
                f"data={name!r}: write {kind}:SEED with a whole number."
            )
        count = len(CLASSES) if few else MINI_EO_COUNT
        own, places = wanted or DEFAULT_BANDS, kind == "mini_eo_places"
        made = mini_eo(count, int(seed or DEFAULT_SEED), size, own, places)
        return made, MINI_EO_COUNT
    path = _locate(name)
    if is_ben_ge(path):
        found = ben_ge(path, wanted or patches.S2_BANDS, size=size)
        return found, len(found)
    index = index_images(path)
    count = len(index.labels)
    if few:
        first = list(map(str, index.labels))  # of several labels, each combination
        rows = pd.Series(first).groupby(first).head(few).index[:_MOST]
        labels = [index.labels[i] for i in rows]
        index = replace(index, entries=[index.entries[i] for i in rows], labels=labels)
    if is_multiband(index):
        found = geotiffs(index, wanted, size=size, cache=not few)
    elif wanted:
        raise WorkshopError(
            f"bands={','.join(wanted)!r} but {name} holds pictures, which are red,"
            " green and blue: leave bands out."
        )
    else:
        pictures = read_images(PictureReader(index), size, cache=not few)
        found = Dataset.from_read(pictures, RGB)
    beside = (path if path.is_dir() else path.parent) / tables.METADATA_FILE
    if beside.is_file():
        told, note = tables.read_metadata(beside, found.names)
        if note and not few:
            print(note)
        found = replace(found, metadata=tables.first_known(told, found.metadata))
    return found, count


def _locate(name: str) -> Path:
    """Find the folder, archive or file of names that a name stands for."""
    path = Path(name)
    if not path.exists() and (info := datasets().get(name)):
        if info.layout != "classes" and name != "ben_ge":
            raise WorkshopError(
                f"data={name!r}: {info.title} cannot be loaded by its name; `workshop"
                f" data {name}` says what it is, workshop_lib.data.read has its reader."
            )
        path = resolve(name)
    is_list = path.suffix.lower() in (".zip", ".txt", ".csv")
    if path.is_dir() or is_list and path.is_file():
        return path
    raise WorkshopError(
        f"data={name!r} is neither 'mini_eo' nor a folder with one folder of images per"
        " class, nor a .zip of such a folder, nor a .txt with 'path label' on each"
        " line, nor a .csv with the columns name,labels: give one of these."
    )
