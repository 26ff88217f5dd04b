"""What a training says while it runs, and keeps as a table."""

__all__ = ["ProgressLog", "Row", "RunningMeans", "someone_watches"]

import math
import os
import sys
import time
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from workshop_lib.ranks import mean_over_ranks
from workshop_lib.session import in_notebook

Row = dict[str, float]


class RunningMeans:
    """Means of quantities over the steps since the last row of the log.

    Sums stay on the device: reading a number from a GPU in every step would make the
    program wait for it.
    """

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.steps = 0

    def add(self, values: dict[str, Tensor]) -> None:
        """Take in the scalars of one step."""
        for name, value in values.items():
            value = value.detach().to(torch.float64)
            self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.steps += 1

    def flush(self) -> Row:
        """Return the means and start again."""
        row = {k: float(v) / self.steps for k, v in self._of_all_ranks().items()}
        self.sums, self.steps = {}, 0
        return row

    def _of_all_ranks(self) -> dict[str, Tensor]:
        """Return the sums over steps of what is the mean over the global batch."""
        return {name: mean_over_ranks(value) for name, value in self.sums.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` takes."""
        return {"sums": self._of_all_ranks(), "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Go on from a saved state."""
        self.sums = {k: v.to(device) for k, v in state["sums"].items()}
        self.steps = int(state["steps"])


def someone_watches() -> bool:
    """Tell whether a bar redrawn in place makes sense: a terminal, a live notebook."""
    # A notebook that a program runs has a kernel too: such programs set CI=1.
    if "CI" in os.environ:
        return False
    return in_notebook() or sys.stderr.isatty()


class ProgressLog:
    """A bar with the time left where somebody watches, and one line per validation.

    Where nobody watches (a pipe, CI, a saved notebook) only the lines are printed.
    """

    def __init__(self, total: int, start: int, label: str, verbose: bool) -> None:
        self.total, self.verbose = total, verbose
        self.bar = tqdm(
            total=total,
            initial=start,
            desc=label,
            unit="step",
            leave=False,
            file=sys.stdout if in_notebook() else sys.stderr,
            disable=not (verbose and someone_watches()),
            mininterval=0.5,
        )
        self.begin = time.perf_counter()

    def tick(self) -> None:
        """Count one step."""
        self.bar.update()

    def line(self, row: Row) -> None:
        """Print one validation as a line that stays."""
        if not self.verbose:
            return
        text = f"step {int(row['step']):5d}/{self.total}  loss {row['loss']:.3f}"
        if "mask_rate" in row:
            text += f"  mask {row['mask_rate']:.2f}"
        if not math.isnan(row.get("pseudo_accuracy", math.nan)):
            text += f"  pseudo-labels right {row['pseudo_accuracy']:.2f}"
        if "val_miou" in row:
            text += f"  mIoU {row['val_miou']:.3f}"
        text += f"  val {row['val_accuracy']:.3f}  {row['seconds']:.1f} s"
        self.say(text)

    def say(self, text: str) -> None:
        """Print a line without tearing the bar."""
        if self.verbose:
            tqdm.write(text, file=sys.stdout)

    def close(self) -> None:
        """Take the bar away."""
        self.bar.close()
