"""What deck 07 shows of the trainings of benchmarks.fusion: slides/data/07_*.json."""

__all__ = ["FOLDER", "MEASURED", "complete"]

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.fusion import STUDIES
from workshop_lib.channels import groups
from workshop_lib.data.load import load_dataset, make_split
from workshop_lib.errors import WorkshopError
from workshop_lib.modality_table import SETS
from workshop_lib.models.predict import predict
from workshop_lib.training.run import Run

FOLDER = Path("runs/fusion")
COMMAND = "python -m benchmarks.fusion"
COLUMNS = ("name", "seed", "accuracy", "f1", "iou", "parameters")


def complete(rows: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Keep the seeds of which every name has been trained: like meets like."""
    counts = rows[rows["name"].isin(names)].groupby("seed")["name"].nunique()
    seeds = counts[counts == len(names)].index
    return rows[rows["seed"].isin(seeds)].reset_index(drop=True)


def studies() -> dict[str, Any]:
    """Read the tables that the benchmark has written so far.

    Raises:
        WorkshopError: the sets of modalities have not been measured on any seed.
    """
    found: dict[str, Any] = {"command": COMMAND, "folder": FOLDER.as_posix()}
    for study in STUDIES:
        path = FOLDER / study / "rows.csv"
        if not path.exists():
            continue
        rows = pd.read_csv(path)
        rows = complete(rows, rows["name"].unique())
        found[study] = rows[list(COLUMNS)].round(4).to_dict("list")
    if set(found.get("sets", {}).get("name", ())) < set(SETS):
        raise WorkshopError(
            f"{FOLDER / 'sets'} does not hold every set of modalities yet: run"
            f" {COMMAND} --studies sets first, to the end of a seed."
        )
    run = Run.load(FOLDER / "sets" / "s2-0")
    found["recipe"] = {
        key: getattr(run.recipe, key)
        for key in ("steps", "batch_size", "labels_per_class", "labeled_view", "model")
    }
    return found


def sensor_fails() -> dict[str, Any]:
    """Ask networks of S2, S1 and climate about test images that lack one of them."""
    rows: list[dict[str, Any]] = []
    for place in sorted((FOLDER / "fusions").glob("late*-[0-9]*")):
        if not (place / "evaluation.json").exists():
            continue
        run = Run.load(place)
        scenes = load_dataset(run.recipe)
        split = make_split(run.recipe, scenes)
        model, normalize = run.load_model()
        images, truth = scenes.images[split.test], scenes.labels[split.test]
        row: dict[str, Any] = {
            "dropout": run.recipe.modality_dropout,
            "seed": run.recipe.seed,
            "all there": _right(predict(model, normalize, images), truth),
        }
        for group in groups(scenes.bands):
            lacking = images.clone()
            lacking[:, group.channels] = torch.nan
            probs = predict(model, normalize, lacking)
            row[f"no {group.name}"] = _right(probs, truth)
        rows.append(row)
    if {row["dropout"] == 0 for row in rows} != {True, False}:
        raise WorkshopError(
            f"{FOLDER / 'fusions'} holds no late fusion with and without dropout: run"
            f" {COMMAND} --studies fusions first."
        )
    return {"command": COMMAND, "folder": f"{FOLDER.as_posix()}/fusions", "rows": rows}


def _right(probs: torch.Tensor, truth: torch.Tensor) -> float:
    return round(float((probs.argmax(1) == truth).double().mean()), 4)


MEASURED: dict[str, Callable[[], dict[str, Any]]] = {
    "07_studies.json": studies,
    "07_sensor_fails.json": sensor_fails,
}
