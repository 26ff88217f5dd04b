"""The trainings whose figures the decks show: preset `class`, trained once.

    python -m slides.draw.runs

Trains what is missing (a quarter of an hour on two cores) into runs/class. Notebooks
look beside themselves: copied to notebooks/runs/class, they find these trainings done.
"""

__all__ = ["RUNS", "deck_run", "deck_scenes"]

import os
from functools import cache

from workshop_lib.course.runs import class_run
from workshop_lib.data.mini_eo import mini_eo
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.ladder import ladder_recipe
from workshop_lib.recipe import preset
from workshop_lib.training.run import Run

# A rung of the ladder, a control or a method each
RUNS = (
    "supervised",
    "supervised_strong",
    "fixmatch",
    "fixmatch_paper",
    "comatch",
    "ccssl",
    "supervised_all",
)


@cache
def deck_scenes(labels_per_class: int = 4) -> tuple[Scenes, Split]:
    """Return the scenes and the split of the decks' runs; 0 labels means all."""
    scenes = mini_eo()
    return scenes, Split.random(scenes, labels_per_class=labels_per_class, seed=0)


def deck_run(name: str) -> Run:
    """Train one of `RUNS` to the end, or load it."""
    os.environ["WORKSHOP_PRESET"] = "class"
    wanted = ladder_recipe(name, preset("class"))
    return class_run(name, *deck_scenes(wanted.labels_per_class), preset("class"))


def main() -> None:
    """Train what is missing."""
    for name in RUNS:
        deck_run(name)


if __name__ == "__main__":
    main()
