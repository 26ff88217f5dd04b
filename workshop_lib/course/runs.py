"""Trainings that the notebooks share: trained by the first that needs them."""

__all__ = ["class_run", "run_folder", "segment_preset"]

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from workshop_lib.config import Config
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.split import Split
from workshop_lib.experiments.baselines import baseline_config
from workshop_lib.plots.training import growing_curve
from workshop_lib.presets import preset, preset_time
from workshop_lib.session import in_notebook, pick_device
from workshop_lib.settings import ModelConfig
from workshop_lib.training.log import Row
from workshop_lib.training.loop import train
from workshop_lib.training.run import Run


def class_run(
    name: str, dataset: Dataset, split: Split, config: Config | None = None
) -> Run:
    """Train a method to the end, or load it where a notebook has trained it already.

    While it trains it shows a bar with the time left, a line per validation and, in a
    notebook, a curve that grows. Interrupted, the same call resumes.

    Args:
        name: a method ("fixmatch"), a baseline ("supervised_strong") or a control
            ("fixmatch_paper"), as `baseline_config` knows them.
        dataset, split: images, and which of them are labelled, unlabelled, validation.
        config: everything else; default the preset. Another config is kept in another
            folder. The workshop's own small network is trained in fp32 on a CPU where
            the config leaves the number format open.

    Returns:
        The finished run, in `runs/PRESET/NAME`; of maps in `runs/PRESET/segment_NAME`.

    Raises:
        WorkshopError: an unknown name; or that folder holds a run on other images or
            on another split.
    """
    wanted = baseline_config(name, config or preset())
    folder = run_folder(name, wanted)
    wanted = _one_format(wanted, folder)
    steps = wanted.optim.steps
    if not (folder / "run.json").exists():
        print(f"{name}: {steps:,} steps, kept in {folder.as_posix()}")
    rows: list[Row] = []
    show = _growing(name, steps) if in_notebook() else None

    def grow(row: Row) -> None:
        rows.append(row)
        if show:
            show(pd.DataFrame(rows))

    run = train(wanted, dataset, split, folder=folder, on_log=grow)
    if show:
        show(run.log)  # of a run that was loaded or resumed, all of it
    return run


def segment_preset() -> Config:
    """Return the config for maps at the preset's time.

    The preset "home" is for scenes: maps get the settings of "class" with it.
    """
    return preset("ci" if preset_time() == "ci" else "class", task="segment")


def run_folder(name: str, config: Config) -> Path:
    """Return the folder of a run, below the preset's name.

    Runs of the preset are in `runs/PRESET/NAME`, maps by `segment_preset` in
    `runs/PRESET/segment_NAME`; a config that is not the preset's, as on other data,
    gets a folder whose name ends in a hash of it.
    """
    place = Path("runs") / preset_time()
    if config == baseline_config(name, preset()):
        return place / name
    if config == baseline_config(name, segment_preset()):
        return place / f"segment_{name}"
    return place / f"{name}-{hashlib.sha256(config.to_json().encode()).hexdigest()[:8]}"


def _one_format(config: Config, folder: Path) -> Config:
    """Give all runs of a comparison the same number format.

    On a CPU "auto" times each training by itself. With a small network the two formats
    are so close that one run gets bf16 and the next fp32. A larger one is clearly
    faster in one of them, and a GPU gives all the same. What has begun, perhaps on
    another machine, keeps its config, so that it can still be loaded or resumed.
    """
    small = config.model.encoder == ModelConfig().encoder
    if config.run.precision != "auto" or not small:
        return config
    fixed = config.replace(precision="fp32")
    if (folder / "config.json").exists():
        text = (folder / "config.json").read_text(encoding="utf-8")
        begun = Config.from_json(text, method=config.method)
        if begun in (config, fixed):
            return begun
    return fixed if pick_device().type == "cpu" else config


def _growing(name: str, steps: int) -> Callable[[pd.DataFrame], None]:
    """Return a function that draws a log, each time in place of the figure before."""
    shown: list[Any] = []

    def show(log: pd.DataFrame) -> None:
        from IPython.display import display

        if "val_accuracy" not in log:  # of several labels, or a number
            return
        title = f"{name}: step {int(log['step'].iloc[-1]):,} of {steps:,}"
        figure = growing_curve(log, steps=steps, title=title)
        if shown:
            shown[0].update(figure)
        else:
            shown.append(display(figure, display_id=True))  # type: ignore[no-untyped-call]

    return show
