"""Five split seeds of the baselines on MiniEO, and the controls: `make bench`.

    python -m benchmarks.mini_eo                    about 25 minutes on two CPU cores
    python -m benchmarks.mini_eo --seeds 0 --steps 200

Stops and resumes: finished runs in runs/bench/ are loaded. Writes
runs/bench/mini_eo.json, a list of {seed, method, accuracy, seconds}, and prints the
table with means, deviations and, seed by seed, FixMatch's distance from the better
supervised baseline. Runs of other --steps or other --data go into a folder and a list
of their own (runs/bench/mini_eo-200.json).
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from workshop_lib.errors import WorkshopError
from workshop_lib.files import write_text
from workshop_lib.next.experiments.baselines import (
    BASELINES,
    CONTROLS,
    baseline_config,
)
from workshop_lib.next.experiments.sweep import sweep
from workshop_lib.next.methods import METHODS
from workshop_lib.next.presets import preset
from workshop_lib.session import setup

ALL = (*BASELINES, *CONTROLS)
KNOWN = tuple(dict.fromkeys((*ALL, *METHODS)))
_COLUMNS = {"seed": "seed", "name": "method", "value": "accuracy", "seconds": "seconds"}


def run(
    seeds: list[int], methods: list[str], folder: Path, steps: int | None, data: str
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
    rows = lines.rename(columns=_COLUMNS).to_dict("records")
    rows.sort(key=_rank)
    write_text(folder / f"{name}.json", json.dumps(rows, indent=1))
    return pd.DataFrame(rows)


def _rank(row: dict[Any, Any]) -> tuple[int, int]:
    return row["seed"], KNOWN.index(row["method"])


def summary(table: pd.DataFrame) -> str:
    """Lay out each method's mean, deviation and range, then FixMatch's gains."""
    points = table.assign(accuracy=100 * table["accuracy"])
    groups = points.groupby("method", sort=False)
    columns = groups["accuracy"].agg(["mean", "std", "min", "max"]).round(1)
    columns["seconds"] = groups["seconds"].median().round(0)
    lines = [columns.to_string(na_rep="-")]
    wide = points.pivot(index="seed", columns="method", values="accuracy")
    if {"supervised", "supervised_strong", "fixmatch"} <= set(wide):
        better = wide[["supervised", "supervised_strong"]].max(axis=1)
        for name, gain in (
            ("the better supervised baseline", wide["fixmatch"] - better),
            ("weak augmentation", wide["fixmatch"] - wide["supervised"]),
        ):
            each = ", ".join(f"{v:+.1f}" for v in gain)
            lines.append(f"FixMatch over {name}: mean {gain.mean():+.1f} ({each})")
    return "\n".join(lines)


def main() -> None:
    """Read the flags, train, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--methods", nargs="+", default=list(ALL), choices=KNOWN)
    parser.add_argument("--folder", type=Path, default=Path("runs/bench"))
    parser.add_argument("--steps", type=int, help="default: those of the preset")
    parser.add_argument("--data", default="mini_eo", help="mini_eo or mini_eo:SEED")
    flags = parser.parse_args()
    setup()
    try:
        table = run(flags.seeds, flags.methods, flags.folder, flags.steps, flags.data)
    except WorkshopError as error:
        sys.exit(f"benchmark: {error}")
    print("\n" + summary(table))


if __name__ == "__main__":
    main()
