"""A split on the disk: one names file per part, and a hash that vouches for them."""

__all__ = ["PARTS", "digest_of", "read_split", "rows_of", "write_split"]

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from workshop_lib.data.checks import listed
from workshop_lib.data.scenes import Scenes
from workshop_lib.errors import WorkshopError
from workshop_lib.files import write_text

PARTS = ("labeled", "unlabeled", "val", "test")


def rows_of(parts: Mapping[str, Tensor], scenes: Scenes) -> dict[str, list[str]]:
    """List each part as the lines of its names file, `name label`.

    Of an image with several labels the line ends in all their numbers, `name 3,17`; -1
    stands for no known label.

    Raises:
        WorkshopError: the parts point outside the scenes.
    """
    n = len(scenes)
    rows = {}
    for part, index in parts.items():
        positions = index.tolist()
        if any(not 0 <= i < n for i in positions):
            raise WorkshopError(
                f"{part} points outside the {n} images: this split was made for"
                " other scenes."
            )
        labels = scenes.labels.cpu()[index.cpu()].tolist()
        rows[part] = [
            f"{scenes.names[i]} {_written(label)}"
            for i, label in zip(positions, labels, strict=True)
        ]
    return rows


def digest_of(rows: Mapping[str, Sequence[str]], class_names: Sequence[str]) -> str:
    """Hash the lines of every part, in order, and the names of the classes."""
    content = [list(class_names), [list(rows[name]) for name in PARTS]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def write_split(
    folder: Path,
    rows: Mapping[str, Sequence[str]],
    class_names: Sequence[str],
    seed: int,
) -> None:
    """Write one names file per part, and `split.json`.

    Raises:
        WorkshopError: nothing can be written there.
    """
    facts = {
        "seed": seed,
        "counts": {name: len(lines) for name, lines in rows.items()},
        "class_names": list(class_names),
        "sha256": digest_of(rows, class_names),
    }
    texts = {f"{name}.txt": "".join(f"{r}\n" for r in rows[name]) for name in PARTS}
    # Last, as it vouches for the others: a half-written split does not load.
    texts["split.json"] = json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
    for file, text in texts.items():
        write_text(folder / file, text)


def read_split(folder: Path, scenes: Scenes) -> tuple[dict[str, list[int]], int, str]:
    """Read what `write_split` wrote: positions in the scenes, the seed, the hash.

    Raises:
        WorkshopError: a file is missing or was changed, an image is not in the
            scenes, or the classes differ.
    """
    facts = _read_facts(folder)
    if facts["class_names"] != list(scenes.class_names):
        raise WorkshopError(
            f"{folder} is a split of the classes {listed(facts['class_names'])},"
            f" but these scenes have {listed(scenes.class_names)}."
        )
    where = {name: i for i, name in enumerate(scenes.names)}
    parts = {name: _read_part(folder / f"{name}.txt", where) for name in PARTS}
    rows = {name: [row for row, _ in part] for name, part in parts.items()}
    if digest_of(rows, scenes.class_names) != facts["sha256"]:
        raise WorkshopError(
            f"the names files in {folder} are not those that split.json vouches"
            " for: they were changed, or only half written. Restore them or make"
            " the split again."
        )
    index = {name: [i for _, i in part] for name, part in parts.items()}
    return index, facts["seed"], facts["sha256"]


def _written(label: int | list[int]) -> str:
    if isinstance(label, int):
        return str(label)
    present = [str(k) for k, value in enumerate(label) if value]
    return ",".join(present) or "-1"


def _read_facts(folder: Path) -> dict[str, Any]:
    path = folder / "split.json"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        return {key: facts[key] for key in ("seed", "class_names", "sha256")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WorkshopError(
            f"no split in {folder}: {path.name} is missing or cannot be read"
            f" ({type(error).__name__}). Give the folder that Split.save wrote."
        ) from error


def _read_part(path: Path, where: Mapping[str, int]) -> list[tuple[str, int]]:
    """Read a names file: each line, and the position of its image in the scenes."""
    try:
        # Not splitlines(): a name may hold what that takes for the end of a line.
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    except (OSError, UnicodeDecodeError) as error:
        raise WorkshopError(
            f"cannot read {path}: {error}. Restore this file."
        ) from error
    names = [line.rpartition(" ")[0] for line in lines]
    missing = [name for name in names if name not in where]
    if missing:
        raise WorkshopError(
            f"{len(missing)} of the {len(names)} images in {path} are not in these"
            f" scenes ({listed(missing, 5)}): is it the data set of this split?"
        )
    return [(line, where[name]) for line, name in zip(lines, names, strict=True)]
