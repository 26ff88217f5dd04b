"""The check of unit 02 that sends the learner's detective to seven splits."""

__all__ = ["detective"]

from collections.abc import Sized
from dataclasses import replace
from typing import Any

import torch

from workshop_lib.course.checks.describe import describe
from workshop_lib.course.checks.inputs import draws
from workshop_lib.course.checks.trial import Trial, exercise
from workshop_lib.course.leaky_splits import make_leaky_splits
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split


@exercise("find_faults(scenes, split)")
def detective(trial: Trial) -> str:
    """Check that a learner's function finds six planted faults and accuses no one else.

    The learner's `find_faults(scenes, split)` takes Scenes and a Split and gives what
    it found: a list or set, empty where all is well; or True for "there is a fault".
    """
    scenes = _some_scenes()
    honest = Split.random(scenes, labels_per_class=4, seed=3)
    cases = make_leaky_splits(scenes, honest, seed=1)
    accused = {c.name: _accuses(trial, c.name, c.scenes, c.split) for c in cases}
    if all(accused.values()):
        likely = (
            "the honest split is accused with the others. Does the function look at"
            " the labeled images in the unlabeled pool? They belong there."
            if not _accuses(trial, "a new case", scenes, _labeled_apart(honest))
            else "every split is accused, whatever is in it: an empty list or False"
            " means that nothing was found."
        )
        trial.fail("seven splits, one of them honest", likely, "7 accused", "6")
    if not any(accused.values()):
        trial.fail(
            "seven splits, six of them with a fault",
            "nothing is found anywhere: does the function return what it collects?"
            f" Begin with case A: {cases[0].clue}",
            "none accused",
            "6",
        )
    for case in cases:
        if case.kind and not accused[case.name]:
            found = sum(accused.values())
            trial.fail(
                case.name,
                case.clue,
                f"nothing found ({found} cases accused)",
                "a fault",
            )
        if not case.kind and accused[case.name]:
            _explain_accusation(trial, case.name, scenes, honest)
    _check_unequal(trial)
    return "six faults found, two honest splits cleared"


def _explain_accusation(trial: Trial, name: str, scenes: Scenes, honest: Split) -> None:
    """Say why the honest split is accused: find out which change would clear it."""
    if not _accuses(trial, name, scenes, _labeled_apart(honest)):
        likely = (
            "the labeled images were found in the unlabeled pool. They belong there:"
            " only their labels are not used. Compare training with val and test."
        )
    else:
        likely = "this split is honest. Print what the function finds in it."
    trial.fail(name, likely, "a fault", "nothing found")


def _check_unequal(trial: Trial) -> None:
    """Classes of nature differ in size by an image or two: that is no fault."""
    scenes = _some_scenes()
    index = torch.arange(len(scenes))
    scenes = scenes.subset(index[index % 40 != 0])  # three images of the classes less
    split = Split.random(scenes, labels_per_class=4, seed=4)
    if _accuses(trial, "an eighth split", scenes, split):
        trial.fail(
            "an honest split of classes that differ by an image or two",
            "small differences between the classes are no fault, they come from the"
            " data: accuse from a factor of two on.",
            "a fault",
            "nothing found",
        )


def _labeled_apart(split: Split) -> Split:
    """Take the labeled images out of the pool, as who misread FixMatch would."""
    rest = split.unlabeled[~torch.isin(split.unlabeled, split.labeled)]
    return replace(split, unlabeled=rest)


def _accuses(trial: Trial, case: str, scenes: Scenes, split: Split) -> bool:
    found: Any = trial.run(case, scenes, split)
    if isinstance(found, bool | torch.Tensor) or not isinstance(found, Sized):
        if isinstance(found, bool | int):
            return bool(found)
        trial.fail(
            case,
            "give a list or set of what was found, empty if nothing, or True or False.",
            describe(found),
            "a list",
        )
    return len(found) > 0


def _some_scenes() -> Scenes:
    return Scenes(
        images=draws(0, 256, 160, 3, 6, 6).to(torch.uint8),
        labels=torch.arange(160) % 4,
        class_names=("Forest", "River", "Harbor", "Orchard"),
        names=tuple(f"{i:03d}.png" for i in range(160)),
    )
