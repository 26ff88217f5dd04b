"""Real images with few labels, on the features of a frozen backbone: five seeds.

    python -m benchmarks.features ucm FOLDER_OR_ZIP
    python -m benchmarks.features eurosat FOLDER_OR_ZIP --labels 2 4

On the splits that come with the library (`Split.predefined`). The features are computed
first and timed; every training then takes seconds. Stops and resumes: finished runs in
runs/bench/ are loaded. Writes runs/bench/features_NAME.json, a row per training, and
prints the table.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import pandas as pd

from workshop_lib.data.load import load_dataset
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.evaluation.evaluate import evaluate
from workshop_lib.files import write_text
from workshop_lib.recipe import PRESETS, Recipe
from workshop_lib.session import pick_device, setup
from workshop_lib.training.features import feature_views
from workshop_lib.training.loop import train

# Side of the images as decoded, and as the backbone sees them.
SIZES = {"ucm": (160, 160), "eurosat": (64, 96)}
LABELS = {"ucm": (4, 25), "eurosat": (2, 4)}
METHODS: dict[str, dict[str, Any]] = {
    "supervised, weak": {"method": "supervised", "labeled_view": "weak"},
    "supervised, strong": {"method": "supervised"},
    "fixmatch as in the paper": {
        "threshold": 0.95,
        "alignment": False,
        "labeled_view": "weak",
        "propagation_steps": 0,
    },
    "fixmatch": {"propagation_steps": 0},
    "fixmatch after propagation": {},
    "freematch after propagation": {"method": "freematch"},
    "softmatch after propagation": {"method": "softmatch"},
    "comatch after propagation": {"method": "comatch"},
    "ccssl after propagation": {"method": "ccssl"},
}


def base_recipe(name: str, data: str) -> Recipe:
    """Return the recipe of FixMatch after propagation for one data set."""
    size, feature_size = SIZES[name]
    knobs = {**PRESETS["features"], "size": size, "feature_size": feature_size}
    return Recipe().with_(data=data, **knobs)


def compute_features(recipe: Recipe, scenes: Scenes) -> float:
    """Compute (or load) every view that the methods ask for; returns the seconds."""
    start = time.perf_counter()
    feature_views(recipe, scenes.images, ["none", "weak", "strong"], pick_device())
    return time.perf_counter() - start


def run(
    name: str,
    recipe: Recipe,
    scenes: Scenes,
    labels: list[int],
    methods: list[str],
    seeds: list[int],
    folder: Path,
) -> pd.DataFrame:
    """Train every method with every number of labels on every seed."""
    path = folder / f"features_{name}.json"
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    for per_class in labels:
        for method in methods:
            for seed in seeds:
                split = Split.predefined(scenes, name, per_class, seed)
                knobs = {"method": "fixmatch", **METHODS[method]}
                if knobs["method"] == "supervised":
                    knobs["propagation_steps"] = 0
                asked = recipe.with_(
                    **knobs, labels_per_class=per_class, split_seed=seed, seed=seed
                )
                place = folder / f"features_{name}" / f"{per_class}-{method}-{seed}"
                done = train(asked, scenes, split, folder=place, verbose=False)
                accuracy = evaluate(done, scenes, split).scores.accuracy
                row = {"labels_per_class": per_class, "method": method, "seed": seed}
                rows = [r for r in rows if any(r[k] != row[k] for k in row)]
                seconds = done.facts["seconds"]
                rows.append({**row, "accuracy": accuracy, "seconds": seconds})
                print(
                    f"{per_class:3d}  {method:30s} {seed}  {accuracy:.3f}", flush=True
                )
                write_text(path, json.dumps(rows, indent=1))
    return pd.DataFrame(rows)


def summary(table: pd.DataFrame) -> str:
    """Mean, deviation and range over the seeds, in percent."""
    points = table.assign(accuracy=100 * table["accuracy"])
    groups = points.groupby(["labels_per_class", "method"], sort=False)
    columns = groups["accuracy"].agg(["mean", "std", "min", "max", "count"]).round(1)
    columns["seconds"] = groups["seconds"].median().round(1)
    return str(columns.to_string(na_rep="-"))


def main() -> None:
    """Read the flags, compute features, train, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=sorted(SIZES))
    parser.add_argument("data", help="folder or zip of the data set")
    parser.add_argument("--labels", type=int, nargs="+")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--folder", type=Path, default=Path("runs/bench"))
    parser.add_argument("--views", type=int, help="stored views of each augmentation")
    flags = parser.parse_args()
    setup()
    recipe = base_recipe(flags.name, flags.data)
    if flags.views:
        recipe = recipe.with_(feature_views=flags.views)
    scenes = load_dataset(recipe)
    seconds = compute_features(recipe, scenes)
    print(f"features of {len(scenes)} images: {seconds:.0f} s", flush=True)
    labels = flags.labels or list(LABELS[flags.name])
    table = run(
        flags.name, recipe, scenes, labels, flags.methods, flags.seeds, flags.folder
    )
    print("\n" + summary(table))


if __name__ == "__main__":
    main()
