"""Splits with a fault planted in each, for the detective exercise of unit 02."""

__all__ = ["Planted", "planted_faults"]

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError


@dataclass(frozen=True, eq=False)
class Planted:
    """One case for the detective.

    Args:
        name: of the case.
        scenes, split: what the detective gets.
        kind: what `Split.audit` calls the fault; empty for the honest split.
        story: what is wrong, in words, and why it matters; for afterwards.
        clue: which way to look, for who has not found it.
    """

    name: str
    scenes: Scenes
    split: Split
    kind: str
    story: str
    clue: str


def planted_faults(scenes: Scenes, split: Split, seed: int = 0) -> list[Planted]:
    """Plant six faults, one each, into copies of an honest split.

    Five of the six were found in earlier workshops and published code.

    Args:
        scenes: of at least two classes, one label per image.
        split: an honest one, of at least two labels per class.
        seed: chooses the images concerned.

    Returns:
        Seven cases in a fixed order, the honest split among them. Pictures are copied
        in two of them, so each case has scenes of its own.

    Raises:
        WorkshopError: the split has faults of its own, or there are too few classes or
            images.
    """
    audit = split.audit(scenes, near_duplicates=False, neighbour_km=0)
    if audit.findings:
        raise WorkshopError(
            "faults can be planted in an honest split only; this one has some:\n"
            f"{audit}"
        )
    if (
        scenes.multi_label
        or scenes.num_classes < 2
        or len(split.labeled) < 2 * scenes.num_classes
    ):
        raise WorkshopError(
            f"{scenes} with {len(split.labeled)} labels: the detective exercise needs"
            " two classes, one label per image and two labels of each class."
        )
    generator = torch.Generator().manual_seed(seed)
    makers = (
        _test_in_pool,
        _val_in_training,
        _two_names,
        lambda scenes, split, _: Planted(
            "case D", scenes, split, "", "Nothing is wrong here.",
            "this split is honest: what makes you doubt it?",
        ),
        _class_without_labels,
        _one_class_preferred,
        _two_labels,
    )  # fmt: skip
    return [make(scenes, split, generator) for make in makers]


Maker = Callable[[Scenes, Split, torch.Generator], Planted]


def _test_in_pool(scenes: Scenes, split: Split, generator: torch.Generator) -> Planted:
    pool = torch.cat([split.unlabeled, split.test])
    return Planted(
        "case A",
        scenes,
        replace(split, unlabeled=_shuffled(pool, generator)),
        "overlap",
        "The unlabeled pool is the whole folder, test images included. The model has"
        " seen every test image before the test; the result is too good.",
        "is any image of `split.test` also in `split.unlabeled`?",
    )


def _val_in_training(
    scenes: Scenes, split: Split, generator: torch.Generator
) -> Planted:
    leaked = _shuffled(split.val, generator)[: max(2, len(split.val) // 5)]
    return Planted(
        "case B",
        scenes,
        replace(split, unlabeled=torch.cat([split.unlabeled, leaked])),
        "overlap",
        f"{len(leaked)} validation images are trained on. The checkpoint is chosen by"
        " images that the model knows.",
        "is any image of `split.val` also in a part for training?",
    )


def _two_names(scenes: Scenes, split: Split, generator: torch.Generator) -> Planted:
    source = int(_shuffled(split.unlabeled, generator)[0])
    same = split.test[scenes.labels[split.test] == scenes.labels[source]]
    return Planted(
        "case C",
        _copied(scenes, source, int(_shuffled(same, generator)[0])),
        split,
        "same_pixels",
        "One picture has two names, one in training, one in the test. No list of names"
        " shows it; the pixels do.",
        "names may differ where pictures are the same: compare the pixels of test and"
        " training images, for instance as bytes in a set.",
    )


def _class_without_labels(
    scenes: Scenes, split: Split, generator: torch.Generator
) -> Planted:
    k = _a_class(scenes, generator)
    kept = split.labeled[scenes.labels[split.labeled] != k]
    return Planted(
        "case E",
        scenes,
        replace(split, labeled=kept),
        "missing_class",
        f"No label of {scenes.class_names[k]} was drawn. It cannot be learnt, and no"
        " pseudo-label will ever name it.",
        "does each class occur in each part? Count per class.",
    )


def _one_class_preferred(
    scenes: Scenes, split: Split, generator: torch.Generator
) -> Planted:
    k = _a_class(scenes, generator)
    free = split.unlabeled[~torch.isin(split.unlabeled, split.labeled)]
    free = _shuffled(free[scenes.labels[free] == k], generator)
    own = int((scenes.labels[split.labeled] == k).sum())
    more = free[: 2 * own]  # three times as many as the others in all
    if len(more) < own:
        raise WorkshopError(
            f"{scenes.class_names[k]} has {len(free)} images without label: label fewer"
            " images per class, so that some are left for the exercise."
        )
    return Planted(
        "case F",
        scenes,
        replace(split, labeled=torch.cat([split.labeled, more])),
        "imbalance",
        f"{scenes.class_names[k]} has {own + len(more)} labels, the other classes"
        f" {own}: not the number that was asked for, and pseudo-labels will favour it.",
        "how many labels has each class? A factor of two between the classes is a"
        " fault.",
    )


def _two_labels(scenes: Scenes, split: Split, generator: torch.Generator) -> Planted:
    source = int(_shuffled(split.unlabeled, generator)[0])
    other = scenes.labels[split.unlabeled] != scenes.labels[source]
    # Not among the labeled: the fault is in the data, wherever it is
    target = int(_shuffled(split.unlabeled[other], generator)[0])
    return Planted(
        "case G",
        _copied(scenes, source, target),
        split,
        "contradicting_labels",
        "One picture has two names and two classes. One of the labels is wrong, and"
        " whatever the model says of it counts as a mistake once.",
        "the same picture may stand twice within one part, with two labels: compare the"
        " pixels of all images, then the labels of those that are equal.",
    )


def _shuffled(index: Tensor, generator: torch.Generator) -> Tensor:
    return index[torch.randperm(len(index), generator=generator)]


def _a_class(scenes: Scenes, generator: torch.Generator) -> int:
    return int(torch.randint(scenes.num_classes, (1,), generator=generator))


def _copied(scenes: Scenes, source: int, target: int) -> Scenes:
    images = scenes.images.clone()
    images[target] = images[source]
    return replace(scenes, images=images)
