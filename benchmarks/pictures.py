"""The pictures of the README, drawn from what was really run: `make figures`.

    python -m benchmarks.pictures

Reads runs/bench/mini_eo.json (from `make bench`), writes docs/ladder.svg, and draws
MiniEO itself: docs/mini_eo.png in true colour, docs/mini_eo_modalities.png as the
other sensors and maps see it.
"""

import sys
from pathlib import Path

import pandas as pd

from benchmarks.page import save_figure
from workshop_lib.data.mini_eo import CLASSES, mini_eo
from workshop_lib.experiments.baselines import BASELINES
from workshop_lib.plots import (
    AccessibleFigure,
    Bar,
    baselines,
    class_samples,
    modality_samples,
)

DOCS = Path("docs")
BENCH = Path("runs/bench/mini_eo.json")
WORTH = {
    "supervised_strong": "what strong augmentation was worth",
    "fixmatch_labelled_only": "what FixMatch makes of the labelled images alone",
    "fixmatch": "what the unlabelled images were worth",
    "supervised_all": "what all the other labels would add",
}


def ladder_of_seeds(path: Path = BENCH) -> AccessibleFigure:
    """Draw the ladder with the mean and the range over the split seeds."""
    table = pd.read_json(path)
    bars = []
    for name, one in BASELINES.items():
        accuracy = table.loc[table["method"] == name, "accuracy"]
        labels = "2,400" if one.settings.get("labels_per_class") == 0 else "40"
        low, mean, high = accuracy.min(), accuracy.mean(), accuracy.max()
        worth = WORTH.get(name, "")
        bars.append(Bar(one.title, mean, f"{labels} labels", worth, low, high))
    return baselines(bars, chance=1 / len(CLASSES))


def main() -> None:
    """Write the three pictures."""
    if not BENCH.exists():
        sys.exit(f"{BENCH} is missing: run `make bench` first.")
    scenes = mini_eo()
    drawn = {
        "mini_eo.png": class_samples(scenes),
        "mini_eo_modalities.png": modality_samples(scenes),
        "ladder.svg": ladder_of_seeds(),
    }
    for name, figure in drawn.items():
        save_figure(DOCS / name, figure, dpi=100)


if __name__ == "__main__":
    main()
