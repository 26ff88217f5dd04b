"""Ours beside the usual pipeline: the second part of `make bench`.

    python -m benchmarks.speed                  about four minutes on two CPU cores
    python -m benchmarks.speed --write-docs     the same, and writes docs/speed.md
    python -m benchmarks.speed --cpu-time       one thread, seconds of its processor: on
                                                a machine busy with other work
    python -m benchmarks.speed --seconds 5 --sizes 32

Both run in one process and take turns, so that a busy moment of the machine meets
both. Writes runs/bench/results.json, a list of {name, size, ours_s, reference_s,
ratio}: seconds per step or per view, medians; the minima stand beside them. Prints the
table, then where the time of a step goes.
"""

__all__ = ["Turn", "augmentation_rows", "compare", "main", "random_scenes", "step_rows"]

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.speed_page import page, table
from benchmarks.step_profile import peak_flops, shares_of_step, step_flops
from benchmarks.usual_pipeline import POLICIES, UsualTraining, usual_loader
from workshop_lib.augment.normalize import Normalize
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.splits import Split
from workshop_lib.files import write_text
from workshop_lib.models import build_model
from workshop_lib.recipe import Recipe
from workshop_lib.session import tune_allocator
from workshop_lib.training.trainer import Trainer
from workshop_lib.training.views import ImageViews

Clock = Callable[[], float]

CPU = torch.device("cpu")
DOCS = Path("docs/speed.md")
# The paper's network, optimiser and mu; a batch that two cores can bear.
RECIPE = Recipe(
    model="wrn-28-2", method="fixmatch", batch_size=8, mu=7, optimizer="sgd", lr=0.03,
    weight_decay=5e-4, threshold=0.95, alignment=False, ema_decay=0.999,
)  # fmt: skip
_CLOCKS: dict[Clock, str] = {
    time.perf_counter: "wall",
    time.process_time: "processor, one thread",
}
_FEWEST = 3  # turns of each, however long they take


@dataclass(frozen=True)
class Turn:
    """What one competitor took, in seconds."""

    median: float
    minimum: float


def compare(
    work: Mapping[str, Callable[[], object]],
    seconds: float,
    clock: Clock = time.perf_counter,
) -> dict[str, Turn]:
    """Let several pieces of work take turns until the time is over.

    Each does one turn before that does not count: memory is fetched, buffers are made.
    """
    for run in work.values():
        run()
    took: dict[str, list[float]] = {name: [] for name in work}
    end = time.perf_counter() + seconds
    while len(took[next(iter(work))]) < _FEWEST or time.perf_counter() < end:
        for name, run in work.items():
            start = clock()
            run()
            took[name].append(clock() - start)
    return {name: Turn(median(each), min(each)) for name, each in took.items()}


def random_scenes(size: int, count: int = 128) -> tuple[Scenes, Split]:
    """Make RGB images of noise: the time of a step does not depend on what they show.

    Shape: images (count, 3, size, size) uint8, ten classes; all are labeled, unlabeled
    and validation at once.
    """
    generator = torch.Generator().manual_seed(0)
    shape = (count, 3, size, size)
    scenes = Scenes(
        images=torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator),
        labels=torch.arange(count) % 10,
        class_names=tuple(f"class {k}" for k in range(10)),
        names=tuple(f"{k}" for k in range(count)),
        bands=("red", "green", "blue"),
    )
    every = torch.arange(count)
    return scenes, Split(labeled=every, unlabeled=every, val=every, test=every[:0])


def step_rows(
    recipe: Recipe, seconds: float, clock: Clock = time.perf_counter
) -> tuple[list[dict[str, Any]], Trainer]:
    """Measure a FixMatch step of the usual pipeline, of ours, and of ours in fp32.

    Returns:
        Rows `fixmatch_step` (precision as the recipe has it) and `fixmatch_step_fp32`,
        and our trainer.
    """
    scenes, split = random_scenes(recipe.size)
    ours = Trainer(recipe, scenes, split, CPU)
    single = Trainer(recipe.with_(precision="fp32"), scenes, split, CPU)
    model = build_model(recipe.model, in_channels=3, num_classes=10)
    usual = UsualTraining(
        model, scenes.images, scenes.labels, recipe.batch_size, recipe.mu
    )
    work = {"usual": usual.step, "ours": ours.step, "fp32": single.step}
    took = compare(work, seconds, clock)
    rows = [
        _row("fixmatch_step", recipe.size, took["ours"], took["usual"], ours),
        _row("fixmatch_step_fp32", recipe.size, took["fp32"], took["usual"], single),
    ]
    return rows, ours


def augmentation_rows(
    size: int, views: int, seconds: float, clock: Clock = time.perf_counter
) -> list[dict[str, Any]]:
    """Measure each policy, from stored 8-bit images to normalised views; per view."""
    scenes, _ = random_scenes(size, count=views)
    ours = ImageViews(scenes, POLICIES, CPU)
    normalize = Normalize.fit(scenes.images)
    generator = torch.Generator().manual_seed(0)
    every = torch.arange(views)
    rows = []
    for name in POLICIES:

        def draw(name: str = name) -> torch.Tensor:
            return ours.draw(every, name, generator, normalize)

        loader = usual_loader(scenes.images, scenes.labels, (name,), views)
        took = compare({"usual": loader.__next__, "ours": draw}, seconds, clock)
        each = {
            who: Turn(turn.median / views, turn.minimum / views)
            for who, turn in took.items()
        }
        rows.append(_row(f"augment_{name}", size, each["ours"], each["usual"]))
    return rows


def _row(
    name: str, size: int, ours: Turn, usual: Turn, trainer: Trainer | None = None
) -> dict[str, Any]:
    row = {
        "name": name,
        "size": size,
        "ours_s": ours.median,
        "reference_s": usual.median,
        "ratio": usual.median / ours.median,
        "ours_min_s": ours.minimum,
        "reference_min_s": usual.minimum,
        "ratio_min": usual.minimum / ours.minimum,
    }
    return {**row, "precision": trainer.precision.name} if trainer else row


def profile(
    trainer: Trainer, step_seconds: float, clock: Clock = time.perf_counter
) -> dict[str, Any]:
    """Tell where our step's time goes, and its arithmetic against the peak."""
    peak = peak_flops(trainer.precision, clock=clock)
    flops = step_flops(trainer)
    return {
        "size": trainer.recipe.size,
        "precision": str(trainer.precision),
        **asdict(shares_of_step(trainer, clock=clock)),
        "gflop_per_step": flops / 1e9,
        "achieved_gflops": flops / step_seconds / 1e9,
        "peak_matmul_gflops": peak["matmul"] / 1e9,
        "peak_conv_gflops": peak["conv"] / 1e9,
    }


def main() -> None:
    """Read the flags, measure, write and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60, help="per size of a step")
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--view-sizes", type=int, nargs="+", default=[64, 224])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cpu-time", action="store_true", help="see above")
    parser.add_argument("--folder", type=Path, default=Path("runs/bench"))
    parser.add_argument("--write-docs", action="store_true", help=f"writes {DOCS}")
    flags = parser.parse_args()
    torch.set_num_threads(1 if flags.cpu_time else flags.threads)
    clock = time.process_time if flags.cpu_time else time.perf_counter
    tune_allocator()  # for both: the usual pipeline gains by it, too
    rows: list[dict[str, Any]] = []
    profiles: list[dict[str, Any]] = []

    def keep(found: list[dict[str, Any]]) -> None:
        """Write after each size: a benchmark that is stopped keeps what it has."""
        rows.extend({**row, "clock": _CLOCKS[clock]} for row in found)
        write_text(flags.folder / "results.json", json.dumps(rows, indent=1))
        write_text(flags.folder / "step_profile.json", json.dumps(profiles, indent=1))

    for size in flags.sizes:
        found, trainer = step_rows(RECIPE.with_(size=size), flags.seconds, clock)
        profiles.append(profile(trainer, found[0]["ours_min_s"], clock))
        keep(found)
    for size in flags.view_sizes:
        keep(augmentation_rows(size, 56, flags.seconds / 6, clock))
    print(f"clock: {_CLOCKS[clock]}\n\n{table(rows, profiles)}")
    if flags.write_docs:
        write_text(DOCS, page(rows, profiles, flags.cpu_time))


if __name__ == "__main__":
    main()
