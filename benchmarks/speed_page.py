"""What was measured about speed, as tables and as a page."""

__all__ = ["page", "table"]

import os
from collections.abc import Sequence
from typing import Any

from workshop_lib.session import versions

Rows = Sequence[dict[str, Any]]

_PARTS = ("augmentation", "forward", "backward", "optimizer", "loop")


def table(rows: Rows, profiles: Rows) -> str:
    """Return two Markdown tables: ours beside the usual, and the parts of a step."""
    lines = [
        "| what | px | format | usual, ms | ours, ms | ratio | best: usual | ours |"
        " ratio |",
        "|---" * 9 + "|",
    ]
    for row in rows:
        middle = (row["reference_s"], row["ours_s"])
        best = (row["reference_min_s"], row["ours_min_s"])
        lines.append(
            f"| {row['name']} | {row['size']} | {row.get('precision', 'fp32')} |"
            f" {_ms(middle[0])} | {_ms(middle[1])} | {row['ratio']:.1f} |"
            f" {_ms(best[0])} | {_ms(best[1])} | **{row['ratio_min']:.1f}** |"
        )
    names = " | ".join(_PARTS)
    work = "GFLOP per step | per second | peak: conv | matmul | most ratio"
    lines += ["", f"| px | format | {names} | {work} |"]
    lines.append("|---" * (len(_PARTS) + 7) + "|")
    for each in profiles:
        shares = " | ".join(f"{100 * each[name]:.1f} %" for name in _PARTS)
        lines.append(
            f"| {each['size']} | {each['precision'].split(':')[0]} | {shares} |"
            f" {each['gflop_per_step']:.0f} |"
            f" {each['achieved_gflops']:.0f} | {each['peak_conv_gflops']:.0f} |"
            f" {each['peak_matmul_gflops']:.0f} | {each['most_ratio']:.1f} |"
        )
    return "\n".join(lines)


def page(rows: Rows, profiles: Rows, cpu_time: bool = False) -> str:
    """Return docs/speed.md; `cpu_time` tells which clock the figures are of."""
    measured = [each for each in profiles if ":" in each["precision"]]
    chosen = "; ".join(f"{each['size']} px: {each['precision']}" for each in measured)
    return _PAGE.format(
        table=table(rows, profiles),
        chosen=chosen,
        load=_load(),
        clock=_CPU_TIME if cpu_time else _WALL_TIME,
        machine=", ".join(f"{name} {value}" for name, value in versions().items()),
    )


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.3g}" if seconds < 0.1 else f"{1000 * seconds:.0f}"


def _load() -> str:
    """Tell how busy the machine was; a figure is worth no more than its quiet."""
    if not hasattr(os, "getloadavg"):  # Windows
        return "not known"
    wanting, cores = os.getloadavg()[1], os.cpu_count() or 1
    busy = "busy with other work, too" if wanting > 1.25 * cores else "otherwise idle"
    return f"{wanting:.1f} programs wanted {cores} cores ({busy})"


_WALL_TIME = "Seconds on the wall"
_CPU_TIME = (
    "Seconds of the processor, one thread (`--cpu-time`), as on the wall they would"
    " have told of the other programs"
)

_PAGE = """# Speed: ours beside the usual pipeline

Written by `python -m benchmarks.speed --write-docs`, the second part of `make bench`.

{machine}. {clock}.
While it was measured, {load}.
On a busy machine medians mean little: compare the minima (the bold ratios), and measure
again when it is quiet.

{table}

Steps: FixMatch, WRN-28-2, 8 labelled and 56 unlabelled images, SGD. Views: one image,
from stored 8 bits to normalised floats. `precision="auto"` measured the network and
chose {chosen}.

## What is compared

`benchmarks/usual_pipeline.py`: each image through Pillow by itself in a `Dataset`, a
`DataLoader` without workers (they would take their time from the same cores), one
forward pass of all views, averaged weights in a loop over the state dict, four
`.item()` in every step. It runs in a process of its own, with the usual allocator, and
the two take turns: while one works, the other one waits. In `fixmatch_step_same_memory`
the usual pipeline has our allocator, too: what is left is the other differences' own.

## What makes the difference

- The weak view is only asked for its answer. Without gradient that is a third of the
  arithmetic, and nothing of it is kept. By this alone a step of 8 + 56 + 56 images is
  at most 1.45 times as fast: 360 passes against 248.
- Freed memory stays in the process (`tune_allocator`). The usual allocator hands large
  tensors back to the system and fetches them again, page by page, in every step.
- Images lie channels last, the order in which the convolutions want them.
- Half precision where a short measurement of the very network shows it clearly faster
  (`workshop_lib/training/precision.py`).
- Augmentation treats whole batches, on a CPU in pieces that fit into a cache, and
  only the images that drew an operation go through it. What it saves is the work around
  each image, so the ratio falls as images grow: ours moves 32-bit floats where Pillow
  moves 8 bits.
  The strong views do not do the same: the usual one draws two operations, does each
  with probability one half, and reads the nearest pixel; ours does both and reads
  between pixels. `augment_strong_n1` is ours with one operation per image, as many as
  the usual does on average.
- One kernel for all weights, in the optimiser and in the average. No number is read
  back in a step.

## What limits it

The last columns: operations of convolutions and products in a second, beside the most
that this machine gave in the same format, for a single wide convolution (forward and
backward) and for a large matrix product. "Most ratio" is what the best ratio would be
if our step did its convolutions at that peak and nothing else took any time: what
this network and these batches allow here, whoever programs it. Profiled once with
`torch.profiler` (32 px, a CPU with AVX-512-BF16, one thread), convolutions took 80 % of
a step in bf16 and 84 % in fp32, batch normalisation 8 and 7 %, activations 4 % in both.

Two things were not tried. Augmenting the next batch beside the step: all cores are at
work in the step already, and augmentation has the small share above. `torch.compile`:
it needs a compiler on the machine.
"""
