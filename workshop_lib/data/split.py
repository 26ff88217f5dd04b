"""Splits: which images are labeled, unlabeled, for validation and for the test."""

__all__ = ["PARTS", "Split", "audit"]

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from workshop_lib.data import split_files
from workshop_lib.data import split_rules as rules
from workshop_lib.data.audit import Audit, audit_parts
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.places import block_numbers, coordinates
from workshop_lib.data.split_files import PARTS
from workshop_lib.errors import WorkshopError, unknown_name


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Positions in a `Dataset`: one tensor per part.

    The labeled images are also in the unlabeled part, as in FixMatch (Sohn et al.
    2020); their labels are not used there. Validation and test share no image with
    these or with each other: validation chooses the checkpoint, the test is looked at
    once.

    Images of no known class (label -1) can only be in the unlabeled part. One with
    several labels (multi-hot) is drawn as an image of the rarest of them.

    Args:
        labeled, unlabeled, val, test: (n,) int64 positions in the scenes.
        seed: the one that the split was drawn from.

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
    def random(
        cls,
        scenes: Dataset,
        labels_per_class: int = 4,
        val: float = 0.15,
        test: float = 0.25,
        seed: int = 0,
        label_fraction: float | None = None,
        groups: Sequence[int] | Tensor | None = None,
    ) -> "Split":
        """Draw a split, each class by itself.

        The images of a class are put in an order that depends on nothing but the seed
        and their names, so that every machine makes the same split, in whatever order
        it lists its files. The first go to the test, the next to validation, the others
        are for training. More labels per class keep the labels, validation and test of
        fewer, so that results for 4 and 25 labels can be compared.

        Args:
            labels_per_class: labeled images per class; 0 uses every training label.
            val, test: fractions of each class, 0 to 1, at least one image of each.
            seed: another seed, another split.
            label_fraction: labeled fraction of each class's training images (0.1 for
                10 %, at least one image), in place of `labels_per_class`. Rare classes
                then have fewer labels, as they would in the field.
            groups: (N,) numbers, equal for images that must stay in one subset: one
                flight, or the same ground (`near_duplicates.duplicate_groups`). The
                classes come as near to their fractions as whole groups allow.

        Raises:
            WorkshopError: fractions outside 0 to 1; a class with too few images or
                groups.
        """
        spec = rules.SplitSpec(labels_per_class, label_fraction, val, test)
        images = rules.Candidates.of(scenes, seed)
        if groups is None:
            subset = rules.stratified(images, {rules.TEST: test, rules.VAL: val})
        else:
            subset = rules.by_group(images, groups, spec)
        return cls(**rules.choose_parts(images, subset, spec), seed=seed)

    @classmethod
    def by_block(
        cls,
        scenes: Dataset,
        block_km: float = 50.0,
        buffer_km: float = 0.0,
        labels_per_class: int = 4,
        val: float = 0.15,
        test: float = 0.25,
        seed: int = 0,
        label_fraction: float | None = None,
    ) -> "Split":
        """Draw a split that keeps all images of a block of the map in one subset.

        Measures how well a model does in places it has not seen, rather than beside
        those it has. Images on two sides of a border may still be neighbours: a buffer
        leaves them out.

        Args:
            scenes: with the metadata "lat" and "lon" in degrees.
            block_km: side of the blocks: some tens of kilometres, as far as weather,
                soil and the shape of fields stay alike.
            buffer_km: training images nearer than this to validation or test are left
                out, and so are validation images near the test.
            labels_per_class, val, test, seed, label_fraction: as in `random`.

        Raises:
            WorkshopError: no coordinates; a class occurs in too few blocks.
        """
        spec = rules.SplitSpec(labels_per_class, label_fraction, val, test)
        places = coordinates(scenes.metadata)
        images = rules.Candidates.of(scenes, seed)
        subset = rules.by_group(images, block_numbers(places, block_km), spec)
        subset = rules.spatial_buffer(subset, places, buffer_km)
        return cls(**rules.choose_parts(images, subset, spec), seed=seed)

    @classmethod
    def by_region(
        cls,
        scenes: Dataset,
        test: Sequence[int],
        val: Sequence[int] | float = 0.15,
        key: str = "region",
        labels_per_class: int = 4,
        seed: int = 0,
        label_fraction: float | None = None,
    ) -> "Split":
        """Test in regions of which training sees nothing.

        Args:
            scenes: with the number of each image's region in their metadata.
            test: numbers of the regions for the test.
            val: numbers of those for validation; or a fraction of each class, drawn
                from the regions of training: the choice of weights then knows nothing
                of other regions, as it would for someone who has only these.
            key: name of the metadata.
            labels_per_class, seed, label_fraction: as in `random`.

        Raises:
            WorkshopError: no such metadata or region; a class is missing in a subset.
        """
        fraction = val if isinstance(val, (int, float)) else 0.15
        spec = rules.SplitSpec(labels_per_class, label_fraction, fraction)
        images = rules.Candidates.of(scenes, seed)
        subset = rules.by_region(images, scenes.metadata, key, test, val)
        return cls(**rules.choose_parts(images, subset, spec), seed=seed)

    @classmethod
    def predefined(
        cls, scenes: Dataset, name: str, labels_per_class: int = 4, seed: int = 0
    ) -> "Split":
        """Take one of the splits that come with the library; see `data.split_files`.

        Args:
            scenes: that data set, whole; images are found by class and number, whether
                they are .tif or .jpg.
            name: "ucm" (2, 4, 25 or 40 labels per class; 1,050 images for the test) or
                "eurosat" (the same; 5,400 images for the test).
            labels_per_class: one of those numbers, or 0 for every training label.
            seed: 0 to 4.

        Raises:
            WorkshopError: no such split, or an image is missing from the scenes.
        """
        parts = split_files.predefined_parts(name, scenes, labels_per_class, seed)
        return cls(**parts, seed=seed)

    def first_labeled(self, scenes: Dataset, labels_per_class: int) -> Tensor:
        """Return the labeled images that a split with fewer labels has; 0 for all.

        Shape: (n,) int64 positions, in the order of `labeled`.
        """
        if not labels_per_class:
            return self.labeled
        strata = rules.Candidates.of(scenes, self.seed).strata[self.labeled.numpy()]
        place = pd.Series(strata).groupby(strata).cumcount()  # within its class
        return self.labeled[torch.from_numpy(place.to_numpy() < labels_per_class)]

    def unlabeled_from(self, source: str) -> "Split":
        """Choose the unlabeled images: "all" of them, or the "labeled" ones alone.

        The second is the control for semi-supervised methods: what remains of the gain
        with it does not come from unlabeled images.

        Raises:
            WorkshopError: another name.
        """
        if source not in ("all", "labeled"):
            raise unknown_name("source of unlabeled images", source, ("all", "labeled"))
        return self if source == "all" else replace(self, unlabeled=self.labeled)

    def counts(self) -> dict[str, int]:
        """Count the images of each part."""
        return {name: len(index) for name, index in self._parts().items()}

    def audit(
        self, scenes: Dataset, near_duplicates: bool = True, neighbour_km: float = 1.0
    ) -> Audit:
        """Look for leaks and other faults; see `workshop_lib.data.audit`."""
        return audit_parts(scenes, self._parts(), near_duplicates, neighbour_km)

    def digest(self, scenes: Dataset) -> str:
        """Hash the names and labels in each part, in order: equal splits, equal digest.

        Raises:
            WorkshopError: the split points outside the scenes.
        """
        return split_files.digest_of(self._parts(), scenes)

    def save(
        self, folder: Path | str, scenes: Dataset, overwrite: bool = False
    ) -> None:
        """Write one names file per part (`name label` a line), and `split.json`.

        Names, not positions: they stay true when images are added to the folder.

        Args:
            folder: is created; an earlier split there is replaced.
            scenes: the images that the split is of.
            overwrite: also replace files of these names that no split was saved to.

        Raises:
            WorkshopError: the split points outside the scenes; the folder holds
                other files of these names, or nothing can be written.
        """
        split_files.write_split(
            Path(folder), self._parts(), scenes, self.seed, overwrite
        )

    @classmethod
    def load(cls, folder: Path | str, scenes: Dataset) -> "Split":
        """Read what `save` wrote, and find its images in these scenes.

        Raises:
            WorkshopError: a file is missing or was changed, an image is not in the
                scenes, or the classes differ.
        """
        parts, seed = split_files.read_split(Path(folder), scenes)
        return cls(**parts, seed=seed)

    def _parts(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in PARTS}


def audit(split: Split, dataset: Dataset, **options: Any) -> Audit:
    """Look for leaks and other faults of a split; print the result to read it.

    Args:
        split: which images are in which part.
        dataset: the images.
        options: of `Split.audit`, such as near_duplicates=False.
    """
    return split.audit(dataset, **options)
