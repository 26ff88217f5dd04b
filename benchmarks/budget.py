"""What `workshop budget` foretells beside what then happens.

    python -m benchmarks.budget                  all methods, three networks, 32 px
    python -m benchmarks.budget --write-docs     the same, and writes docs/budget.md
    python -m benchmarks.budget --methods fixmatch comatch --models wrn-28-2 --sizes 64
    python -m benchmarks.budget --batch 1 --sizes 224 --clock process

Memory is measured by torch's profiler, which hears of every allocation of a real step
(augmentation included); on a GPU by its allocator's highest mark. Time is measured on
steps of the whole batch, whatever the forecast was made with. Each row is written to
runs/bench/budget.json as soon as it is known; rows of other settings that the file
holds are kept.
"""

__all__ = ["main", "measure", "page", "table"]

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.speed import random_scenes
from workshop_lib.files import write_text
from workshop_lib.methods import METHODS
from workshop_lib.recipe import Recipe
from workshop_lib.session import pick_device, tune_allocator, versions
from workshop_lib.training.budget import budget
from workshop_lib.training.memory import VALIDATION, act_out
from workshop_lib.training.trainer import Trainer

Row = dict[str, Any]

FILE, DOCS = Path("runs/bench/budget.json"), Path("docs/budget.md")
_CLOCKS = {"wall": time.perf_counter, "process": time.process_time}
_STEPS, _SECONDS = 3, 2  # of real steps, at least
_IMAGES = 128  # of the data set
_KEY = (
    "method", "model", "size", "batch_size", "mu", "precision", "checkpointing",
    "micro_batch",
)  # fmt: skip


def measure(
    recipe: Recipe, clock: Callable[[], float] | None, device: torch.device
) -> Row:
    """Return one row: forecast and measured bytes, and seconds if a clock is given."""
    scenes, split = random_scenes(recipe.size, count=_IMAGES)
    split = replace(split, val=split.val[: math.ceil(VALIDATION * _IMAGES)])
    row: Row = {name: getattr(recipe, name) for name in _KEY}
    if clock:
        told = budget(
            recipe, num_images=_IMAGES, channels=3, device=device,
            alternatives=False, clock=clock,
        )  # fmt: skip
        row["told_s"] = told.seconds_per_step
        row["timed_batch"] = [told.timed.batch_size, told.timed.mu]
        need = told.need
    else:
        need = act_out(
            recipe,
            shape=(3, recipe.size, recipe.size),
            num_classes=10,
            num_images=_IMAGES,
            image_bytes=3 * recipe.size**2,
            precision=recipe.precision,
        )
    trainer = Trainer(recipe, scenes, split, device)
    trainer.step()
    if clock:
        took: list[float] = []
        while len(took) < _STEPS or sum(took) < _SECONDS:
            start = clock()
            trainer.step()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            took.append(clock() - start)
        row["took_s"] = median(took)
    row["told_bytes"] = need.total
    work = (trainer.step, trainer.validate)
    row["took_bytes"] = max(_peak(trainer, each) for each in work)
    return row


def _peak(trainer: Trainer, work: Callable[[], object]) -> int:
    """Return the bytes at the fullest moment of some work, with what is there before.

    On a CPU: what the trainer holds, and what the profiler hears of on top of it.
    """
    if trainer.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(trainer.device)
        work()
        return torch.cuda.max_memory_allocated(trainer.device)
    trainer.optimizer.zero_grad(set_to_none=True)
    modules = (trainer.model, trainer.ema.model, trainer.method)
    tensors = [t for m in modules for t in (*m.parameters(), *m.buffers())]
    moments = [m for s in trainer.optimizer.state.values() for m in s.values()]
    tensors += [m for m in moments if isinstance(m, torch.Tensor)]
    held = sum(t.nbytes for t in [*tensors, *trainer.views.inputs])
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        work()
    now = peak = 0
    found = profiler.profiler.kineto_results.events()  # type: ignore[union-attr]
    for event in sorted(found, key=lambda e: e.start_ns()):
        if event.name() == "[memory]":
            now += event.nbytes()
            peak = max(peak, now)
    return held + peak


def table(rows: Sequence[Row]) -> str:
    """Return a Markdown table: foretold, measured, their ratio."""
    lines = [
        "| network | px | B:µB | format | saving | method | GB foretold | measured |"
        " ratio | s/step foretold | measured | ratio |",
        "|---" * 12 + "|",
    ]
    for row in rows:
        saving = "checkpointing" if row["checkpointing"] else ""
        saving += f" {row['micro_batch']} at a time" if row["micro_batch"] else ""
        told, took = row["told_bytes"], row["took_bytes"]
        seconds = " | | |"
        if "took_s" in row:
            ratio = row["told_s"] / row["took_s"]
            seconds = f" {row['told_s']:.3f} | {row['took_s']:.3f} | {ratio:.2f} |"
        lines.append(
            f"| {row['model']} | {row['size']} | {row['batch_size']}:"
            f"{row['batch_size'] * row['mu']} | {row['precision']} | {saving} |"
            f" {row['method']} | {told / 1e9:.3f} | {took / 1e9:.3f} |"
            f" {told / took:.2f} |{seconds}"
        )
    return "\n".join(lines)


def large() -> str:
    """Return a Markdown table of what 224 pixels take, B 8:56, a WRN-28-2 in bf16."""
    ways: list[tuple[str, dict[str, Any]]] = [
        ("as it is", {}),
        ("checkpointing", {"checkpointing": True}),
        ("16 at a time", {"micro_batch": 16}),
        ("both", {"checkpointing": True, "micro_batch": 16}),
    ]
    names = " | ".join(name for name, _ in ways)
    lines = [f"| method | {names} |", "|---" * (1 + len(ways)) + "|"]
    for method in ("fixmatch", "comatch", "ccssl"):
        sizes = []
        for _, knobs in ways:
            recipe = Recipe(
                model="wrn-28-2", method=method, size=224, batch_size=8, mu=7,
                optimizer="sgd", **knobs,
            )  # fmt: skip
            need = act_out(
                recipe, shape=(3, 224, 224), num_classes=10, num_images=_IMAGES,
                image_bytes=3 * 224**2, precision="bf16",
            )  # fmt: skip
            sizes.append(f"{need.total / 1e9:.1f} GB")
        lines.append(f"| {method} | {' | '.join(sizes)} |")
    return "\n".join(lines)


def page(rows: Sequence[Row]) -> str:
    """Return docs/budget.md."""
    memory = [row["told_bytes"] / row["took_bytes"] for row in rows]
    seconds = [row["told_s"] / row["took_s"] for row in rows if "took_s" in row]
    times = (
        f"of time between {min(seconds):.2f} and {max(seconds):.2f} ({len(seconds)}"
        f" rows, {sum(abs(s - 1) <= 0.15 for s in seconds)} within 15 %)"
        if seconds
        else "of time not measured"
    )
    return _PAGE.format(
        machine=", ".join(f"{name} {value}" for name, value in versions().items()),
        memory=f"{min(memory):.2f} and {max(memory):.2f} ({len(memory)} rows)",
        times=times,
        large=large(),
        table=table(rows),
    )


def main() -> None:
    """Read the flags, measure, write and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    models = ["wrn-28-2", "resnet18", "resnet50"]
    parser.add_argument("--models", nargs="+", default=models)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32])
    parser.add_argument("--batch", type=int, default=2, help="labeled images, B")
    parser.add_argument("--mu", type=int, default=7)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--micro-batch", type=int, default=0)
    parser.add_argument("--clock", choices=["wall", "process", "none"], default="wall")
    parser.add_argument("--file", type=Path, default=FILE)
    parser.add_argument("--write-docs", action="store_true", help=f"writes {DOCS}")
    flags = parser.parse_args()
    clock = _CLOCKS.get(flags.clock)
    if flags.clock == "process":
        torch.set_num_threads(1)
    device = pick_device()
    tune_allocator()
    rows = json.loads(flags.file.read_text()) if flags.file.exists() else []
    for size in flags.sizes:
        for model in flags.models:
            for method in flags.methods:
                recipe = Recipe(
                    model=model, method=method, size=size, batch_size=flags.batch,
                    mu=flags.mu, optimizer="sgd", precision=flags.precision,
                    checkpointing=flags.checkpointing, micro_batch=flags.micro_batch,
                )  # fmt: skip
                row = measure(recipe, clock, device)
                rows = [r for r in rows if any(r[k] != row[k] for k in _KEY)] + [row]
                write_text(flags.file, json.dumps(rows, indent=1))
                print(table([row]).splitlines()[-1], flush=True)
    if flags.write_docs:
        write_text(DOCS, page(rows))


_PAGE = """# What a training will take

`workshop budget` says before a training whether it fits into memory, how long it will
take, and the smallest change that would make it fit. This page holds its forecasts
beside what then happened; `python -m benchmarks.budget --write-docs` wrote it.

{machine}. Foretold over measured: of memory between {memory}; {times}.

## How it knows

- **Memory.** A step is acted out on tensors that have a shape but no content, and every
  allocation and release is added up (`workshop_lib/training/memory.py`): no more memory
  than the program itself, whatever the size of images and batch. Not in it: waste of
  the allocator, workspace of a GPU's convolutions, the GPU's context (0.3 to 0.6 GB).
  So a tenth of the memory at hand is left free.
- **Time.** A few real steps; where a whole one would take more than 1.5 s or half of
  the memory, steps of a smaller batch, scaled by the arithmetic, which the acted step
  counts. The other ways to train are scaled likewise.

## What makes a training smaller

| change | memory | numbers |
|---|---|---|
| `--checkpointing` | keeps the borders of blocks only | the same, bit for bit |
| half precision (`--precision bf16`) | half of what is kept | rounding |
| `--no-joint-forward` (the default) | the weak view keeps nothing | batch statistics |
| `--micro-batch 16` | 16 images at a time | batch statistics of 16 images |

With micro-batches every loss is still that of the whole batch, also where all images
are compared with each other (CoMatch, CCSSL): the outputs are put together before the
loss, and the backward pass computes one part after the other again. In evaluation mode,
and in a network without batch normalisation, loss and gradient are the same up to
rounding. In training mode batch normalisation takes mean and variance from a part, not
from the batch; each part has its share of all views. Running statistics take in every
part once, however often it is computed.

Out of memory in a run: the step is taken again, first with checkpointing, then with
micro-batches of a half, a quarter, ...; it says so, and `run.json` keeps it
(`checkpointing`, `micro_batch`, `out_of_memory`). Everything that the failed step had
moved is put back first, so with checkpointing the run ends with the very numbers that
it would have had with more memory.

## 224 pixels, 8 labelled and 56 unlabelled images, WRN-28-2, bf16: foretold

{large}

(Without the data set: images add 0.15 MB each. Not measured on a GPU.)

## Foretold and measured

Seconds of the processor, one thread (`--clock process`), while another program had the
other core: steps of a tenth of a second scatter the most. `--sizes 32 64`, then
`--sizes 128 --batch 1`, then `--sizes 224 --batch 1 --mu 3`.

{table}
"""


if __name__ == "__main__":
    main()
