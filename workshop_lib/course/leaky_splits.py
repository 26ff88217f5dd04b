"""Splits with one known fault each, for the detective exercise of unit 02."""

__all__ = ["LeakySplit", "make_leaky_splits"]

from dataclasses import dataclass, replace
from pathlib import Path

import torch
import yaml
from torch import Tensor

from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError


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
    concerned = {
        "case E": scenes.class_names[lost],
        "case F": scenes.class_names[favoured],
    }
    path = Path(__file__).with_suffix(".yaml")
    texts = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [
        LeakySplit(
            name,
            pictures.get(name, scenes),
            changed.get(name, split),
            text["kind"],
            text["story"].format(concerned.get(name)),
            text["clue"],
        )
        for name, text in texts.items()
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
