"""Which images are labeled, unlabeled, for validation and for the test."""

__all__ = ["PARTS", "Split"]

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workshop_lib.data.audit import Audit, audit_parts
from workshop_lib.data.checks import listed
from workshop_lib.data.scenes import Scenes
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.files import write_text

PARTS = ("labeled", "unlabeled", "val", "test")


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Positions in `Scenes`: one tensor per part.

    The labeled images are also in the unlabeled part, as in FixMatch (Sohn et al.
    2020); their labels are not used there. Validation and test share no image with
    these or with each other: validation chooses the checkpoint, the test is looked at
    once.

    Args:
        labeled, unlabeled, val, test: (n,) int64 positions in the scenes.
        seed: what `make` was given.

    Raises:
        WorkshopError: a part that is not (n,) int64.
    """

    labeled: Tensor
    unlabeled: Tensor
    val: Tensor
    test: Tensor
    seed: int = 0

    def __post_init__(self) -> None:
        for name, index in self._parts().items():
            if index.ndim != 1 or index.dtype != torch.int64:
                raise WorkshopError(
                    f"{name} of shape {tuple(index.shape)} and type {index.dtype}: give"
                    " (n,) int64 positions of images."
                )

    def __repr__(self) -> str:
        parts = ", ".join(f"{name} {n}" for name, n in self.counts().items())
        return f"Split({parts}, seed {self.seed})"

    @classmethod
    def make(
        cls,
        scenes: Scenes,
        labels_per_class: int = 4,
        val: float = 0.15,
        test: float = 0.25,
        seed: int = 0,
    ) -> "Split":
        """Draw a split, each class by itself.

        The images of a class are put in an order that depends on nothing but the seed
        and their names, so that every machine makes the same split, in whatever order
        it lists its files. The first go to the test, the next to validation, the others
        are for training. More labels per class keep the labels, validation and test of
        fewer, so that results for 4 and 25 labels can be compared.

        Args:
            labels_per_class: labeled images per class; 0 uses every training label.
            val, test: shares of each class (0 to 1), at least one image of each class.
            seed: another seed, another split.

        Raises:
            WorkshopError: shares outside 0 to 1, or a class with too few images.
        """
        _check_wishes(labels_per_class, val, test)
        rank = [
            hashlib.sha256(f"{seed}/{name}".encode()).digest() for name in scenes.names
        ]
        classes: list[list[int]] = [[] for _ in scenes.class_names]
        for i, label in enumerate(scenes.labels.tolist()):
            classes[label].append(i)
        parts: dict[str, list[int]] = {name: [] for name in PARTS}
        rooms: dict[str, int] = {}  # class name -> number of training images
        for name, members in zip(scenes.class_names, classes, strict=True):
            members.sort(key=lambda i: rank[i])
            first = _share(test, len(members))
            second = first + _share(val, len(members))
            parts["test"] += members[:first]
            parts["val"] += members[first:second]
            parts["unlabeled"] += members[second:]
            parts["labeled"] += members[second:][: labels_per_class or None]
            rooms[name] = len(members) - second
        _check_room(rooms, labels_per_class)
        # Each part in this order too: its beginning is then a mixed sample.
        tensors = {
            name: torch.tensor(sorted(index, key=lambda i: rank[i]), dtype=torch.int64)
            for name, index in parts.items()
        }
        return cls(**tensors, seed=seed)

    def with_pool(self, pool: str) -> "Split":
        """Choose the unlabeled images: "all" of them, or the "labeled" ones alone.

        The second is the control for semi-supervised methods: what remains of the gain
        with it does not come from unlabeled images.

        Raises:
            WorkshopError: another name.
        """
        if pool not in ("all", "labeled"):
            raise unknown_name("pool", pool, ("all", "labeled"))
        return self if pool == "all" else replace(self, unlabeled=self.labeled)

    def counts(self) -> dict[str, int]:
        """Count the images of each part."""
        return {name: len(index) for name, index in self._parts().items()}

    def audit(self, scenes: Scenes) -> Audit:
        """Look for leaks and other faults; see `workshop_lib.data.audit`."""
        return audit_parts(scenes, self._parts())

    def digest(self, scenes: Scenes) -> str:
        """Hash the names and labels in each part, in order: equal splits, equal digest.

        Raises:
            WorkshopError: the split points outside the scenes.
        """
        return _digest(self._rows(scenes), scenes.class_names)

    def save(self, folder: Path | str, scenes: Scenes) -> None:
        """Write one names file per part (`name label` a line), and `split.json`.

        Names, not positions: they stay true when images are added to the folder.

        Raises:
            WorkshopError: the split points outside the scenes, or nothing can be
                written.
        """
        folder = Path(folder)
        rows = self._rows(scenes)
        facts = {
            "seed": self.seed,
            "counts": self.counts(),
            "class_names": list(scenes.class_names),
            "sha256": _digest(rows, scenes.class_names),
        }
        texts = {f"{name}.txt": "".join(f"{r}\n" for r in rows[name]) for name in PARTS}
        # Last, as it vouches for the others: a half-written split does not load.
        texts["split.json"] = json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
        for file, text in texts.items():
            write_text(folder / file, text)

    @classmethod
    def load(cls, folder: Path | str, scenes: Scenes) -> "Split":
        """Read what `save` wrote, and find its images in these scenes.

        Raises:
            WorkshopError: a file is missing or was changed, an image is not in the
                scenes, or the classes differ.
        """
        folder = Path(folder)
        facts = _read_facts(folder)
        if facts["class_names"] != list(scenes.class_names):
            raise WorkshopError(
                f"{folder} is a split of the classes {listed(facts['class_names'])},"
                f" but these scenes have {listed(scenes.class_names)}."
            )
        where = {name: i for i, name in enumerate(scenes.names)}
        parts = {name: _read_part(folder / f"{name}.txt", where) for name in PARTS}
        rows = {name: [row for row, _ in part] for name, part in parts.items()}
        if _digest(rows, scenes.class_names) != facts["sha256"]:
            raise WorkshopError(
                f"the names files in {folder} are not those that split.json vouches"
                " for: they were changed, or only half written. Restore them or make"
                " the split again."
            )
        tensors = {
            name: torch.tensor([i for _, i in part], dtype=torch.int64)
            for name, part in parts.items()
        }
        split = cls(**tensors, seed=facts["seed"])
        if split.digest(scenes) != facts["sha256"]:
            raise WorkshopError(
                f"the labels in {folder} differ from those of the scenes: some images"
                " have moved to another class since the split was made."
            )
        return split

    def _parts(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in PARTS}

    def _rows(self, scenes: Scenes) -> dict[str, list[str]]:
        """List each part as the lines of its names file."""
        labels, n = scenes.labels.tolist(), len(scenes)
        rows = {}
        for part, index in self._parts().items():
            positions = index.tolist()
            if any(not 0 <= i < n for i in positions):
                raise WorkshopError(
                    f"{part} points outside the {n} images: this split was made for"
                    " other scenes."
                )
            rows[part] = [f"{scenes.names[i]} {labels[i]}" for i in positions]
        return rows


def _check_wishes(labels_per_class: int, val: float, test: float) -> None:
    if not (0 < val < 1 and 0 < test < 1 and val + test < 1):
        raise WorkshopError(
            f"val={val}, test={test}: give shares between 0 and 1 that leave some"
            " images for training, e.g. 0.15 and 0.25."
        )
    if labels_per_class < 0:
        raise WorkshopError(
            f"labels_per_class={labels_per_class}: use 0 for all labels, or a number of"
            " labels per class."
        )


def _share(share: float, count: int) -> int:
    """Round a share of a class to whole images, at least one."""
    return max(1, int(share * count + 0.5))


def _check_room(rooms: dict[str, int], labels_per_class: int) -> None:
    need = max(labels_per_class, 1)
    short = {name: room for name, room in rooms.items() if room < need}
    if not short:
        return
    name, room = min(short.items(), key=lambda item: item[1])
    others = (
        f" ({len(short) - 1} other classes have too few as well)"
        if len(short) > 1
        else ""
    )
    if room < 1:
        raise WorkshopError(
            f"class {name!r} has too few images to be split: give each class at least"
            f" one for training, one for validation and one for the test{others}."
        )
    raise WorkshopError(
        f"labels_per_class={labels_per_class} but class {name!r} has only {room}"
        f" training images: use at most {room}{others}."
    )


def _digest(rows: dict[str, list[str]], class_names: Sequence[str]) -> str:
    content = [list(class_names), [rows[name] for name in PARTS]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


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


def _read_part(path: Path, where: dict[str, int]) -> list[tuple[str, int]]:
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
