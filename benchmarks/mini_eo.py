"""Five split seeds of the baselines on MiniEO, and the controls: `make bench`.

    python -m benchmarks.mini_eo                 about 25 minutes on two CPU cores
    python -m benchmarks.mini_eo --draw          the pictures of the README, drawn from
                                                 what was really run: `make figures`
    WORKSHOP_PRESET=ci python -m benchmarks.mini_eo --seeds 0 --folder runs/short

Stops and resumes: finished runs in runs/bench/ are loaded, and runs.csv beside them
holds a row for each. Prints mean, deviation and range of each method and, seed by seed,
FixMatch's distance from the better supervised baseline. `--draw` writes
docs/ladder.svg, and MiniEO itself: docs/mini_eo.png in true colour,
docs/mini_eo_modalities.png as the other sensors and maps see it.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.page import gains_in_words, run_command, save_figure
from workshop_lib.data.mini_eo import CLASSES, mini_eo
from workshop_lib.experiments.baselines import BASELINES, CONTROLS, baseline_config
from workshop_lib.experiments.results import as_text, summarize
from workshop_lib.experiments.sweeps import sweep
from workshop_lib.plots import (
    AccessibleFigure,
    Bar,
    baselines,
    class_samples,
    modality_samples,
)
from workshop_lib.presets import preset

DOCS = Path("docs")
WORTH = {
    "supervised_strong": "what strong augmentation was worth",
    "fixmatch_labelled_only": "what FixMatch makes of the labelled images alone",
    "fixmatch": "what the unlabelled images were worth",
    "supervised_all": "what all the other labels would add",
}


def run(
    seeds: Sequence[int], methods: Sequence[str], folder: Path, data: str
) -> pd.DataFrame:
    """Train every method on every split seed; return a row per training."""
    base = preset(data=data)
    configs = {one: baseline_config(one, base) for one in methods}
    return sweep(configs, seeds, folder / data.replace(":", "-"))


def summary(rows: pd.DataFrame) -> str:
    """Lay out each method's mean, deviation and range, then FixMatch's gains."""
    lines = [as_text(summarize(rows))]
    for title, others in (
        ("the better supervised baseline", ("supervised", "supervised_strong")),
        ("weak augmentation", ("supervised",)),
    ):
        if gains := gains_in_words(rows, "value", "fixmatch", *others):
            lines.append(f"FixMatch over {title}: {gains}")
    return "\n".join(lines)


def ladder(rows: pd.DataFrame) -> AccessibleFigure:
    """Draw the baselines with the mean and the range over the split seeds."""
    bars = []
    for name, one in BASELINES.items():
        runs = rows[rows["name"] == name]
        low, mean, high = runs["value"].agg(["min", "mean", "max"])
        labels = f"{runs['labels'].iloc[0]:,} labels"
        bars.append(Bar(one.title, mean, labels, WORTH.get(name, ""), low, high))
    return baselines(bars, chance=1 / len(CLASSES))


def main(
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4),
    methods: tuple[str, ...] = (*BASELINES, *CONTROLS),
    folder: Path = Path("runs/bench"),
    data: str = "mini_eo",
    draw: bool = False,
) -> None:
    """Train, and print the table.

    Args:
        seeds: of the splits, the initial weights and the order of images.
        methods: baselines, controls, or any method by name.
        folder: for the runs.
        data: mini_eo or mini_eo:SEED.
        draw: write the pictures, too.
    """
    rows = run(seeds, methods, folder, data)
    print("\n" + summary(rows))
    if draw:
        scenes = mini_eo()
        save_figure(DOCS / "ladder.svg", ladder(rows), dpi=100)
        save_figure(DOCS / "mini_eo.png", class_samples(scenes), dpi=100)
        save_figure(DOCS / "mini_eo_modalities.png", modality_samples(scenes), dpi=100)


if __name__ == "__main__":
    run_command(main, __doc__)
