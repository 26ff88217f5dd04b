"""Splits of a whole data set by its names and labels alone: no pixel is read.

What a split depends on is known before any image is decoded, so half a million patches
are split in a minute, and the names files fit the images when they are read later.

Where the makers of a data set have published which images are for training, validation
and test, that stands: BigEarthNet's parts are apart on the map. The seed then chooses
the labelled ones among the training images (and Vaihingen's validation).
"""

__all__ = ["read_label_index", "split_source"]

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from workshop_lib.data.catalog import DatasetInfo
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.download import resolve
from workshop_lib.data.read.bigearthnet_patches import CLASSES_19, multi_hot
from workshop_lib.data.read.index import index_images
from workshop_lib.data.read.landcover import TEST_TILES, TRAIN_TILES
from workshop_lib.data.split import Split
from workshop_lib.data.split_rules import (
    TEST,
    TRAIN,
    VAL,
    Candidates,
    SplitSpec,
    choose_parts,
)
from workshop_lib.errors import WorkshopError
from workshop_lib.files import read_json

_VAL_TILES = 4  # of Vaihingen's 16 areas for training
_SUBSETS = {"train": TRAIN, "val": VAL, "test": TEST}


Labels = dict[str, list[str]]  # patch -> names of its classes
# A dataset without pixels, and of each image "train", "val" or "test": none if no parts
# are published
LabelIndex = tuple[Dataset, list[str]]


def split_source(
    info: DatasetInfo,
    root: Path | str | None = None,
    labels_per_class: int = 4,
    seed: int = 0,
) -> tuple[Split, Dataset]:
    """Split a data set that `get` has brought.

    Args:
        root: folder of the data set; by default where `get` puts it.
        labels_per_class: labelled images of each class (of several labels the rarest
            counts), 0 for all; of Vaihingen, whose images hold every class, labelled
            images in all.
        seed: another seed draws another split.

    Returns:
        The split, and the scenes without pixels that `Split.save` needs.

    Raises:
        WorkshopError: the data set is not there, or a class has too few images.
    """
    scenes, published = read_label_index(info, root)
    if not published:
        return Split.random(scenes, labels_per_class, seed=seed), scenes
    spec = SplitSpec(labels_per_class, seed=seed)
    return Split(**_keep(published, scenes, spec), seed=seed), scenes


def _keep(
    published: Sequence[str], scenes: Dataset, spec: SplitSpec
) -> dict[str, Tensor]:
    """Choose labelled images, and validation if need be, within the published parts."""
    images = Candidates.of(scenes, spec.seed)
    subset = [_SUBSETS[part] for part in published]
    if VAL not in subset:
        training = [i for i in images.order if subset[i] == TRAIN]
        for i in training[:_VAL_TILES]:
            subset[i] = VAL
    there = set(zip(images.strata, subset, strict=True))
    classes = range(scenes.num_classes)
    everywhere = [
        k for k in classes if {(k, one) for one in _SUBSETS.values()} <= there
    ]
    return choose_parts(images, subset, spec, everywhere)


def read_label_index(info: DatasetInfo, root: Path | str | None = None) -> LabelIndex:
    """List the names and labels of a data set that `get` has brought.

    Raises:
        WorkshopError: it is not there, or its lists cannot be read.
    """
    images = resolve(info.name, root)
    if info.layout == "classes":
        index = index_images(images)
        names = [entry.name for entry in index.entries]
        labels = torch.tensor(index.labels)
        return Dataset.without_pixels(names, labels, index.class_names), []
    if info.layout == "scene":
        raise WorkshopError(
            f"{info.title} is a single image: cut it into patches by block"
            " (`data.tiles.cut_scenes`), as benchmarks/landsat.py does."
        )
    if info.layout == "tiles":
        areas = (*TRAIN_TILES, *TEST_TILES)
        names = [f"top_mosaic_09cm_area{area}.tif" for area in areas]
        labels = torch.zeros(len(names), dtype=torch.int64)
        scenes = Dataset.without_pixels(names, labels, ("tile",))
        return scenes, ["train" if area in TRAIN_TILES else "test" for area in areas]
    if (images / "metadata.parquet").exists():
        patches, parts = _from_parquet(images / "metadata.parquet")
    else:
        patches, parts = _patch_labels(images / "sentinel-2"), []
    if (images / "bigearthnet-train.csv").exists():
        patches, parts = _from_lists(images, patches)
    labels = multi_hot(list(patches.values()))
    return Dataset.without_pixels(list(patches), labels, CLASSES_19), parts


def _from_parquet(path: Path) -> tuple[Labels, list[str]]:
    """Read BigEarthNet v2's table: patch_id, labels, split."""
    try:
        table = pd.read_parquet(path, columns=["patch_id", "labels", "split"])
    except (ImportError, OSError, ValueError, KeyError) as error:
        raise WorkshopError(
            f"cannot read {path}: {error}. It needs pip install 'workshop_lib[geo]'; if"
            " the file is damaged, remove it, and get it again."
        ) from error
    parts = table["split"].replace({"validation": "val"}).tolist()
    return dict(zip(table["patch_id"], map(list, table["labels"]), strict=True)), parts


def _from_lists(folder: Path, patches: Labels) -> tuple[Labels, list[str]]:
    """Read BigEarthNet v1's lists of (Sentinel-2 patch, Sentinel-1 patch)."""
    names, parts = [], []
    for part in _SUBSETS:
        table = pd.read_csv(folder / f"bigearthnet-{part}.csv", header=None, dtype=str)
        names += table[0].tolist()
        parts += [part] * len(table)
    missing = [name for name in names if name not in patches]
    if missing:
        raise WorkshopError(
            f"{len(missing)} of the {len(names)} patches of the published lists are not"
            f" in {folder / 'sentinel-2'} (the first is {missing[0]}): run `check`."
        )
    return {name: patches[name] for name in names}, parts


def _patch_labels(folder: Path) -> Labels:
    """Read patch -> class names from the file of labels in each patch's folder."""
    end = "_labels_metadata.json"
    paths = sorted(tqdm(folder.rglob(f"*{end}"), desc="labels", disable=None))
    return {path.name.removesuffix(end): read_json(path)["labels"] for path in paths}
