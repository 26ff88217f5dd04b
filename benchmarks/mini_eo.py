"""Five split seeds of the baselines on MiniEO, and the controls: `make bench`.

    python -m benchmarks.mini_eo                    about 25 minutes on two CPU cores
    python -m benchmarks.mini_eo --seeds 0 --steps 200

Stops and resumes: finished runs in runs/bench/ are loaded. Writes
runs/bench/mini_eo.json, a list of {seed, method, accuracy, seconds}, and prints the
table with means, deviations and, seed by seed, FixMatch's distance from the better
supervised baseline. Runs of other --steps or other --data go into a folder and a list
of their own (runs/bench/mini_eo-200.json).
"""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.page import gains_over, over_seeds, run_command, seed_by_seed
from workshop_lib.experiments.baselines import (
    BASELINES,
    CONTROLS,
    baseline_config,
)
from workshop_lib.experiments.sweeps import sweep
from workshop_lib.files import write_text
from workshop_lib.methods import METHODS
from workshop_lib.presets import preset

ALL = (*BASELINES, *CONTROLS)
KNOWN = tuple(dict.fromkeys((*ALL, *METHODS)))
_COLUMNS = {"seed": "seed", "name": "method", "value": "accuracy", "seconds": "seconds"}


def run(
    seeds: Sequence[int],
    methods: Sequence[str],
    folder: Path,
    steps: int | None,
    data: str,
) -> pd.DataFrame:
    """Train every method on every split seed; return a row per training."""
    base = preset(data=data)
    name = data.replace(":", "-")
    if steps:
        base = base.replace(steps=steps, eval_every=min(steps, base.run.eval_every))
        name += f"-{steps}"
    configs = {one: baseline_config(one, base) for one in methods}
    sweep(configs, seeds, folder / name)
    lines = pd.read_csv(folder / name / "runs.csv")[list(_COLUMNS)]
    table = lines.rename(columns=_COLUMNS)
    table["method"] = pd.Categorical(table["method"], KNOWN)
    table = table.sort_values(["seed", "method"]).astype({"method": str})
    rows = table.to_dict("records")
    write_text(folder / f"{name}.json", json.dumps(rows, indent=1))
    return table


def summary(table: pd.DataFrame) -> str:
    """Lay out each method's mean, deviation and range, then FixMatch's gains."""
    lines = [over_seeds(table, "accuracy", "method").to_string(na_rep="-")]
    rows = table.rename(columns={"method": "name"})
    for title, others in (
        ("the better supervised baseline", ("supervised", "supervised_strong")),
        ("weak augmentation", ("supervised",)),
    ):
        gain = gains_over(rows, "accuracy", "fixmatch", *others)
        if len(gain):
            mean = f"{gain.mean():+.1f}"
            lines.append(f"FixMatch over {title}: mean {mean} ({seed_by_seed(gain)})")
    return "\n".join(lines)


def main(
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4),
    methods: tuple[str, ...] = ALL,
    folder: Path = Path("runs/bench"),
    steps: int | None = None,
    data: str = "mini_eo",
) -> None:
    """Train, and print the table.

    Args:
        seeds: of the splits, the initial weights and the order of images.
        methods: baselines, controls, or any method by name.
        folder: for the runs.
        steps: of each training; default those of the preset.
        data: mini_eo or mini_eo:SEED.
    """
    print("\n" + summary(run(seeds, methods, folder, steps, data)))


if __name__ == "__main__":
    run_command(main, __doc__)
