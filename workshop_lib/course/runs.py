"""Trainings shared by the notebooks: the first that needs one runs it."""

__all__ = ["class_run", "run_folder", "segment_preset"]

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd

from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.ladder import ladder_recipe
from workshop_lib.plots import growing_curve
from workshop_lib.recipe import PRESETS, Recipe, preset, preset_name
from workshop_lib.session import in_notebook, pick_device
from workshop_lib.training.log import Row
from workshop_lib.training.loop import train
from workshop_lib.training.run import Run


def class_run(
    name: str, scenes: Scenes, split: Split, recipe: Recipe | None = None
) -> Run:
    """Train a method to the end, or load the run if a notebook has trained it already.

    Training shows a bar with the time left, a line per validation and, in a notebook, a
    growing curve. After an interruption the same call resumes.

    Args:
        name: a method ("fixmatch"), a rung of the ladder ("supervised_strong") or a
            control ("fixmatch_paper"), as `ladder_recipe` knows them.
        scenes, split: images, and which of them are labeled, unlabeled, validation.
        recipe: what `name` changes; default the preset. Another recipe is kept in
            another folder. The workshop's own small network is trained in fp32 on a
            CPU where the recipe leaves the number format open.

    Returns:
        The finished run, in `runs/PRESET/NAME`; of maps in `runs/PRESET/segment_NAME`.

    Raises:
        WorkshopError: an unknown name; or that folder holds a run on other images or
            on another split.
    """
    wanted = ladder_recipe(name, recipe or preset())
    folder = run_folder(name, wanted)
    wanted = _one_format(wanted, folder)
    if not (folder / "run.json").exists():
        print(f"{name}: {wanted.steps:,} steps, kept in {folder.as_posix()}")
    curve = _Curve(name, wanted.steps) if in_notebook() else None
    grow = curve.add if curve else None
    run = train(wanted, scenes, split, folder=folder, on_log=grow)
    if curve:
        curve.show(run.log)  # of a run that was loaded or resumed, all of it
    return run


def segment_preset() -> Recipe:
    """Return the recipe for maps, with as few steps as "ci" has if that is the preset.

    `preset("segment")` is long enough to learn something; "ci" only tests that all
    parts work.
    """
    short = PRESETS["ci"] if preset_name() == "ci" else {}
    return preset("segment").with_(**short)


def run_folder(name: str, recipe: Recipe) -> Path:
    """Return the folder of a run, inside one of the preset's name.

    Runs of `segment_preset` have names of their own. Any other recipe, as on other
    data, gets a folder whose name ends in a hash of it.
    """
    place = Path("runs") / preset_name()
    if recipe == ladder_recipe(name, preset()):
        return place / name
    if recipe == ladder_recipe(name, segment_preset()):
        return place / f"segment_{name}"
    return place / f"{name}-{hashlib.sha256(recipe.to_json().encode()).hexdigest()[:8]}"


def _one_format(recipe: Recipe, folder: Path) -> Recipe:
    """Give all compared runs the same number format.

    On a CPU "auto" measures each training by itself. A small network is about as fast
    in either format, so one run would get bf16 and the next fp32. A larger one is
    clearly faster in one of them, and a GPU gives all the same. A run that has begun
    keeps its recipe, so that it can still be loaded or resumed.
    """
    if recipe.precision != "auto" or recipe.model != Recipe().model:
        return recipe
    fixed = recipe.with_(precision="fp32")
    begun = folder / "recipe.json"
    if begun.exists():
        found = Recipe.from_json(begun.read_text(encoding="utf-8"))
        if found in (recipe, fixed):
            return found
    return fixed if pick_device().type == "cpu" else recipe


class _Curve:
    """A learning curve in a notebook, updated in place with each row of the log."""

    def __init__(self, name: str, steps: int) -> None:
        self.name, self.steps = name, steps
        self.rows: list[Row] = []
        self.handle: Any = None

    def add(self, row: Row) -> None:
        """Draw the curve up to this row."""
        self.rows.append(row)
        self.show(pd.DataFrame(self.rows))

    def show(self, log: pd.DataFrame) -> None:
        """Replace the curve by that of a log."""
        from IPython.display import display

        figure = growing_curve(log, steps=self.steps, title=self._title(log))
        if self.handle is None:
            self.handle = display(figure, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self.handle.update(figure)

    def _title(self, log: pd.DataFrame) -> str:
        return f"{self.name}: step {int(log['step'].iloc[-1]):,} of {self.steps:,}"
