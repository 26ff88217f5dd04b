"""Memory and time that `workshop budget` predicts, beside what was measured.

    python -m benchmarks.budget                  all methods, three networks, 32 px
    python -m benchmarks.budget --write-docs     the same, and writes docs/budget.md
    python -m benchmarks.budget --methods fixmatch comatch --models wrn-28-2 --sizes 64
    python -m benchmarks.budget --batch 1 --sizes 224 --clock processor

Memory is measured by torch's profiler, which hears of every allocation of a real step
(augmentation included); on a GPU by its allocator's highest mark. Time is measured on
steps of the whole batch, whatever the prediction was made with. Each row is written to
runs/bench/budget.json as soon as it is known; rows of other settings that the file
holds are kept.
"""

__all__ = ["large", "measure", "summary", "table"]

import json
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any, Literal

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.page import machine, markdown, run_command, write_marked
from benchmarks.speed import FACTS, noise
from benchmarks.timing import CLOCKS
from workshop_lib.config import Config
from workshop_lib.files import write_text
from workshop_lib.methods import METHODS
from workshop_lib.session import pick_device
from workshop_lib.training.cost import budget
from workshop_lib.training.memory import estimate_memory
from workshop_lib.training.trainer import Trainer

Row = dict[str, Any]

FILE, DOCS = Path("runs/bench/budget.json"), Path("docs/budget.md")
_STEPS, _SECONDS = 3, 2  # of real steps, at least
_IMAGES = 64  # of the data set
_LABEL = 8  # bytes of a class
# What makes two rows one measurement: the method's name, and settings
_KEY = (
    *("method", "encoder", "size", "batch_size", "mu", "precision", "checkpointing"),
    "micro_batch",
)


def measure(config: Config, clock: Callable[[], float], device: torch.device) -> Row:
    """Return one row: predicted and measured bytes, and seconds of a step."""
    settings = {k: v for one in config.to_dict().values() for k, v in one.items()}
    settings["method"] = config.method_name
    row: Row = {name: settings[name] for name in _KEY}
    predicted = budget(
        config, FACTS, num_images=_IMAGES, device=device, alternatives=False,
        clock=clock,
    ).options[0]  # fmt: skip
    row["predicted_s"] = predicted.seconds_per_step
    row["predicted_bytes"] = predicted.need.total
    trainer = Trainer(config, *noise(config.data.size, _IMAGES), device)
    trainer.val = trainer.val[: round(0.15 * _IMAGES)]
    trainer.step()
    row["measured_s"] = _seconds_per_step(trainer, clock)
    work = (trainer.step, trainer.validate)
    row["measured_bytes"] = max(_peak(trainer, each) for each in work)
    return row


def _seconds_per_step(trainer: Trainer, clock: Callable[[], float]) -> float:
    took: list[float] = []
    while len(took) < _STEPS or sum(took) < _SECONDS:
        start = clock()
        trainer.step()
        if trainer.device.type == "cuda":
            torch.cuda.synchronize(trainer.device)
        took.append(clock() - start)
    return median(took)


def _peak(trainer: Trainer, work: Callable[[], object]) -> int:
    """Return the bytes at the fullest moment of some work, with those held before.

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
    tensors += [*trainer.inputs.sensors.values(), *trainer.inputs.targets.values()]
    held = sum(t.nbytes for t in tensors)
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
    """Lay out predicted, measured, and their ratio as Markdown."""
    heads = ("network", "px", "B:µB", "format", "saving", "method", "GB predicted")
    lines = []
    for row in rows:
        batch = f"{row['batch_size']}:{row['batch_size'] * row['mu']}"
        saving = ["checkpointing"] if row["checkpointing"] else []
        saving += [f"{row['micro_batch']} at a time"] if row["micro_batch"] else []
        what = (row["encoder"], row["size"], batch, row["precision"], " ".join(saving))
        cells = []
        for unit, one in (("bytes", 1e9), ("s", 1)):
            predicted, measured = row[f"predicted_{unit}"], row[f"measured_{unit}"]
            cells += [f"{value / one:.3f}" for value in (predicted, measured)]
            cells.append(f"{predicted / measured:.2f}")
        lines.append((*what, row["method"], *cells))
    return markdown(
        (*heads, "measured", "ratio", "s/step predicted", "measured", "ratio"), lines
    )


def large() -> str:
    """Lay out what 224 pixels take, 8 + 56 images, WRN-28-2 in bf16, as Markdown."""
    ways: dict[str, dict[str, Any]] = {
        "as it is": {},
        "checkpointing": {"checkpointing": True},
        "16 at a time": {"micro_batch": 16},
        "both": {"checkpointing": True, "micro_batch": 16},
    }
    lines = []
    for method in ("fixmatch", "comatch", "ccssl"):
        cells = []
        for changes in ways.values():
            config = _config(method, "wrn-28-2", 224, batch_size=8, **changes)
            need = estimate_memory(
                config, FACTS, num_images=_IMAGES, image_bytes=3 * 224**2 + _LABEL,
                precision="bf16",
            )  # fmt: skip
            cells.append(f"{need.total / 1e9:.1f} GB")
        lines.append((method, *cells))
    return markdown(("method", *ways), lines)


def _config(method: str, model: str, size: int, **changes: Any) -> Config:
    usual = {"method": method, "encoder": model, "size": size, "optimizer": "sgd"}
    return Config().replace(**usual, **{"mu": 7, **changes})


def summary(rows: Sequence[Row]) -> str:
    """Say between which bounds predicted over measured lies."""
    memory = [row["predicted_bytes"] / row["measured_bytes"] for row in rows]
    times = [row["predicted_s"] / row["measured_s"] for row in rows]
    near = sum(abs(ratio - 1) <= 0.15 for ratio in times)
    return (
        f"{machine()}. Predicted over measured, {len(rows)} rows: of memory between"
        f" {min(memory):.2f} and {max(memory):.2f}; of time between {min(times):.2f}"
        f" and {max(times):.2f}, {near} of them within 15 %."
    )


def main(
    methods: tuple[str, ...] = tuple(METHODS),
    models: tuple[str, ...] = ("wrn-28-2", "resnet18", "resnet50"),
    sizes: tuple[int, ...] = (32,),
    batch: int = 2,
    mu: int = 7,
    precision: str = "fp32",
    checkpointing: bool = False,
    micro_batch: int = 0,
    clock: Literal["wall", "processor"] = "wall",
    file: Path = FILE,
    write_docs: bool = False,
) -> None:
    """Predict and measure, write and print.

    Args:
        methods: by name; none for the page alone.
        models: encoders.
        sizes: side of the images in pixels.
        batch: labelled images, B.
        mu: unlabelled images per labelled one.
        precision: fp32, bf16 or fp16.
        checkpointing: less memory, more time.
        micro_batch: images at a time; 0 for all.
        clock: processor: seconds of the processor, one thread.
        file: for the rows.
        write_docs: write the tables into docs/budget.md.
    """
    if clock == "processor":
        torch.set_num_threads(1)
    options: dict[str, Any] = {"batch_size": batch, "mu": mu, "precision": precision}
    options |= {"checkpointing": checkpointing, "micro_batch": micro_batch}
    rows = json.loads(file.read_text()) if file.exists() else []
    for size, model, method in product(sizes, models, methods):
        config = _config(method, model, size, **options)
        row = measure(config, CLOCKS[clock], pick_device())
        rows = [r for r in rows if any(r[k] != row[k] for k in _KEY)] + [row]
        write_text(file, json.dumps(rows, indent=1))
        print(table([row]).splitlines()[-1], flush=True)
    if write_docs:
        write_marked(DOCS, summary=summary(rows), large=large(), table=table(rows))


if __name__ == "__main__":
    run_command(main, __doc__)
