"""Splits that come with the library, so that everybody can compare with everybody.

Names files for five seeds in one zip per data set, `ready_splits/NAME.zip`: for each
seed the images for training, validation and test, and which of the training images are
the 2, 4, 25 or 40 labeled ones of each class (fewer are among more). Pictures of the
same ground are on one side (docs/near_duplicates.md).

UC Merced: half of the 100 images of each class for the test, as is usual; of the other
half 10 for validation, 40 for training. EuroSAT: 20 % for the test, 20 % for
validation. Written by `python -m benchmarks.ready_splits`.
"""

__all__ = [
    "CHECKSUMS",
    "FOLDER",
    "LABELS",
    "SEEDS",
    "checksum",
    "read_ready",
    "ready_parts",
    "stem",
]

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from workshop_lib.data.checks import listed
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.splitting.drawing import in_order
from workshop_lib.errors import WorkshopError, unknown_name

FOLDER = Path(__file__).parent / "ready_splits"
SEEDS = (0, 1, 2, 3, 4)
LABELS = (2, 4, 25, 40)  # per class; 0 for all
CHECKSUMS = {  # of what the files say, however a zip packs it
    "ucm": "ba024a62f40fe7e766354887243c685c02c2fc14f8911d5134245dcd9e48c55c",
    "eurosat": "1f3e48ea31ccf5bab072939b08a7ae6980fe0b74532913e1b3b70011b6193e51",
}


def ready_parts(
    name: str, scenes: Scenes, labels_per_class: int, seed: int
) -> dict[str, Tensor]:
    """Find the images of a ready split in the scenes: (n,) int64 for each part.

    Raises:
        WorkshopError: no such split, or an image is missing from the scenes.
    """
    if name not in CHECKSUMS:
        raise unknown_name("ready split", name, CHECKSUMS)
    if seed not in SEEDS or labels_per_class not in (0, *LABELS):
        raise WorkshopError(
            f"labels_per_class={labels_per_class}, seed={seed}: {name} is ready with"
            f" {', '.join(map(str, LABELS))} labels per class, or 0 for all, and seeds"
            f" {SEEDS[0]} to {SEEDS[-1]}. Split.make draws any other."
        )
    texts = read_ready(name)
    where = _places(scenes)
    files = {part: f"seed{seed}/{part}.txt" for part in ("train", "val", "test")}
    files["labeled"] = f"seed{seed}/labeled_{labels_per_class}.txt"
    if not labels_per_class:
        files["labeled"] = files["train"]
    parts = {}
    for part, file in files.items():
        rows = [line.rpartition(" ") for line in texts[file].splitlines()]
        _check_found(name, {row[0]: int(row[2]) for row in rows}, where, scenes)
        names = [row[0] for row in rows]
        index = [where[names[i]] for i in in_order(names, seed)]
        parts[part] = torch.tensor(index, dtype=torch.int64)
    parts["unlabeled"] = parts.pop("train")
    return parts


def read_ready(name: str) -> dict[str, str]:
    """Read all files of a ready split, and check them.

    Raises:
        WorkshopError: the zip is damaged, or holds something else.
    """
    path = FOLDER / f"{name}.zip"
    try:
        with zipfile.ZipFile(path) as file:
            texts = {n: file.read(n).decode() for n in sorted(file.namelist())}
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise WorkshopError(f"cannot read {path}: {error}. Install again.") from error
    if checksum(texts) != CHECKSUMS[name]:
        raise WorkshopError(f"{path} was changed: install the library again.")
    return texts


def checksum(texts: Mapping[str, str]) -> str:
    """Hash names and contents of text files."""
    return hashlib.sha256(json.dumps(sorted(texts.items())).encode()).hexdigest()


def stem(name: str) -> str:
    """Reduce the name of an image to class and file, without the ending.

    UC Merced is passed on as .tif and as .jpg, and packed in different folders.

    Example:
        >>> stem("UCMerced_LandUse/Images/airplane/airplane00.tif")
        'airplane/airplane00'
    """
    return "/".join(PurePosixPath(name).with_suffix("").parts[-2:])


def _places(scenes: Scenes) -> dict[str, int]:
    where = {stem(name): i for i, name in enumerate(scenes.names)}
    if len(where) < len(scenes):
        raise WorkshopError(
            f"{len(scenes) - len(where)} images have the class and name of another"
            " (with another ending, or in another folder): remove the copies."
        )
    return where


def _check_found(
    name: str, labels: Mapping[str, int], where: Mapping[str, int], scenes: Scenes
) -> None:
    missing = [image for image in labels if image not in where]
    if missing:
        raise WorkshopError(
            f"{len(missing)} images of the ready split {name!r} are not in these scenes"
            f" ({listed(missing, 3)}): is it the whole data set, a folder per class?"
        )
    known = scenes.labels.tolist()
    wrong = [image for image, k in labels.items() if known[where[image]] != k]
    if wrong:
        raise WorkshopError(
            f"{len(wrong)} images have another class number than in the ready split"
            f" {name!r} ({listed(wrong, 3)}): number the classes by their sorted names."
        )
