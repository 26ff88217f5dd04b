"""Does half precision cost accuracy? FixMatch on MiniEO in both formats, seed by seed.

    python -m benchmarks.precision                  about 8 minutes on two CPU cores
    python -m benchmarks.precision --seeds 0 1 --formats fp32 fp16

A seed draws the split, the initial weights and the order of images; both formats get
the same. Even so two trainings of one seed part after a few hundred steps, for rounding
is amplified as any small change is: what is asked is whether the difference between the
formats is smaller than that between seeds. Where the processor emulates bf16 the
benchmark takes 25 times as long; it says nothing about speed (`benchmarks.speed` does).

Stops and resumes: finished runs in runs/bench/precision/ are loaded. Writes
runs/bench/precision.json, a list of {precision, seed, accuracy, seconds}.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from workshop_lib.compare import compare
from workshop_lib.errors import WorkshopError
from workshop_lib.files import write_text
from workshop_lib.recipe import Recipe, preset
from workshop_lib.session import setup

FORMATS = ("fp32", "bf16", "fp16")
_COLUMNS = ["precision", "seed", "accuracy", "seconds"]


def run(
    base: Recipe, formats: list[str], seeds: list[int], folder: Path
) -> pd.DataFrame:
    """Train on every seed in every format; returns a row per training."""
    tables = []
    for each in formats:
        place = folder / "precision" / f"{each}-{base.steps}"
        recipe = base.with_(precision=each)
        compare(recipe, [base.method], [base.labels_per_class], seeds, place)
        lines = pd.read_csv(place / "runs.csv")
        lines = lines[lines["seed"].isin(seeds)].sort_values("seed")
        tables.append(lines.assign(precision=each)[_COLUMNS])
    table = pd.concat(tables, ignore_index=True)
    rows = json.dumps(table.to_dict("records"), indent=1)
    write_text(folder / "precision.json", rows)
    return table


def summary(table: pd.DataFrame) -> str:
    """Mean and deviation of each format; what the others lose against the first."""
    points = table.assign(accuracy=100 * table["accuracy"])
    wide = points.pivot(index="seed", columns="precision", values="accuracy")
    names = list(dict.fromkeys(table["precision"]))
    lines = []
    for name in names:
        each = ", ".join(f"{v:.1f}" for v in wide[name])
        deviation = _deviation(wide[name])
        lines.append(f"{name}  {wide[name].mean():.1f} +- {deviation} %  ({each})")
    first = names[0]
    for name in names[1:]:
        difference = wide[name] - wide[first]
        each = ", ".join(f"{v:+.1f}" for v in difference)
        lines.append(
            f"{name} - {first}, seed by seed: {difference.mean():+.1f} +-"
            f" {_deviation(difference)} points ({each}); {_verdict(difference, wide)}"
        )
    return "\n".join(lines)


def _deviation(values: pd.Series) -> str:
    return f"{values.std():.1f}" if len(values) > 1 else "-"


def _verdict(difference: pd.Series, wide: pd.DataFrame) -> str:
    """Compare the mean difference with how much single seeds differ anyway."""
    if len(difference) < 2:
        return "one seed says nothing about noise"
    noise = float(np.sqrt(wide.var().mean()))  # of one training, whatever its format
    within = abs(difference.mean()) <= noise
    what = "within" if within else "more than"
    return f"{what} the {noise:.1f} points by which seeds deviate"


def main() -> None:
    """Read the flags, train, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--formats", nargs="+", default=["fp32", "bf16"], choices=FORMATS
    )
    parser.add_argument("--folder", type=Path, default=Path("runs/bench"))
    flags = parser.parse_args()
    setup()
    base = preset().with_(method="fixmatch")
    try:
        table = run(base, flags.formats, flags.seeds, flags.folder)
    except WorkshopError as error:
        sys.exit(f"benchmark: {error}")
    print("\n" + summary(table))


if __name__ == "__main__":
    main()
