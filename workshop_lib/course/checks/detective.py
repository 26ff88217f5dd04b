"""Check of unit 02 that tries the learner's search for faults on eight splits."""

__all__ = ["detective"]

from collections.abc import Sized
from dataclasses import replace
from typing import Any

import torch

from workshop_lib.course.checks.attempt import Attempt, exercise
from workshop_lib.course.checks.describe import describe
from workshop_lib.course.checks.inputs import draws
from workshop_lib.course.leaky_splits import make_leaky_splits
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split


@exercise("find_faults(scenes, split)")
def detective(attempt: Attempt) -> str:
    """Check that a function finds six planted faults and raises no false alarm.

    The learner's `find_faults(scenes, split)` takes Scenes and a Split and gives what
    it found: a list or set, empty where all is well; or True for "there is a fault".
    """
    scenes = _some_scenes()
    honest = Split.random(scenes, labels_per_class=4, seed=3)
    cases = make_leaky_splits(scenes, honest, seed=1)
    accused = {c.name: _accuses(attempt, c.name, c.scenes, c.split) for c in cases}
    found = f"{sum(accused.values())} of 7 splits accused"
    attempt.require(
        any(accused.values()), "seven splits", "blind", found, "6", clue=cases[0].clue
    )
    for case in cases:
        if not case.kind and accused[case.name]:
            _explain_accusation(attempt, case.name, scenes, honest, accused)
    for case in cases:
        if case.kind and not accused[case.name]:
            attempt.fail(case.name, case.clue, f"nothing ({found})", "a fault")
    _check_unequal(attempt)
    return "six faults found, two clean splits cleared"


def _explain_accusation(
    attempt: Attempt, name: str, scenes: Scenes, honest: Split, accused: dict[str, bool]
) -> None:
    """Give a reason why the clean split is accused."""
    rest = honest.unlabeled[~torch.isin(honest.unlabeled, honest.labeled)]
    if not _accuses(attempt, name, scenes, replace(honest, unlabeled=rest)):
        hint = "labelled_in_pool"
    else:
        hint = "everything" if all(accused.values()) else "look"
    attempt.fail(name, attempt.hint(hint), "a fault", "nothing found")


def _check_unequal(attempt: Attempt) -> None:
    """Class sizes of real data differ by an image or two, which is no fault."""
    scenes = _some_scenes()
    index = torch.arange(len(scenes))
    scenes = scenes.subset(index[index % 40 != 0])  # three classes lose one image
    split = Split.random(scenes, labels_per_class=4, seed=4)
    case = "a clean split of classes that differ by an image or two"
    accused = _accuses(attempt, case, scenes, split)
    attempt.require(not accused, case, "unequal", "a fault", "nothing found")


def _accuses(attempt: Attempt, case: str, scenes: Scenes, split: Split) -> bool:
    found: Any = attempt.run(case, scenes, split)
    if isinstance(found, int):  # True and False are of this type
        return bool(found)
    if isinstance(found, torch.Tensor) or not isinstance(found, Sized):
        attempt.fail(case, attempt.hint("a_list"), describe(found), "a list")
    return len(found) > 0


def _some_scenes() -> Scenes:
    return Scenes(
        images=draws(0, 256, 160, 3, 6, 6).to(torch.uint8),
        labels=torch.arange(160) % 4,
        class_names=("Forest", "River", "Harbor", "Orchard"),
        names=tuple(f"{i:03d}.png" for i in range(160)),
    )
