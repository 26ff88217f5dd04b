"""What deck 04 shows of the trainings, read off them once: slides/data/04_*.json."""

__all__ = ["MEASURED"]

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from slides.draw.asked_04 import ASKED, origin
from slides.draw.runs import deck_run, deck_scenes
from workshop_lib.evaluation.evaluate import evaluate
from workshop_lib.recipe import Recipe, preset
from workshop_lib.training.checkpoint import load_checkpoint
from workshop_lib.training.loop import train
from workshop_lib.training.memory import act_out
from workshop_lib.training.run import Run

# As notebook 04 calls them
TITLES = {
    "supervised": "Supervised, weak",
    "supervised_strong": "Supervised, strong",
    "fixmatch": "FixMatch",
    "comatch": "CoMatch",
    "ccssl": "CCSSL",
    "supervised_all": "Supervised, all labels",
}


# ---- memory


def budget() -> dict[str, Any]:
    """Foresee the memory of a step as in the paper, and after each saving."""
    paper = Recipe(model="wrn-28-2", size=224, batch_size=8, mu=7, joint_forward=True)
    apart = paper.with_(joint_forward=False)
    ways = {
        "as in the paper": (paper, "fp32"),
        "weak view without gradient": (apart, "fp32"),
        "and half precision": (apart, "bf16"),
        "and recompute": (apart.with_(checkpointing=True), "bf16"),
        "or images of 112 pixels": (apart.with_(size=112), "bf16"),
    }
    return {
        "what": "act_out, one step on 2,100 photographs of 21 classes, as notebook 04",
        "gigabytes": {name: _need(*way) for name, way in ways.items()},
    }


def _need(recipe: Recipe, precision: str) -> float:
    side = recipe.size
    step = act_out(
        recipe, shape=(3, side, side), num_classes=21, num_images=2100,
        image_bytes=3 * side**2, precision=precision,
    )  # fmt: skip
    return round(step.total / 1e9, 2)


# ---- the logs and the bars


def logs() -> dict[str, Any]:
    """Read the columns that the slides show off the logs."""
    columns = ["step", "loss_x", "loss_u", "mask_rate", "pseudo_accuracy"]
    columns += ["val_accuracy", "val_accuracy_online"]
    found = {}
    for name in ("supervised", "fixmatch", "fixmatch_paper"):
        run = deck_run(name)
        kept = [column for column in columns if column in run.log]
        found[name] = {
            "run": origin(run),
            "log": run.log[kept].astype(float).round(4).to_dict("list"),
            "best_step": int(_step(run, "best")),
            "last_step": int(_step(run, "last")),
        }
    return found


def _step(run: Run, which: str) -> int:
    return int(load_checkpoint(run.folder / f"{which}.pt", needs=("step",))["step"])


def ladder() -> dict[str, Any]:
    """Evaluate each run on the test images."""
    found = {}
    for name, title in TITLES.items():
        run = deck_run(name)
        images = deck_scenes(run.recipe.labels_per_class)
        accuracy = evaluate(run, *images).scores.accuracy
        found[title] = {"run": origin(run), "accuracy": accuracy}
    return found


# ---- short runs


def resumed() -> dict[str, Any]:
    """Train 60 steps at once, and 60 steps that were stopped at step 20."""
    scenes, split = deck_scenes()
    recipe = preset("class").with_(
        method="supervised", steps=60, eval_every=20, precision="fp32"
    )

    def stop(row: object) -> None:
        raise KeyboardInterrupt

    with TemporaryDirectory() as folder:
        whole = train(recipe, scenes, split, folder=f"{folder}/whole", verbose=False)
        place = Path(folder) / "stopped"
        try:
            train(recipe, scenes, split, folder=place, verbose=False, on_log=stop)
        except KeyboardInterrupt:
            again = train(recipe, scenes, split, folder=place, verbose=False)
    columns = ["step", "loss", "val_accuracy"]
    return {
        "recipe": {"method": "supervised", "steps": 60, "seed": recipe.seed},
        "equal": bool(again.log[columns].equals(whole.log[columns])),
        "never stopped": whole.log[columns].astype(float).to_dict("list"),
        "resumed": again.log[columns].astype(float).to_dict("list"),
    }


def first_steps() -> dict[str, Any]:
    """Train FixMatch for 100 steps only, at the paper's threshold."""
    scenes, split = deck_scenes()
    recipe = preset("class").with_(
        steps=100, eval_every=10, threshold=0.95, alignment=False, precision="fp32"
    )
    with TemporaryDirectory() as folder:
        run = train(recipe, scenes, split, folder=folder, verbose=False)
    kept = run.log[["step", "mask_rate", "val_accuracy"]].astype(float).round(4)
    return {
        "recipe": {"method": "fixmatch", "steps": 100, "threshold": 0.95, "seed": 0},
        "log": kept.to_dict("list"),
    }


def anomaly() -> dict[str, Any]:
    """Time a training with and without torch's search for anomalies, in turns."""
    scenes, split = deck_scenes()
    recipe = preset("class").with_(steps=40, eval_every=40, precision="fp32")

    def processor_time(on: bool) -> float:
        with TemporaryDirectory() as folder, torch.autograd.set_detect_anomaly(on):
            start = time.process_time()
            train(recipe, scenes, split, folder=folder, verbose=False)
            return time.process_time() - start

    processor_time(False)  # the first training does not count
    pairs = [(processor_time(True), processor_time(False)) for _ in range(5)]
    ratios = [on / off for on, off in pairs]
    return {
        "what": "FixMatch, 40 steps of the class recipe, processor time, five pairs",
        "times_as_long": round(float(np.median(ratios)), 2),
        "all": [round(ratio, 2) for ratio in ratios],
    }


MEASURED: dict[str, Callable[[], dict[str, Any]]] = {
    "04_budget.json": budget,
    "04_logs.json": logs,
    "04_ladder.json": ladder,
    "04_resumed.json": resumed,
    "04_first_steps.json": first_steps,
    "04_anomaly.json": anomaly,
    **ASKED,
}
