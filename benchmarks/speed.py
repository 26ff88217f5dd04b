"""Ours beside the usual pipeline: the second part of `make bench`.

    python -m benchmarks.speed                  about four minutes on two CPU cores
    python -m benchmarks.speed --write-docs     the same, and writes docs/speed.md
    python -m benchmarks.speed --cpu-time       one thread, seconds of its processor: on
                                                a machine busy with other work
    python -m benchmarks.speed --seconds 5 --sizes 32

Both take turns, so that a busy moment of the machine meets both; the usual pipeline
does so in a process of its own, with the usual allocator. Writes
runs/bench/results.json, a list of {name, size, ours_s, reference_s, ratio}: seconds per
step or per view, medians; the minima stand beside them. Prints the table, then where
the time of a step goes.
"""

__all__ = [
    "Turn",
    "augmentation_rows",
    "compare",
    "main",
    "random_scenes",
    "step_rows",
    "timed",
]

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.own_process import CLOCKS, OwnProcess
from benchmarks.speed_page import page, table
from benchmarks.step_profile import peak_flops, shares_of_step, step_flops
from benchmarks.usual_pipeline import POLICIES, UsualTraining, usual_loader
from workshop_lib.augment.normalize import Normalize
from workshop_lib.augment.randaugment import RandAugment
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.files import write_text
from workshop_lib.models import build_model
from workshop_lib.recipe import Recipe
from workshop_lib.session import tune_allocator
from workshop_lib.training.trainer import Trainer
from workshop_lib.training.views import ImageViews

# Takes a turn and returns its seconds by a clock of `CLOCKS`
Competitor = Callable[[str], float]

CPU = torch.device("cpu")
DOCS = Path("docs/speed.md")
# The paper's network, optimiser and mu; a batch that two cores can bear.
RECIPE = Recipe(
    model="wrn-28-2", method="fixmatch", batch_size=8, mu=7, optimizer="sgd", lr=0.03,
    weight_decay=5e-4, threshold=0.95, alignment=False, ema_decay=0.999,
)  # fmt: skip
_FEWEST = 3  # turns of each, however long they take


@dataclass(frozen=True)
class Turn:
    """What one competitor took, in seconds."""

    median: float
    minimum: float


def timed(run: Callable[[], object]) -> Competitor:
    """Make a competitor of some work in this process."""

    def turn(clock: str) -> float:
        start = CLOCKS[clock]()
        run()
        return CLOCKS[clock]() - start

    return turn


def compare(
    work: Mapping[str, Competitor], seconds: float, clock: str = "wall"
) -> dict[str, Turn]:
    """Let several competitors take turns until the time is over.

    Each does one turn before that does not count: memory is fetched, buffers are made.
    """
    for turn in work.values():
        turn(clock)
    took: dict[str, list[float]] = {name: [] for name in work}
    end = time.perf_counter() + seconds
    while len(took[next(iter(work))]) < _FEWEST or time.perf_counter() < end:
        for name, turn in work.items():
            took[name].append(turn(clock))
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


def usual_step(recipe: Recipe) -> Callable[[], object]:
    """Build the usual pipeline; return what takes a step of it."""
    scenes, _ = random_scenes(recipe.size)
    model = build_model(recipe.model, in_channels=3, num_classes=10)
    training = UsualTraining(
        model, scenes.images, scenes.labels, recipe.batch_size, recipe.mu
    )
    return training.step


def usual_views(policy: str, size: int, views: int) -> Callable[[], object]:
    """Build the usual loader; return what fetches a batch of views from it."""
    scenes, _ = random_scenes(size, count=views)
    return usual_loader(scenes.images, scenes.labels, (policy,), views).__next__


def step_rows(
    recipe: Recipe, elsewhere: OwnProcess, seconds: float, clock: str = "wall"
) -> tuple[list[dict[str, Any]], list[Trainer]]:
    """Measure a FixMatch step of the usual pipeline, of ours, and of ours in fp32.

    Returns:
        Rows `fixmatch_step` (precision as the recipe has it), `fixmatch_step_fp32`, and
        `fixmatch_step_same_memory`, in which the usual pipeline has our allocator, too;
        and our trainers of the first two rows.
    """
    scenes, split = random_scenes(recipe.size)
    ours = Trainer(recipe, scenes, split, CPU)
    single = Trainer(recipe.with_(precision="fp32"), scenes, split, CPU)
    work = {
        "usual": elsewhere.start(usual_step, recipe),
        "ours": timed(ours.step),
        "fp32": timed(single.step),
        "usual, our memory": timed(usual_step(recipe)),
    }
    took = compare(work, seconds, clock)
    name, size = "fixmatch_step", recipe.size
    rows = [
        _row(name, size, took["ours"], took["usual"], ours),
        _row(f"{name}_fp32", size, took["fp32"], took["usual"], single),
        _row(
            f"{name}_same_memory", size, took["ours"], took["usual, our memory"], ours
        ),
    ]
    return rows, [ours, single]


def augmentation_rows(
    size: int, views: int, elsewhere: OwnProcess, seconds: float, clock: str = "wall"
) -> list[dict[str, Any]]:
    """Measure each policy, from stored 8-bit images to normalised views; per view.

    Row `augment_strong_n1` is ours with one operation per image beside the usual strong
    view, which draws two and does each with probability one half.
    """
    scenes, _ = random_scenes(size, count=views)
    ours = ImageViews(scenes, POLICIES, CPU)
    ours.policies["strong_n1"] = RandAugment(n=1)
    normalize = Normalize.fit(scenes.images)
    generator = torch.Generator().manual_seed(0)
    every = torch.arange(views)
    rows = []
    for name in ours.policies:

        def draw(name: str = name) -> torch.Tensor:
            return ours.draw(every, name, generator, normalize)

        usual_name = name.removesuffix("_n1")
        usual = elsewhere.start(usual_views, usual_name, size, views)
        took = compare({"usual": usual, "ours": timed(draw)}, seconds, clock)
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
    trainer: Trainer, row: dict[str, Any], clock: str = "wall"
) -> dict[str, Any]:
    """Tell where our step's time goes, and its arithmetic against the peak.

    `most_ratio` is what the row's ratio would be if our step were nothing but its
    arithmetic, at the convolution's peak: no faster step can be had on this machine.
    """
    peak = peak_flops(trainer.precision, clock=CLOCKS[clock])
    flops = step_flops(trainer)
    return {
        "size": trainer.recipe.size,
        "precision": str(trainer.precision),
        **asdict(shares_of_step(trainer, clock=CLOCKS[clock])),
        "gflop_per_step": flops / 1e9,
        "achieved_gflops": flops / row["ours_min_s"] / 1e9,
        "peak_matmul_gflops": peak["matmul"] / 1e9,
        "peak_conv_gflops": peak["conv"] / 1e9,
        "most_ratio": row["reference_min_s"] / (flops / peak["conv"]),
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
    clock = "processor" if flags.cpu_time else "wall"
    tune_allocator()
    rows: list[dict[str, Any]] = []
    profiles: list[dict[str, Any]] = []

    def keep(found: list[dict[str, Any]]) -> None:
        """Write after each size: a benchmark that is stopped keeps what it has."""
        rows.extend({**row, "clock": clock} for row in found)
        write_text(flags.folder / "results.json", json.dumps(rows, indent=1))
        write_text(flags.folder / "step_profile.json", json.dumps(profiles, indent=1))

    with OwnProcess() as elsewhere:
        for size in flags.sizes:
            recipe = RECIPE.with_(size=size)
            found, trainers = step_rows(recipe, elsewhere, flags.seconds, clock)
            profiles += [
                profile(trainer, row, clock)
                for trainer, row in zip(trainers, found, strict=False)
            ]
            keep(found)
        for size in flags.view_sizes:
            each = flags.seconds / 8
            keep(augmentation_rows(size, 56, elsewhere, each, clock))
    print(f"clock: {clock}\n\n{table(rows, profiles)}")
    if flags.write_docs:
        write_text(DOCS, page(rows, profiles, flags.cpu_time))


if __name__ == "__main__":
    main()
