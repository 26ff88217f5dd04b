"""Splits with one known fault each, for the detective exercise of unit 02."""

__all__ = ["LeakySplit", "make_leaky_splits"]

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError

# What `Split.audit` calls each fault; what is wrong, for afterwards; and a clue
_CASES = {
    "case A": (
        "overlap",
        "The unlabeled pool is the whole folder, test images included. The model has"
        " seen every test image before the test; the result is too good.",
        "is any image of `split.test` also in `split.unlabeled`?",
    ),
    "case B": (
        "overlap",
        "Validation images are trained on. The checkpoint is chosen by images that the"
        " model knows.",
        "is any image of `split.val` also in a part for training?",
    ),
    "case C": (
        "same_pixels",
        "One picture has two names, one in training, one in the test. No list of names"
        " shows it; the pixels do.",
        "names may differ where pictures are the same: compare the pixels of test and"
        " training images, for instance as bytes in a set.",
    ),
    "case D": (
        "",
        "Nothing is wrong here.",
        "this split is honest: what makes you doubt it?",
    ),
    "case E": (
        "missing_class",
        "No label of {} was drawn. It cannot be learnt, and no pseudo-label will ever"
        " name it.",
        "does each class occur in each part? Count per class.",
    ),
    "case F": (
        "imbalance",
        "{} has three times as many labels as the other classes: not the number that"
        " was asked for, and pseudo-labels will favour it.",
        "how many labels has each class? A factor of two between the classes is a"
        " fault.",
    ),
    "case G": (
        "contradicting_labels",
        "One picture has two names and two classes. One of the labels is wrong, and"
        " whatever the model predicts counts as a mistake once.",
        "the same picture may occur twice within one part, with two labels: compare the"
        " pixels of all images, then the labels of those that are equal.",
    ),
}


@dataclass(frozen=True, eq=False)
class LeakySplit:
    """One case for the detective.

    Args:
        name: "case A" to "case G".
        scenes, split: what the detective gets.
        kind: what `Split.audit` calls the fault; empty for the honest split.
        story: what is wrong and why it matters, for afterwards.
        clue: where to look, for a learner who has not found it.
    """

    name: str
    scenes: Scenes
    split: Split
    kind: str
    story: str
    clue: str


def make_leaky_splits(scenes: Scenes, split: Split, seed: int = 0) -> list[LeakySplit]:
    """Build six faulty copies of an honest split, and the honest one among them.

    Five of the six faults were found in earlier workshops and published code.

    Args:
        scenes: at least two classes, one label per image.
        split: an honest split with at least two labels per class.
        seed: chooses the images and classes concerned.

    Returns:
        Seven cases in a fixed order; two of them have pictures of their own.

    Raises:
        WorkshopError: the split has faults already, or too few classes or labels.
    """
    _check(scenes, split)
    generator = torch.Generator().manual_seed(seed)

    def shuffled(index: Tensor) -> Tensor:
        return index[torch.randperm(len(index), generator=generator)]

    def some_class() -> int:
        return int(torch.randint(scenes.num_classes, (1,), generator=generator))

    labeled, pool, test, labels = (
        split.labeled,
        split.unlabeled,
        split.test,
        scenes.labels,
    )
    everything = shuffled(torch.cat([pool, test]))
    leaked = shuffled(split.val)[: max(2, len(split.val) // 5)]
    one = int(shuffled(pool)[0])
    same = shuffled(test[labels[test] == labels[one]])
    lost, favoured = some_class(), some_class()
    more = shuffled(_unlabeled_images_of(favoured, scenes, split))
    more = more[: 2 * int((labels[labeled] == favoured).sum())]
    two = int(shuffled(pool)[0])
    # Both in the pool: the fault is in the data, whatever the split
    other = shuffled(pool[labels[pool] != labels[two]])
    changed = {
        "case A": replace(split, unlabeled=everything),
        "case B": replace(split, unlabeled=torch.cat([pool, leaked])),
        "case E": replace(split, labeled=labeled[labels[labeled] != lost]),
        "case F": replace(split, labeled=torch.cat([labeled, more])),
    }
    pictures = {
        "case C": _copied(scenes, one, int(same[0])),
        "case G": _copied(scenes, two, int(other[0])),
    }
    about = {"case E": scenes.class_names[lost], "case F": scenes.class_names[favoured]}
    return [
        LeakySplit(
            name,
            pictures.get(name, scenes),
            changed.get(name, split),
            kind,
            story.format(about.get(name)),
            clue,
        )
        for name, (kind, story, clue) in _CASES.items()
    ]


def _check(scenes: Scenes, split: Split) -> None:
    audit = split.audit(scenes, near_duplicates=False, neighbour_km=0)
    if audit.findings:
        raise WorkshopError(
            f"only an honest split can be given a fault; this one has some:\n{audit}"
        )
    few = scenes.num_classes < 2 or len(split.labeled) < 2 * scenes.num_classes
    if scenes.multi_label or few:
        raise WorkshopError(
            f"{scenes} with {len(split.labeled)} labels: the detective exercise needs"
            " two classes, one label per image and two labels of each class."
        )


def _unlabeled_images_of(k: int, scenes: Scenes, split: Split) -> Tensor:
    """List the images of a class that could be labeled as well: (n,)."""
    free = split.unlabeled[~torch.isin(split.unlabeled, split.labeled)]
    free = free[scenes.labels[free] == k]
    own = int((scenes.labels[split.labeled] == k).sum())
    if len(free) < 2 * own:
        raise WorkshopError(
            f"{scenes.class_names[k]} has {len(free)} images without label: label fewer"
            " images per class, so that some are left for the exercise."
        )
    return free


def _copied(scenes: Scenes, source: int, target: int) -> Scenes:
    """Overwrite one picture with another."""
    images = scenes.images.clone()
    images[target] = images[source]
    return replace(scenes, images=images)
