"""Splits with one known fault each, for the detective exercise of unit 02."""

__all__ = ["LeakySplit", "make_leaky_splits"]

from dataclasses import dataclass, replace
from pathlib import Path

import torch
import yaml
from torch import Tensor

from workshop_lib.data.dataset import Dataset
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
    scenes: Dataset
    split: Split
    kind: str
    story: str
    clue: str


def make_leaky_splits(scenes: Dataset, split: Split, seed: int = 0) -> list[LeakySplit]:
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

    labeled, pool, labels = split.labeled, split.unlabeled, scenes.labels
    everything = shuffled(torch.cat([pool, split.test]))
    leaked = shuffled(split.val)[: max(2, len(split.val) // 5)]
    one = int(shuffled(pool)[0])
    same = shuffled(split.test[labels[split.test] == labels[one]])
    lost, favoured = some_class(), some_class()
    more = shuffled(pool[~torch.isin(pool, labeled) & (labels[pool] == favoured)])
    more = more[: 2 * int((labels[labeled] == favoured).sum())]
    two = int(shuffled(pool)[0])
    # Both in the pool: the fault is in the data, whatever the split
    other = shuffled(pool[labels[pool] != labels[two]])
    cases = {
        "case A": (scenes, replace(split, unlabeled=everything)),
        "case B": (scenes, replace(split, unlabeled=torch.cat([pool, leaked]))),
        "case C": (_copied(scenes, one, int(same[0])), split),
        "case D": (scenes, split),
        "case E": (scenes, replace(split, labeled=labeled[labels[labeled] != lost])),
        "case F": (scenes, replace(split, labeled=torch.cat([labeled, more]))),
        "case G": (_copied(scenes, two, int(other[0])), split),
    }
    concerned = {
        "case E": scenes.class_names[lost],
        "case F": scenes.class_names[favoured],
    }
    path = Path(__file__).with_suffix(".yaml")
    texts = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name, text in texts.items():
        text["story"] = text["story"].format(concerned.get(name))
    return [LeakySplit(name, *case, **texts[name]) for name, case in cases.items()]


def _check(scenes: Dataset, split: Split) -> None:
    audit = split.audit(scenes, near_duplicates=False, neighbour_km=0)
    if audit.findings:
        raise WorkshopError(
            f"only an honest split can be given a fault; this one has some:\n{audit}"
        )
    if not scenes.multi_label:
        K, parts = scenes.num_classes, (split.labeled, split.unlabeled)
        own, pool = (scenes.labels[part].bincount(minlength=K) for part in parts)
        if K >= 2 and own.min() >= 2 and (pool >= 3 * own).all():
            return
    raise WorkshopError(
        f"{scenes} with {len(split.labeled)} labels: the detective exercise needs two"
        " classes, one label per image, at least two labels of each class and twice as"
        " many images without a label."
    )


def _copied(scenes: Dataset, source: int, target: int) -> Dataset:
    """Overwrite one picture with another."""
    images = scenes.images.clone()
    images[target] = images[source]
    return replace(scenes, images=images)
