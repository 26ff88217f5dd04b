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

import pandas as pd

from benchmarks.page import gains_in_words, run_command
from workshop_lib.config import Config
from workshop_lib.experiments.results import as_text, summarize
from workshop_lib.experiments.sweeps import sweep
from workshop_lib.presets import preset


def run(
    base: Config, formats: Sequence[str], seeds: Sequence[int], folder: Path
) -> pd.DataFrame:
    """Train on every seed in every format; return a row per training."""
    configs = {each: base.replace(precision=each) for each in formats}
    return sweep(configs, seeds, folder / f"{base.optim.steps}")


def summary(rows: pd.DataFrame) -> str:
    """Lay out each format's mean, deviation and range; its distance from the first."""
    first, *others = dict.fromkeys(rows["name"])
    lines = [as_text(summarize(rows))]
    for name in others:
        gains = gains_in_words(rows, "value", name, first)
        lines.append(f"{name} - {first}, seed by seed: {gains}")
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
