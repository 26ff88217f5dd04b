"""Is a data set on the disk whole, and what is odd about it? Nothing is decoded."""

__all__ = ["Contents", "check"]

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from workshop_lib.data.checks import listed
from workshop_lib.data.fetch.catalogue.kinds import Source
from workshop_lib.data.fetch.catalogue.tiles import (
    TEST_TILES,
    TILE_COLOURS,
    TRAIN_TILES,
)
from workshop_lib.data.fetch.sources import find_images
from workshop_lib.data.images.bigearthnet import S1_BANDS, S2_BANDS
from workshop_lib.data.images.listing import list_folder
from workshop_lib.data.landsat import LANDSAT_BANDS, LANDSAT_CLASSES, open_landsat
from workshop_lib.data.tiles.counts import count_pixels
from workshop_lib.errors import WorkshopError


@dataclass
class Contents:
    """What was found: plain facts, what is odd but no fault, and faults."""

    facts: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = list(self.facts)
        lines += [f"odd: {text}" for text in self.odd]
        lines += [f"FAULT: {text}" for text in self.faults]
        return "\n".join([*lines, "incomplete" if self.faults else "complete"])


def check(folder: Path, source: Source | None = None) -> Contents:
    """Compare what lies in a folder with what the data set should have.

    Args:
        folder: of the data set.
        source: what should be there; None for a folder of one's own, with one folder
            of images per class.

    Raises:
        WorkshopError: no such folder, or nothing in it that looks like the data set.
    """
    if source is None:
        return _check_classes(folder, {}, 0)
    images = find_images(source, folder)
    if images is None:
        raise WorkshopError(
            f"{source.title} is not in {folder}: run `workshop data {source.name} get`."
        )
    if source.layout == "patches":
        found = _check_patches(images, source)
    elif source.layout == "tiles":
        found = _check_tiles(folder)
    elif source.layout == "scene":
        found = _check_scene(images)
    else:
        found = _check_classes(images, source.classes, source.side)
    origin = folder / "ORIGIN.txt"
    if origin.exists() and "another version" in origin.read_text(encoding="utf-8"):
        found.odd.append("it is not the version that is known: see ORIGIN.txt")
    return found


def _check_classes(folder: Path, expected: dict[str, int], side: int) -> Contents:
    """Count images by class, format and size; see which headers cannot be read."""
    found = Contents()
    listing = list_folder(folder)
    found.faults += listing.problems
    classes = [name.partition("/")[0] for name, _, _ in listing.files]
    counts = Counter(classes)
    for name in sorted(set(expected) | set(counts)):
        wanted = expected.get(name, counts[name])
        if counts[name] != wanted:
            found.faults.append(f"{name}: {counts[name]} images, expected {wanted}")
        if expected and name not in expected:
            found.odd.append(f"{name}: not a class of this data set")
    sizes = _read_sizes([Path(file.place) for file in listing.files])
    names = [file.name for file in listing.files]
    broken = [name for name, size in zip(names, sizes, strict=True) if size is None]
    if broken:
        found.faults.append(f"{len(broken)} images cannot be read ({listed(broken)})")
    votes = Counter(size for size in sizes if size is not None).most_common(1)
    usual = (side, side) if side else votes[0][0] if votes else (0, 0)
    others = [
        f"{name} {size[0]}x{size[1]}"
        for name, size in zip(names, sizes, strict=True)
        if size is not None and size != usual
    ]
    if others:
        found.odd.append(
            f"{len(others)} images are not {usual[0]}x{usual[1]} ({listed(others, 4)})"
        )
    kinds = Counter(os.path.splitext(name)[1].lower() for name in names)
    formats = ", ".join(f"{n:,} {kind}" for kind, n in kinds.most_common())
    found.facts.append(f"{len(names):,} images in {len(counts)} classes: {formats}")
    return found


def _read_sizes(paths: list[Path]) -> list[tuple[int, int] | None]:
    """Read width and height from headers; None where there is none."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(_read_size, paths)
        return list(tqdm(found, desc="reading headers", total=len(paths), disable=None))


def _read_size(path: Path) -> tuple[int, int] | None:
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return _read_bands(path)  # Pillow knows no images with thirteen bands


def _read_bands(path: Path) -> tuple[int, int] | None:
    if path.suffix.lower() not in (".tif", ".tiff"):
        return None
    try:
        import rasterio
    except ImportError:
        raise WorkshopError(
            f"{path} has more bands than a picture: pip install 'workshop_lib[geo]'."
        ) from None
    try:
        with rasterio.open(path) as image:
            return image.width, image.height
    except rasterio.errors.RasterioIOError:
        return None


def _check_patches(folder: Path, source: Source) -> Contents:
    """Count patches of both satellites, and see which bands are missing or empty."""
    found = Contents()
    needs_labels = "metadata.parquet" not in [one.name for one in source.files]
    for satellite, bands in (("sentinel-2", S2_BANDS), ("sentinel-1", S1_BANDS)):
        count, lacking = 0, []
        for patch, files in _walk_patches(folder / satellite, bands[-1]):
            count += 1
            wanted = [f"{patch}_{band}.tif" for band in bands]
            if needs_labels:
                wanted.append(f"{patch}_labels_metadata.json")
            missing = [name for name in wanted if not files.get(name)]
            if missing:
                lacking.append(f"{patch} lacks {listed(missing, 2)}")
        found.facts.append(f"{satellite}: {count:,} patches")
        if count != source.count:
            found.faults.append(
                f"{satellite}: {count:,} patches, expected {source.count:,}"
            )
        if lacking:
            found.faults.append(
                f"{satellite}: {len(lacking)} patches lack files, or hold empty ones"
                f" ({listed(lacking, 4)})"
            )
    return found


def _walk_patches(folder: Path, band: str) -> Iterator[tuple[str, dict[str, int]]]:
    """Find every folder PATCH that holds files called PATCH_..., with their sizes."""
    for place, _, names in tqdm(os.walk(folder), desc=folder.name, disable=None):
        patch = os.path.basename(place)
        if any(name.startswith(f"{patch}_") for name in names):
            yield (
                patch,
                {name: os.path.getsize(os.path.join(place, name)) for name in names},
            )


def _check_tiles(folder: Path) -> Contents:
    """See that each of the areas has an image and labels of its size and colours."""
    found = Contents()
    whole = 0
    for area in (*TRAIN_TILES, *TEST_TILES):
        name = f"top_mosaic_09cm_area{area}.tif"
        # The images' archive also holds some of the labels, in a folder of their own.
        image = next((p for p in folder.glob(f"images/**/top/{name}")), None)
        label = next((p for p in folder.glob(f"labels/**/{name}")), None)
        if image is None or label is None:
            lacks = "an image" if image is None else "labels"
            found.faults.append(f"area {area} lacks {lacks} ({name})")
        elif fault := _compare_tile(image, label):
            found.faults.append(f"area {area}: {fault}")
        else:
            whole += 1
    found.facts.append(f"{whole} of {len(TRAIN_TILES + TEST_TILES)} areas are whole")
    return found


def _check_scene(folder: Path) -> Contents:
    """See that all bands and the map are there and of one size, and count pixels."""
    found = Contents()
    try:
        scene = open_landsat(folder)
    except WorkshopError as error:
        found.faults.append(str(error))
        return found
    counts = count_pixels([scene.mask], len(LANDSAT_CLASSES)).tolist()
    height, width = scene.mask.shape
    share = 100 * sum(counts) / (height * width)
    found.facts.append(
        f"{len(LANDSAT_BANDS)} bands of {height} x {width} pixels, {share:.1f} % of"
        " them with data and a class"
    )
    classes = zip(LANDSAT_CLASSES, counts, strict=True)
    found.facts.append(", ".join(f"{name} {n:,}" for name, n in classes))
    return found


def _compare_tile(image: Path, label: Path) -> str:
    try:
        with Image.open(image) as first, Image.open(label) as second:
            if first.size != second.size:
                return f"an image of {first.size} and labels of {second.size} pixels"
            colours = np.asarray(second.convert("RGB")).reshape(-1, 3)
    except (OSError, ValueError, SyntaxError) as error:
        return f"cannot be read ({error})"
    codes = colours @ np.array([1, 256, 65536])
    known = np.array(list(TILE_COLOURS.values())) @ np.array([1, 256, 65536])
    unknown = int((~np.isin(codes, known)).sum())
    return f"{unknown} pixels have a colour that is no class" if unknown else ""
