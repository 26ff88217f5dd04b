"""Splits on the disk: one names file per part, and the predefined ones of the library.

A saved split is a folder with a names file per part (`name label` a line), and a hash
that vouches for them.

Predefined splits let everybody compare with everybody: names files for five seeds in
one zip per data set, `predefined_splits/NAME.zip`; for each seed the images for
training, validation and test, and which of the training images are the 2, 4, 25 or 40
labeled ones of each class (fewer are among more). Pictures of the same ground are in
one subset (docs/near_duplicates.md). UC Merced: half of the 100 images of each class
for the test, as is usual; of the other half 10 for validation, 40 for training.
EuroSAT: 20 % for the test, 20 % for validation. Written by
`python -m benchmarks.predefined_splits`.
"""

__all__ = ["PARTS", "predefined_parts", "read_split", "rows_of", "write_split"]

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from workshop_lib.data.dataset import Dataset
from workshop_lib.data.split_rules import shuffled
from workshop_lib.errors import WorkshopError, listed, unknown_name
from workshop_lib.files import check_output, read_json, reading, write_text

PARTS = ("labeled", "unlabeled", "val", "test")

FOLDER = Path(__file__).parent / "predefined_splits"
SEEDS = (0, 1, 2, 3, 4)
LABELS = (2, 4, 25, 40)  # per class; 0 for all


def rows_of(parts: Mapping[str, Tensor], scenes: Dataset) -> dict[str, list[str]]:
    """List each part as the lines of its names file, `name label`.

    Of an image with several labels the line ends in all their numbers, `name 3,17`; -1
    stands for no known label.

    Raises:
        WorkshopError: the parts point outside the scenes.
    """
    n = len(scenes)
    labels = scenes.labels.tolist()
    if scenes.multi_label:
        present = ([str(k) for k, there in enumerate(row) if there] for row in labels)
        labels = [",".join(some) or "-1" for some in present]
    rows = {}
    for part, index in parts.items():
        if len(index) and not 0 <= int(index.min()) <= int(index.max()) < n:
            raise WorkshopError(
                f"{part} points outside the {n} images: this split was made for"
                " other scenes."
            )
        rows[part] = [f"{scenes.names[i]} {labels[i]}" for i in index.tolist()]
    return rows


def digest_of(parts: Mapping[str, Tensor], scenes: Dataset) -> str:
    """Hash the lines of every part, in order, and the names of the classes."""
    rows = rows_of(parts, scenes)
    content = [list(scenes.class_names), [rows[name] for name in PARTS]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def write_split(
    folder: Path,
    parts: Mapping[str, Tensor],
    scenes: Dataset,
    seed: int,
    overwrite: bool = False,
) -> None:
    """Write one names file per part, and `split.json`.

    Raises:
        WorkshopError: the parts point outside the scenes; nothing can be written, or
            without `overwrite` the folder holds other files of these names.
    """
    rows = rows_of(parts, scenes)
    facts = {
        "seed": seed,
        "counts": {name: len(lines) for name, lines in rows.items()},
        "class_names": list(scenes.class_names),
        "sha256": digest_of(parts, scenes),
    }
    texts = {f"{name}.txt": "".join(f"{r}\n" for r in rows[name]) for name in PARTS}
    # Last, as it vouches for the others: a half-written split does not load.
    texts["split.json"] = json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
    ours = overwrite or (folder / "split.json").exists()
    for file in texts:
        check_output(folder / file, overwrite=ours)
    for file, text in texts.items():
        write_text(folder / file, text)


def read_split(folder: Path, scenes: Dataset) -> tuple[dict[str, Tensor], int]:
    """Read what `write_split` wrote: positions in the scenes, and the seed.

    Raises:
        WorkshopError: a file is missing or was changed, an image is not in the
            scenes or in another class there, or the classes differ.
    """
    like = {"class_names": list, "seed": int, "sha256": str}
    facts = read_json(folder / "split.json", like)
    with reading(folder, "give the folder that Split.save wrote, with all its files."):
        texts = {k: (folder / f"{k}.txt").read_text(encoding="utf-8") for k in PARTS}
    classes, seed, digest = (facts[k] for k in ("class_names", "seed", "sha256"))
    if classes != list(scenes.class_names):
        raise WorkshopError(
            f"{folder} is a split of the classes {listed(list(map(str, classes)))}, but"
            f" these scenes have {listed(scenes.class_names)}."
        )
    # Not splitlines(): a name may hold what that takes for the end of a line.
    rows = {part: text.split("\n")[:-1] for part, text in texts.items()}
    position = {name: i for i, name in enumerate(scenes.names)}
    index = {}
    for part, lines in rows.items():
        names = [line.rpartition(" ")[0] for line in lines]
        index[part] = _find(names, position, f"{folder / part}.txt")
    if rows != rows_of(index, scenes) or digest_of(index, scenes) != digest:
        raise WorkshopError(
            f"the names files in {folder} are not those that split.json vouches for, or"
            " some images have moved to another class since. Restore them, or make the"
            " split again."
        )
    return index, seed


def _find(names: Sequence[str], position: Mapping[str, int], where: str) -> Tensor:
    """Return the positions of images by name: (n,) int64."""
    missing = [name for name in names if name not in position]
    if missing:
        raise WorkshopError(
            f"{len(missing)} of the {len(names)} images of {where} are not in these"
            f" scenes ({listed(missing, 5)}): is it the data set of this split, whole?"
        )
    return torch.tensor([position[name] for name in names], dtype=torch.int64)


def predefined_parts(
    name: str, scenes: Dataset, labels_per_class: int, seed: int
) -> dict[str, Tensor]:
    """Find the images of a predefined split in the scenes: (n,) int64 for each part.

    Raises:
        WorkshopError: no such split, or an image is missing from the scenes.
    """
    known = sorted(path.stem for path in FOLDER.glob("*.zip"))
    if name not in known:
        raise unknown_name("predefined split", name, known)
    if seed not in SEEDS or labels_per_class not in (0, *LABELS):
        raise WorkshopError(
            f"labels_per_class={labels_per_class}, seed={seed}: {name} comes with"
            f" {', '.join(map(str, LABELS))} labels per class, or 0 for all, and seeds"
            f" {SEEDS[0]} to {SEEDS[-1]}. Split.random draws any other."
        )
    texts = read_predefined(name)
    position = {stem(image): i for i, image in enumerate(scenes.names)}
    labeled = f"labeled_{labels_per_class}" if labels_per_class else "train"
    parts = {}
    for part, file in zip(PARTS, (labeled, "train", "val", "test"), strict=True):
        lines = texts[f"seed{seed}/{file}.txt"].splitlines()
        names, _, numbers = zip(*(line.rpartition(" ") for line in lines), strict=True)
        index = _find(names, position, f"the predefined split {name!r}")
        if scenes.labels[index].tolist() != [int(k) for k in numbers]:
            raise WorkshopError(
                "some images have another class number than in the predefined split"
                f" {name!r}: number the classes by their sorted names."
            )
        parts[part] = index[shuffled(names, seed)]
    return parts


def read_predefined(name: str) -> dict[str, str]:
    """Read all files of a predefined split: path -> text."""
    with zipfile.ZipFile(FOLDER / f"{name}.zip") as file:
        return {path: file.read(path).decode() for path in sorted(file.namelist())}


def stem(name: str) -> str:
    """Reduce the name of an image to class and file, without the ending.

    UC Merced is passed on as .tif and as .jpg, and packed in different folders.

    Example:
        >>> stem("UCMerced_LandUse/Images/airplane/airplane00.tif")
        'airplane/airplane00'
    """
    return "/".join(PurePosixPath(name).with_suffix("").parts[-2:])
