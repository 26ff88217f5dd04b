"""Our training step beside the usual pipeline: the second part of `make bench`.

    python -m benchmarks.speed                  about four minutes on two CPU cores
    python -m benchmarks.speed --write-docs     the same, and writes docs/speed.md
    python -m benchmarks.speed --cpu-time       one thread, seconds of its processor: on
                                                a machine busy with other work
    python -m benchmarks.speed --busy           our step beside one busy process
    python -m benchmarks.speed --seconds 5 --sizes 32

Both take turns, so that a busy moment of the machine meets both; the usual pipeline
does so in a process of its own, with the usual allocator. Prints seconds per step or
per view, medians, the minima beside them; then where the time of a step goes. `--busy`
prints a table of its own: how much a neighbour costs with each way in which threads may
wait.
"""

__all__ = ["CONFIG", "Row", "augmentation_rows", "step_rows"]

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor

from benchmarks import timing
from benchmarks.dataloader_baseline import POLICIES, UsualTraining, usual_loader
from benchmarks.page import machine, markdown, run_command, write_marked
from benchmarks.timing import PARTS, SubprocessTimer, busy_neighbour, compare, timed
from workshop_lib.augment import Normalize, ViewMaker
from workshop_lib.augment.rgb import RandAugment
from workshop_lib.config import Config
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.samples import random_scenes
from workshop_lib.data.split import Split
from workshop_lib.models import HeadSpec, build_model
from workshop_lib.session import tune_allocator
from workshop_lib.training.trainer import Trainer

CPU = torch.device("cpu")
DOCS = Path("docs/speed.md")
# The paper's network, optimiser and mu; a batch that two cores can bear.
CONFIG = Config().replace(
    method="fixmatch",  # as in its paper
    encoder="wrn-28-2",
    batch_size=8,
    mu=7,
    optimizer="sgd",
    lr=0.03,
    weight_decay=5e-4,
    ema_decay=0.999,
)
# What the network and the data have, as `random_scenes` takes them
FACTS: dict[str, Any] = {
    "sensors": {"rgb": 3},
    "metadata": 0,
    "heads": {"scene": {"kind": "categorical", "num_classes": 10}},
}
# How threads wait, and how many there are: variables that torch reads as it loads. The
# package sets GOMP_SPINCOUNT=1000, unless one of the two is set already.
_PLAIN: dict[str, str | None] = {"OMP_WAIT_POLICY": None, "GOMP_SPINCOUNT": None}
WAITING: dict[str, tuple[dict[str, str | None], int | None]] = {
    "torch's own": (_PLAIN, None),
    "OMP_WAIT_POLICY=PASSIVE": ({**_PLAIN, "OMP_WAIT_POLICY": "PASSIVE"}, None),
    "GOMP_SPINCOUNT=1000": ({**_PLAIN, "GOMP_SPINCOUNT": "1000"}, None),
    "one thread": (_PLAIN, 1),
}


class Row(NamedTuple):
    """Seconds of each turn of the usual pipeline and of ours, at the same work."""

    name: str
    size: int  # pixels of a side
    precision: str
    usual: pd.Series
    ours: pd.Series


def noise(size: int, count: int = 64) -> tuple[Dataset, Split]:
    """Make RGB images of noise: the time of a step does not depend on what they show.

    All are labeled, unlabeled and validation at once.
    """
    scenes = random_scenes(FACTS, size).subset(range(count))
    every = torch.arange(count)
    return scenes, Split(labeled=every, unlabeled=every, val=every, test=every[:0])


def trainer_of(config: Config) -> Trainer:
    """Make our trainer of a config on images of noise."""
    return Trainer(config, *noise(config.data.size), CPU)


def our_step(config: Config) -> Callable[[], object]:
    """Build our trainer, for a process of its own; return what takes a step of it."""
    tune_allocator()  # as every training does
    return trainer_of(config).step


def usual_step(config: Config) -> Callable[[], object]:
    """Build the usual pipeline; return a function that takes a step of it."""
    scenes, _ = noise(config.data.size)
    heads = {"scene": HeadSpec("categorical", 10)}
    model = build_model(config.model.encoder, FACTS["sensors"], heads)
    batch, mu = config.optim.batch_size, config.optim.mu
    return UsualTraining(model, scenes.images, scenes.labels, batch, mu).step


def usual_views(policy: str, size: int, views: int) -> Callable[[], object]:
    """Build the usual loader; return a function that fetches a batch of views."""
    scenes, _ = noise(size, views)
    return usual_loader(scenes.images, scenes.labels, (policy,), views).__next__


def our_views(policy: str, size: int, views: int) -> Callable[[], Tensor]:
    """Build our maker of views; return a function that makes a batch of them.

    Args:
        policy: "weak", "strong", "contrastive", or "strong_n1" for a strong view with
            one operation per image.
        size: side of the images in pixels.
        views: in a batch.
    """
    scenes, _ = noise(size, views)
    sensors = {"rgb": scenes.images}
    maker = ViewMaker(
        sensors,
        {},
        Normalize.fit(sensors),
        labeled_views=(),
        unlabeled_views=(policy.removesuffix("_n1"),),
    )
    if policy.endswith("_n1"):
        view = maker.unlabeled_views.views[0]
        view.lead = view.mover = RandAugment(n=1)
    generator = torch.Generator().manual_seed(0)
    every = torch.arange(views)
    return lambda: maker.unlabeled(every, generator).views[0]["rgb"]


def step_rows(
    config: Config, elsewhere: SubprocessTimer, seconds: float
) -> tuple[list[Row], list[Trainer]]:
    """Measure a FixMatch step of the usual pipeline, of ours, and of ours in fp32.

    Returns:
        Rows `fixmatch_step` (precision as the config has it), `fixmatch_step_fp32`, and
        `fixmatch_step_same_memory`, in which the usual pipeline has our allocator, too;
        and our trainers of the first two rows.
    """
    ours = trainer_of(config)
    single = trainer_of(config.replace(precision="fp32"))
    work = {
        "usual": elsewhere.start(usual_step, config),
        "ours": timed(ours.step, elsewhere.clock),
        "fp32": timed(single.step, elsewhere.clock),
        "usual, our memory": timed(usual_step(config), elsewhere.clock),
    }
    took, size = compare(work, seconds), config.data.size
    rows = [
        Row(f"fixmatch_step{name}", size, one.precision.name, took[usual], took[us])
        for name, us, usual, one in (
            ("", "ours", "usual", ours),
            ("_fp32", "fp32", "usual", single),
            ("_same_memory", "ours", "usual, our memory", ours),
        )
    ]
    return rows, [ours, single]


def augmentation_rows(
    size: int, views: int, elsewhere: SubprocessTimer, seconds: float
) -> list[Row]:
    """Measure each policy, from stored 8-bit images to normalised views; per view.

    Row `augment_strong_n1` is ours with one operation per image beside the usual strong
    view, which draws two and does each with probability one half.
    """
    rows = []
    for name in (*POLICIES, "strong_n1"):
        usual = elsewhere.start(usual_views, name.removesuffix("_n1"), size, views)
        ours = timed(our_views(name, size, views), elsewhere.clock)
        each = compare({"usual": usual, "ours": ours}, seconds) / views
        rows.append(Row(f"augment_{name}", size, "fp32", each["usual"], each["ours"]))
    return rows


def table(rows: Sequence[Row]) -> str:
    """Lay out ours beside the usual as Markdown: medians, then the minima."""
    heads = ("what", "px", "format", "usual, ms", "ours, ms", "ratio")
    lines = []
    for *what, usual, ours in rows:
        cells = []
        for of in (pd.Series.median, pd.Series.min):
            theirs, mine = of(usual), of(ours)
            cells += [_ms(theirs), _ms(mine), f"{theirs / mine:.1f}"]
        lines.append((*what, *cells[:-1], f"**{cells[-1]}**"))
    return markdown((*heads, "best: usual", "ours", "ratio"), lines)


def profile(trainer: Trainer, row: Row, clock: str) -> tuple[str, ...]:
    """Measure where our step's time goes, and its arithmetic against the peak.

    The last is what the row's ratio would be if our step were nothing but its
    arithmetic, at the convolution's peak: this machine allows no faster step.

    Returns:
        The cells of a line of `table_of_profiles`.
    """
    peak = timing.peak_flops(trainer.precision, clock=clock)
    flops = timing.step_flops(trainer)
    shares = timing.shares_of_step(trainer, clock=clock)
    rates = (flops, flops / row.ours.min(), peak["conv"], peak["matmul"])
    parts = [f"{100 * shares[name]:.1f} %" for name in PARTS]
    parts += [f"{rate / 1e9:.0f}" for rate in rates]
    most = row.usual.min() / (flops / peak["conv"])
    return (str(row.size), row.precision, *parts, f"{most:.1f}")


def table_of_profiles(lines: Sequence[Sequence[str]]) -> str:
    """Lay out the parts of steps, and their arithmetic, as Markdown."""
    heads = ("GFLOP per step", "per second", "peak: conv", "matmul", "most ratio")
    return markdown(("px", "format", *PARTS, *heads), lines)


def table_of_waiting(config: Config, seconds: float) -> str:
    """Time our step alone and beside a busy process, with each of `WAITING`."""
    lines = []
    for name, (environment, threads) in WAITING.items():
        with SubprocessTimer("wall", environment, threads) as elsewhere:
            work = {"ours": elsewhere.start(our_step, config)}
            quiet = compare(work, seconds)["ours"].median()
            with busy_neighbour():
                busy = compare(work, seconds)["ours"].median()
        lines.append((name, _ms(quiet), _ms(busy), f"{busy / quiet:.1f}"))
    heads = ("threads wait", "quiet, ms", "beside a busy process, ms", "ratio")
    return markdown(heads, lines)


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.3g}" if seconds < 0.1 else f"{1000 * seconds:.0f}"


def conditions(clock: str) -> str:
    """Describe machine, clock and load; a figure is worth no more than its quiet."""
    seconds = "Seconds on the wall"
    if clock == "processor":
        seconds = "Seconds of the processor, one thread (`--cpu-time`), as the wall"
        seconds += " clock would have counted the other programs"
    load = "the load is not known"  # on Windows
    if hasattr(os, "getloadavg"):
        load = f"{os.getloadavg()[1]:.1f} programs wanted {os.cpu_count()} cores"
    return f"{machine()}. {seconds}.\nWhile it was measured, {load}."


def main(
    seconds: float = 60,
    sizes: tuple[int, ...] = (32, 64),
    view_sizes: tuple[int, ...] = (64, 224),
    threads: int = 2,
    cpu_time: bool = False,
    busy: bool = False,
    write_docs: bool = False,
) -> None:
    """Measure and print.

    Args:
        seconds: for the steps of one size.
        sizes: side of the images of a step in pixels.
        view_sizes: side of the images of augmentation.
        threads: of torch.
        cpu_time: one thread, seconds of its processor.
        busy: measure our step beside a busy process instead.
        write_docs: write the tables into docs/speed.md.
    """
    torch.set_num_threads(1 if cpu_time else threads)
    if busy:
        text = table_of_waiting(CONFIG.replace(size=sizes[0]), seconds / 8)
        print(text)
        if write_docs:
            write_marked(DOCS, busy=f"{text}\n\n{machine()}.")
        return
    clock = "processor" if cpu_time else "wall"
    rows: list[Row] = []
    profiles, formats = [], []
    with SubprocessTimer(clock) as elsewhere:
        for size in sizes:
            config = CONFIG.replace(size=size)
            found, ours = step_rows(config, elsewhere, seconds)
            pairs = zip(ours, found[:2], strict=True)
            profiles += [profile(trainer, row, clock) for trainer, row in pairs]
            if ":" in str(ours[0].precision):  # measured: how much faster it is
                formats.append(f"{size} px: {ours[0].precision}")
            rows += found
            print(table(found), flush=True)
        for size in view_sizes:
            rows += augmentation_rows(size, 56, elsewhere, seconds / 8)
    text = f"{table(rows)}\n\n{table_of_profiles(profiles)}"
    print(f"clock: {clock}\n\n{text}")
    if write_docs:
        chose = "; ".join(formats) or "none"
        says = f'`precision="auto"` measured the network and chose {chose}.'
        write_marked(DOCS, conditions=conditions(clock), table=text, formats=says)


if __name__ == "__main__":
    run_command(main, __doc__)
