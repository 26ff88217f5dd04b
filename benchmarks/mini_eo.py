"""Five split seeds of the ladder on MiniEO, and the controls: `make bench`.

    python -m benchmarks.mini_eo                    about 25 minutes on two CPU cores
    python -m benchmarks.mini_eo --seeds 0 --steps 200

Stops and resumes: finished runs in runs/bench/mini_eo/ are loaded. Writes
runs/bench/mini_eo.json, a list of {seed, method, accuracy, seconds}, and prints the
table with means, deviations and, seed by seed, FixMatch's distance from the better
supervised baseline.
"""

import argparse
import json
from pathlib import Path

import pandas as pd

from workshop_lib.data.open import open_scenes
from workshop_lib.files import write_text
from workshop_lib.ladder import CONTROLS, LADDER
from workshop_lib.quickstart import results_row, train_rung
from workshop_lib.recipe import preset
from workshop_lib.session import setup

METHODS = (*LADDER, *CONTROLS)


def run(
    seeds: list[int], methods: list[str], folder: Path, steps: int | None, data: str
) -> pd.DataFrame:
    """Train every method on every split seed; returns a row per training."""
    base = preset().with_(data=data)
    if steps:
        base = base.with_(steps=steps, eval_every=min(steps, base.eval_every))
    scenes = open_scenes(base)
    rows = []
    for seed in seeds:
        for method in methods:
            place = folder / "mini_eo" / f"{method}-{seed}"
            seeded = base.with_(split_seed=seed, seed=seed)
            result = train_rung(method, seeded, scenes, place, verbose=False)
            row = results_row(result)
            rows.append({k: row[k] for k in ("seed", "method", "accuracy", "seconds")})
            print(
                f"seed {seed}  {method:24s} {row['accuracy']:.3f}"
                f"  {row['seconds']:5.0f} s",
                flush=True,
            )
            write_text(folder / "mini_eo.json", json.dumps(rows, indent=1))
    return pd.DataFrame(rows)


def summary(table: pd.DataFrame) -> str:
    """Mean, deviation and range of each method, then FixMatch's gains seed by seed."""
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
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--folder", type=Path, default=Path("runs/bench"))
    parser.add_argument("--steps", type=int, help="default: those of the recipe")
    parser.add_argument("--data", default="mini_eo", help="mini_eo or mini_eo:SEED")
    flags = parser.parse_args()
    setup()
    table = run(flags.seeds, flags.methods, flags.folder, flags.steps, flags.data)
    print("\n" + summary(table))


if __name__ == "__main__":
    main()
