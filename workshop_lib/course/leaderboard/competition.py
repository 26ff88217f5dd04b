"""What the groups compete on: the judge's own copy of data, split and truth."""

__all__ = ["Competition", "score"]

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from workshop_lib.data.mini_eo import DEFAULT_SEED
from workshop_lib.data.open import open_scenes
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.splits import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.recipe import Recipe


def score(predicted: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """Compute the figure that groups are ranked by, 0 to 1; higher is better.

    Accuracy, for one class per image. For land-cover maps mIoU belongs here, and
    nothing else in this folder would change.

    Shape: predicted (N,), truth (N,) -> a number.
    """
    return float((predicted == truth).mean())


class Competition:
    """Data set, split and rules, opened by the judge and trusted alone.

    Args:
        data: as in a recipe: "mini_eo", "ucm", a folder.
        scenes: these data.
        labels_per_class: labels that a group may use for each class; fewer is fine. 0
            allows all of the training part.
        split_seed: of the split, as in a recipe.
        split: a split of one's own; labels_per_class and split_seed then do not count,
            and every group must train on exactly this one.

    Raises:
        WorkshopError: images of several labels; test images among the training images;
            too few images for this split.
    """

    def __init__(
        self,
        data: str,
        scenes: Scenes,
        labels_per_class: int = 4,
        split_seed: int = 0,
        split: Split | None = None,
    ) -> None:
        if scenes.multi_label:
            raise WorkshopError(
                f"{data} has several labels per image: a competition here is about one"
                " class per image."
            )
        self.data, self.scenes = data, scenes
        self.labels_per_class, self.split_seed = labels_per_class, split_seed
        self.fixed = split
        self._drawn: dict[int, tuple[int, str]] = {}
        self.split = split if split is not None else self._draw(labels_per_class)
        audit = self.split.audit(scenes, near_duplicates=False, close_km=0)
        if not audit.ok:
            raise WorkshopError(f"this split is not fit for a competition:\n{audit}")

    @classmethod
    def open(
        cls,
        data: str = "mini_eo",
        labels_per_class: int = 4,
        split_seed: int = 0,
        split_folder: str = "",
    ) -> "Competition":
        """Open the data that a recipe would open, and the split that it would draw.

        Raises:
            WorkshopError: no such data or split, or one that is not fit.
        """
        recipe = Recipe(
            data=data, labels_per_class=labels_per_class, split_seed=split_seed
        )
        scenes = open_scenes(recipe)
        split = Split.load(split_folder, scenes) if split_folder else None
        return cls(data, scenes, labels_per_class, split_seed, split)

    @cached_property
    def truth(self) -> dict[str, int]:
        """The class of every test image, by name, in the order of the split."""
        names = (self.scenes.names[i] for i in self.split.test.tolist())
        return {name: self.label_of[name] for name in names}

    @cached_property
    def truth_in_order(self) -> NDArray[np.int64]:
        """The numbers of these classes, (N,)."""
        return np.array(list(self.truth.values()), dtype=np.int64)

    @cached_property
    def label_of(self) -> dict[str, int]:
        """The class of every image of the data set, by name; -1 if nobody knows."""
        labels = self.scenes.labels.tolist()
        return dict(zip(self.scenes.names, labels, strict=True))

    def expected(self, labels_per_class: int) -> tuple[int, str]:
        """Say how many labels, and which hash, an honest run with these labels has.

        Raises:
            WorkshopError: a class has too few images for so many labels.
        """
        if self.fixed is not None:
            return len(self.fixed.labeled), self.fixed.digest(self.scenes)
        if labels_per_class not in self._drawn:
            split = self._draw(labels_per_class)
            found = len(split.labeled), split.digest(self.scenes)
            self._drawn[labels_per_class] = found
        return self._drawn[labels_per_class]

    def allows(self, labels_per_class: int) -> bool:
        """Tell whether a recipe may ask for so many labels of each class."""
        most = self.labels_per_class
        return most == 0 or 1 <= labels_per_class <= most

    def is_about(self, data: str) -> bool:
        """Tell whether a recipe's `data` can be these data.

        The folder of the same images has another name on every machine, and the hash
        of the split vouches for names and labels. But all seeds of MiniEO share names
        and labels: there the seed has to be the same.
        """
        mine, theirs = _with_seed(self.data), _with_seed(data)
        made = mine.startswith("mini_eo:") or theirs.startswith("mini_eo:")
        return mine == theirs or not made

    def _draw(self, labels_per_class: int) -> Split:
        return Split.make(
            self.scenes, labels_per_class=labels_per_class, seed=self.split_seed
        )


def _with_seed(data: str) -> str:
    return f"mini_eo:{DEFAULT_SEED}" if data == "mini_eo" else data
