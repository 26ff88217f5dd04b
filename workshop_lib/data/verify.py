"""Data sets on the disk, without their pixels: what is missing or odd, and a split.

Headers, file sizes and labels are read, almost no pixels: half a million patches take
minutes. The names files of a split fit the images when they are read later.
"""

__all__ = ["IntegrityReport", "check_integrity", "read_label_index", "split_source"]

import os
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import mode

import torch
from tqdm import tqdm

from workshop_lib.data.cache import file_state
from workshop_lib.data.catalog import DatasetInfo, resolve
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.load import split_by_lists
from workshop_lib.data.read import bigearthnet_patches as patches
from workshop_lib.data.read import landcover
from workshop_lib.data.read.geotiff import is_multiband, raster_size
from workshop_lib.data.read.images import PictureReader, header_sizes
from workshop_lib.data.read.index import index_images
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError, listed
from workshop_lib.pixels import IGNORE

_LABELS = "labels_metadata.json"  # the end of the name of a patch's file of labels


@dataclass
class IntegrityReport:
    """Plain facts, what is odd but not wrong, and faults."""

    facts: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = list(self.facts)
        lines += [f"odd: {text}" for text in self.odd]
        lines += [f"FAULT: {text}" for text in self.faults]
        return "\n".join([*lines, "incomplete" if self.faults else "complete"])


def check_integrity(folder: Path, info: DatasetInfo | None = None) -> IntegrityReport:
    """Compare a folder with what the data set should have.

    Args:
        folder: of the data set.
        info: the data set; None for a folder of one's own, with one folder of images
            per class.

    Raises:
        WorkshopError: no such folder, or nothing in it that looks like the data set.
    """
    report = IntegrityReport()
    if info is None:
        _check_classes(folder, None, report)
        return report
    images = info.find_images(folder)
    if images is None:
        raise WorkshopError(
            f"{info.title} is not in {folder}: run `workshop data {info.name} get`."
        )
    checks = {"patches": _check_patches, "tiles": _check_tiles, "scene": _check_scene}
    checks.get(info.layout, _check_classes)(images, info, report)
    origin = folder / "ORIGIN.txt"
    if origin.exists() and "another version" in origin.read_text(encoding="utf-8"):
        report.odd.append("it is not the version that is known: see ORIGIN.txt")
    return report


def _check_classes(
    folder: Path, info: DatasetInfo | None, report: IntegrityReport
) -> None:
    """Count images by class, format and size, and find unreadable headers."""
    expected, side = (info.classes, info.side) if info else ({}, 0)
    index = index_images(folder)
    names = [entry.name for entry in index.entries]
    counts = Counter(name.partition("/")[0] for name in names)
    report.faults += index.problems
    for name in sorted({*expected, *counts}):
        wanted = expected.get(name, counts[name])
        if counts[name] != wanted:
            report.faults.append(f"{name}: {counts[name]} images, expected {wanted}")
        if expected and name not in expected:
            report.odd.append(f"{name}: not a class of this data set")
    size = PictureReader(index).size
    if is_multiband(index):
        size = partial(raster_size, index)
    sizes = dict(zip(names, header_sizes(index.entries, size), strict=True))
    readable = {name: size for name, size in sizes.items() if size}
    broken = [name for name in sizes if name not in readable]
    if broken:
        report.faults.append(f"{len(broken)} images cannot be read ({listed(broken)})")
    usual = (side, side) if side or not readable else mode(readable.values())
    others = [f"{n} {w}x{h}" for n, (h, w) in readable.items() if (h, w) != usual]
    if others:
        report.odd.append(
            f"{len(others)} images are not {usual[1]}x{usual[0]} ({listed(others, 4)})"
        )
    kinds = Counter(os.path.splitext(name)[1].lower() for name in names)
    formats = ", ".join(f"{n:,} {kind}" for kind, n in kinds.most_common())
    classes = len(index.class_names)
    report.facts.append(f"{len(names):,} images in {classes} classes: {formats}")


def _check_patches(folder: Path, info: DatasetInfo, report: IntegrityReport) -> None:
    """Count patches of both satellites, and find missing or empty bands."""
    with_labels = "metadata.parquet" not in [one.name for one in info.files]
    for satellite, bands in (
        ("sentinel-2", patches.S2_BANDS),
        ("sentinel-1", patches.S1_BANDS),
    ):
        endings = [*(f"{band}.tif" for band in bands), *[_LABELS] * with_labels]
        count, incomplete = 0, []
        walk = tqdm(os.walk(folder / satellite), satellite, disable=None)
        for place, _, names in walk:
            patch = os.path.basename(place)
            if not any(name.startswith(f"{patch}_") for name in names):
                continue
            count += 1
            wanted = [f"{patch}_{ending}" for ending in endings]
            missing = [n for n in wanted if file_state(f"{place}/{n}")[0] <= 0]
            if missing:
                incomplete.append(f"{patch} lacks {listed(missing, 2)}")
        found = f"{satellite}: {count:,} patches"
        report.facts.append(found)
        if count != info.count:
            report.faults.append(f"{found}, expected {info.count:,}")
        if incomplete:
            report.faults.append(
                f"{satellite}: {len(incomplete)} patches lack files, or hold empty"
                f" ones ({listed(incomplete, 4)})"
            )


def _check_tiles(folder: Path, info: DatasetInfo, report: IntegrityReport) -> None:
    """Check that each area has an image, and labels of its size and known colours."""
    images, labels = landcover.list_tiles(folder)
    areas = landcover.TRAIN_TILES + landcover.TEST_TILES
    for area in areas:
        name = f"top_mosaic_09cm_area{area}"
        if name not in images or name not in labels:
            lacks = "labels" if name in images else "an image"
            report.faults.append(f"area {area} lacks {lacks} ({name}.tif)")
        elif fault := _compare_tile(images[name], labels[name]):
            report.faults.append(f"area {area}: {fault}")
    whole = len(areas) - len(report.faults)
    report.facts.append(f"{whole} of {len(areas)} areas are whole")


def _compare_tile(image: Path, label: Path) -> str:
    try:
        size = landcover.read_pixels(image).shape[:2]
        mask = landcover.read_labels(label)
    except WorkshopError as error:
        return str(error)
    if mask.shape != size:
        return f"an image of {size} and labels of {mask.shape} pixels"
    unknown = int((mask == IGNORE).sum())
    return f"{unknown} pixels have a colour that is no class" if unknown else ""


def _check_scene(folder: Path, info: DatasetInfo, report: IntegrityReport) -> None:
    """Check that all bands and the map are there, and count pixels."""
    try:
        mask = landcover.open_landsat(folder).mask
        known = 100 * (mask != IGNORE).mean()
        size = f"{len(landcover.LANDSAT_BANDS)} bands of {mask.shape} pixels"
        report.facts.append(f"{size}, {known:.1f} % of them with data and a class")
    except WorkshopError as error:
        report.faults.append(str(error))


def split_source(
    info: DatasetInfo,
    root: Path | str | None = None,
    labels_per_class: int = 4,
    seed: int = 0,
) -> tuple[Split, Dataset]:
    """Split a data set that `get` has brought by its labels alone: no pixel is read.

    Where its makers have published which images are for training, validation and test,
    that stands: BigEarthNet's parts are apart on the map. The seed then chooses the
    labelled ones among the training images.

    Args:
        root: folder of the data set; by default where `get` puts it.
        labels_per_class: labelled images of each class (of several labels the rarest
            counts), 0 for all.
        seed: another seed draws another split.

    Returns:
        The split, and the scenes without pixels that `Split.save` needs.

    Raises:
        WorkshopError: the data set is not there, or a class has too few images.
    """
    scenes, published = read_label_index(info, root)
    if not published:
        return Split.random(scenes, labels_per_class, seed=seed), scenes
    return split_by_lists(scenes, published, labels_per_class, seed), scenes


def read_label_index(
    info: DatasetInfo, root: Path | str | None = None
) -> tuple[Dataset, list[str]]:
    """List the names and labels of a data set that `get` has brought.

    Returns:
        A dataset without pixels, and of each image "train", "val" or "test": none if no
        parts are published.

    Raises:
        WorkshopError: it is not there, or its lists cannot be read.
    """
    images = resolve(info.name, root)
    if info.layout == "classes":
        index = index_images(images)
        names = [entry.name for entry in index.entries]
        labels = torch.tensor(index.labels)
        return Dataset.without_pixels(names, labels, index.class_names), []
    if info.layout in ("scene", "tiles"):
        raise WorkshopError(
            f"{info.title} is large images, which are cut into patches before they are"
            " split (`data.tiles.cut_scenes`), as in benchmarks/landsat.py."
        )
    found, published = patches.read_labels(images)
    labels = patches.multi_hot(list(found.values()))
    return Dataset.without_pixels(list(found), labels, patches.CLASSES_19), published
