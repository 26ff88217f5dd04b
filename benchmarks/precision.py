"""Does half precision cost accuracy? FixMatch on MiniEO in both formats, seed by seed.

    python -m benchmarks.precision                  about 8 minutes on two CPU cores
    python -m benchmarks.precision --seeds 0 1 --formats fp32 fp16

A seed draws the split, the initial weights and the order of images; both formats get
the same. Even so two trainings of one seed part after a few hundred steps, for rounding
is amplified as any small change is: the question is whether the difference between the
formats is smaller than that between seeds. Where the processor emulates bf16 the
benchmark takes 25 times as long; it says nothing about speed (`benchmarks.speed` does).

Stops and resumes: finished runs in runs/bench/precision/ are loaded, and runs.csv there
holds a row for each.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.page import gains_over, mean_and_deviation, run_command, seed_by_seed
from workshop_lib.config import Config
from workshop_lib.experiments.sweeps import sweep
from workshop_lib.presets import preset


def run(
    base: Config, formats: Sequence[str], seeds: Sequence[int], folder: Path
) -> pd.DataFrame:
    """Train on every seed in every format; return a row per training."""
    configs = {each: base.replace(precision=each) for each in formats}
    return sweep(configs, seeds, folder / f"{base.optim.steps}")


def summary(rows: pd.DataFrame) -> str:
    """Lay out each format's mean and deviation; then its distance from the first.

    Args:
        rows: name (of the format), seed and accuracy of each run.
    """
    points = rows.assign(accuracy=100 * rows["accuracy"])
    wide = points.pivot(index="seed", columns="name", values="accuracy")
    first, *others = dict.fromkeys(rows["name"])
    lines = []
    for name in (first, *others):
        each = ", ".join(f"{v:.1f}" for v in wide[name])
        lines.append(f"{name}  {mean_and_deviation(wide[name])} %  ({each})")
    noise = float(np.sqrt(wide.var().mean()))  # of one training, whatever its format
    for name in others:
        gain = gains_over(rows, "accuracy", name, first)
        says = "one seed says nothing about noise"
        if len(gain) > 1:
            what = "within" if abs(gain.mean()) <= noise else "more than"
            says = f"{what} the {noise:.1f} points by which seeds deviate"
        lines.append(
            f"{name} - {first}, seed by seed: {gain.mean():+.1f} points"
            f" ({seed_by_seed(gain)}); {says}"
        )
    return "\n".join(lines)


def main(
    seeds: tuple[int, ...] = (0, 1, 2),
    formats: tuple[str, ...] = ("fp32", "bf16"),
    folder: Path = Path("runs/bench/precision"),
) -> None:
    """Train in each format, and print the comparison.

    Args:
        seeds: of the splits, the initial weights and the order of images.
        formats: fp32, bf16, fp16; the first is what the others are compared with.
        folder: for the runs.
    """
    print("\n" + summary(run(preset(), formats, seeds, folder)))


if __name__ == "__main__":
    run_command(main, __doc__)
