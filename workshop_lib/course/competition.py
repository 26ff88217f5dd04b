"""The rules of a competition: data, split and number of labels for every group."""

__all__ = ["Competition"]

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from workshop_lib.data.load import load_dataset
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError


class Competition:
    """Data set, split and number of labels that every group trains with.

    Args:
        data: as in a config: "mini_eo", "ucm", a folder of images.
        scenes: these images.
        labels_per_class: labels that a group may use for each class, at most; 0 allows
            every training label.
        split_seed: seed of the split, as in a config.
        split: a split of your own, in place of the two above; every group must then
            train on exactly this one.

    Raises:
        WorkshopError: images with several labels; a split that leaks, or that these
            images are too few for.
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
                f"{data} has several labels per image, but a competition is about one"
                " class per image: choose data with one label per image."
            )
        self.data, self.scenes, self.split_seed = data, scenes, split_seed
        self.fixed = split is not None
        self.split = split if split is not None else self._draw(labels_per_class)
        audit = self.split.audit(scenes, near_duplicates=False, neighbour_km=0)
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
        """Load the data, and draw the split or load it from a folder.

        Raises:
            WorkshopError: no such data or split, or unfit for a competition.
        """
        scenes = load_dataset(data)
        split = Split.load(split_folder, scenes) if split_folder else None
        return cls(data, scenes, labels_per_class, split_seed, split)

    @cached_property
    def test_names(self) -> tuple[str, ...]:
        """Names of the N test images, in the order of the split."""
        return tuple(self.scenes.names[i] for i in self.split.test.tolist())

    @cached_property
    def test_labels(self) -> NDArray[np.int64]:
        """True classes of the test images: (N,)."""
        return self.scenes.labels[self.split.test].cpu().numpy().astype(np.int64)

    def split_hash(self, labels: int) -> str:
        """Compute the hash of the split of a run that used this many labels in all.

        Fewer labels than allowed are fine, if each class has the same number.

        Raises:
            WorkshopError: more labels than allowed, or not as many for each class.
        """
        most, classes = len(self.split.labeled), self.scenes.num_classes
        if labels == most:
            return self.split.digest(self.scenes)
        if self.fixed or not classes <= labels < most or labels % classes:
            fewer = "" if self.fixed else ", or fewer but equally many for each class"
            raise WorkshopError(f"it used {labels} labels: use {most}{fewer}.")
        return self._draw(labels // classes).digest(self.scenes)

    def _draw(self, labels_per_class: int) -> Split:
        return Split.random(
            self.scenes, labels_per_class=labels_per_class, seed=self.split_seed
        )
