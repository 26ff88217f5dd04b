"""Pseudo-labels in the log: counted against the truth, and as maps over time."""

__all__ = ["PseudoLabelCounts", "PseudoMaps"]

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from workshop_lib.data.split import Split
from workshop_lib.files import read_npz, write_npz
from workshop_lib.models.heads import Head
from workshop_lib.pixels import IGNORE
from workshop_lib.ranks import sum_over_ranks, world_size
from workshop_lib.training.log import Row

_TILES = 6  # whose maps are kept: a row of a figure


class PseudoLabelCounts:
    """Counts pseudo-labels against a truth that the method never sees.

    For each class and each interval of the log:

    - `used`: pseudo-labels of this class that counted in the loss (where a method
      weighs them instead of choosing, the sum of their weights),
    - `correct`: those of them that were right,
    - `true`: images drawn that are of this class, used or not.

    So correct / used is the accuracy of a class's pseudo-labels, and its fraction of
    `used` beside its fraction of `true` tells whether the class is favoured. Of maps
    pixels are counted; of several labels per image, the labels said to be present.
    Whatever is not known is left out of all three.

    Args:
        class_names: K names.

    Sums stay on the device: reading a number from a GPU in every step would make the
    program wait for it. They are in float64: whole numbers add up exactly, in any
    order, so a resumed training counts the same.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = tuple(class_names)
        self.now: Tensor | None = None  # (3, K), since the last row of the log
        self.steps: list[int] = []  # at the ends of the closed intervals
        self.closed: list[Tensor] = []  # one (3, K) on the CPU for each

    @torch.no_grad()
    def add(self, head: Head, guess: Tensor, weight: Tensor, truth: Tensor) -> None:
        """Count the pseudo-labels of one step.

        Args:
            head: whose they are.
            guess: hard or soft targets.
            weight: 1 or 0, or a weight in [0, 1].
            truth: the true targets.

        Shape: weight and truth (mu*B,), (mu*B, H, W) or (mu*B, K); guess the same, or
        with the classes in dimension 1.
        """
        if self.now is None:
            shape = (3, len(self.class_names))
            self.now = torch.zeros(shape, dtype=torch.float64, device=truth.device)
        self.now = self.now.to(truth.device)  # what was loaded is on the CPU
        known = head.known(truth).double()
        if len(head.class_shape) == 2:  # several labels: count those present
            labels = torch.arange(truth.shape[1], device=truth.device)
            said = true = labels.expand_as(truth)
            present = (truth > 0.5).double()
            used = weight * known * (guess >= 0.5)
            correct, known = used * present, known * present
        else:
            said = guess.argmax(1) if guess.ndim > weight.ndim else guess
            true = truth.long() * known.long()
            used = weight * known
            correct = used * (said == true)
        rows = ((said, used), (said, correct), (true, known))
        for row, (classes, values) in enumerate(rows):
            # Not torch.bincount: on a GPU it waits to learn the largest value
            self.now[row].index_add_(0, classes.flatten(), values.double().flatten())

    def flush(self, step: int) -> Row:
        """Close the interval that ends with a step.

        Returns:
            `pseudo_accuracy` for the row of the log: right ones among those used, NaN
            if none was. Nothing at all for a method without pseudo-labels.
        """
        if self.now is None:
            return {}
        counts = sum_over_ranks(self.now).cpu()
        self.steps.append(step)
        self.closed.append(counts)
        self.now = None
        used, correct, _ = (float(row.sum()) for row in counts)
        return {"pseudo_accuracy": correct / used if used else math.nan}

    def table(self) -> pd.DataFrame:
        """Return a row per interval and class: step, class, used, correct, true."""
        rows = [
            (step, name, *values)
            for step, counts in zip(self.steps, self.closed, strict=True)
            for name, values in zip(self.class_names, counts.T.tolist(), strict=True)
        ]
        return pd.DataFrame(rows, columns=["step", "class", "used", "correct", "true"])

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` takes."""
        # One tensor for all intervals: a thousand small ones would be slow to save
        closed = torch.stack(self.closed) if self.closed else torch.zeros(0)
        now = None if self.now is None else sum_over_ranks(self.now).clone()
        return {"now": now, "steps": list(self.steps), "closed": closed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a saved state."""
        # Each rank resumes from its share, or their sum would count it several times
        self.now = None if state["now"] is None else state["now"] / world_size()
        self.steps = [int(step) for step in state["steps"]]
        self.closed = list(state["closed"])


_NONE = torch.empty(0, dtype=torch.uint8)


@dataclass
class PseudoMaps:
    """Maps of the same tiles over time: pseudo-labels in the making, for pictures.

    Args:
        index: (n,) positions of the tiles in the scenes.
        steps: T steps after which the network looked at them.
        maps: (T, n, H, W) uint8, the most probable class of each pixel.
        sure: (T, n, H, W) uint8, its probability in per cent.
    """

    index: Tensor
    steps: list[int] = field(default_factory=list)
    maps: Tensor = _NONE
    sure: Tensor = _NONE

    @classmethod
    def of(cls, split: Split) -> "PseudoMaps":
        """Choose the first unlabelled tiles without a label; labelled ones if none."""
        alone = split.unlabeled[~torch.isin(split.unlabeled, split.labeled)]
        return cls((alone if len(alone) else split.unlabeled)[:_TILES])

    def add(self, step: int, probs: Tensor) -> None:
        """Keep what the network predicts now. Shape: (n, K, H, W) probabilities."""
        sure, best = probs.max(dim=1)
        self.steps.append(step)
        percent = (100 * sure).round()
        self.maps = torch.cat([self.maps, best[None].to(torch.uint8)])
        self.sure = torch.cat([self.sure, percent[None].to(torch.uint8)])

    def columns(self, threshold: float, most: int = 5) -> dict[str, Tensor]:
        """Return maps for `plots.mask_grid`: the pseudo-labels of some of the steps.

        Args:
            threshold: 0 to 1; pixels below it are 255, which is drawn white.
            most: steps to show, evenly spread, the first and the last among them.

        Returns:
            "step 200", ...: (n, H, W) uint8.
        """
        last = len(self.steps) - 1
        shown = sorted({round(k * last / max(1, most - 1)) for k in range(most)})
        return {
            f"step {self.steps[k]}": self.maps[k].masked_fill(
                self.sure[k] < 100 * threshold, IGNORE
            )
            for k in shown
        }

    def save(self, path: Path) -> None:
        """Write index, steps, maps and sure into one `.npz` file.

        Raises:
            WorkshopError: no space or no permission; an old file is left as it was.
        """
        write_npz(path, index=self.index.cpu(), **self.state_dict())

    @classmethod
    def load(cls, path: Path) -> "PseudoMaps":
        """Read what `save` wrote.

        Raises:
            WorkshopError: the file is missing, cut off, or something else.
        """
        advice = "a training with task='segment' writes it; train again."
        names = ("index", "steps", "maps", "sure")
        index, steps, maps, sure = map(torch.from_numpy, read_npz(path, names, advice))
        return cls(index, steps.tolist(), maps, sure)

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` takes."""
        return {"steps": list(self.steps), "maps": self.maps, "sure": self.sure}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a saved state."""
        self.steps = list(state["steps"])
        self.maps, self.sure = state["maps"], state["sure"]
