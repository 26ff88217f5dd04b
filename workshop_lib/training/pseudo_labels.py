"""Pseudo-labels against the truth, class by class: for the log, never for training."""

__all__ = ["PseudoLabelCounts"]

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from workshop_lib.models.heads import Head
from workshop_lib.ranks import mean_over_ranks, world_size
from workshop_lib.training.log import Row

USED, CORRECT, TRUE = range(3)  # the rows of the counts


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
        known = head.known(truth).double()
        if len(head.class_shape) == 2:  # several labels: count those present
            classes = torch.arange(truth.shape[1], device=truth.device).expand_as(truth)
            present = (truth > 0.5).double()
            used = weight * known * (guess >= 0.5)
            parts = {USED: used, CORRECT: used * present, TRUE: known * present}
            self._count({row: (classes, value) for row, value in parts.items()})
            return
        hard = guess.argmax(1) if guess.ndim > weight.ndim else guess
        used, true = weight * known, truth.long() * known.long()
        right = used * (hard == true)
        self._count({USED: (hard, used), CORRECT: (hard, right), TRUE: (true, known)})

    def _count(self, rows: dict[int, tuple[Tensor, Tensor]]) -> None:
        assert self.now is not None
        for row, (classes, values) in rows.items():
            # Not torch.bincount: on a GPU it waits to learn the largest value
            self.now[row].index_add_(0, classes.flatten(), values.double().flatten())

    def flush(self, step: int) -> Row:
        """Close the interval that ends with a step.

        Returns:
            `pseudo_accuracy` for the row of the log: right ones among those used, nan
            if none was. Nothing at all for a method without pseudo-labels.
        """
        if self.now is None:
            return {}
        counts = self._of_all_ranks(self.now).cpu()
        self.steps.append(step)
        self.closed.append(counts)
        self.now = None
        used, correct = float(counts[USED].sum()), float(counts[CORRECT].sum())
        return {"pseudo_accuracy": correct / used if used else math.nan}

    def table(self) -> pd.DataFrame:
        """Give a row per interval and class: step, class, used, correct, true."""
        counts = [c.T.tolist() for c in self.closed]  # (intervals, K, 3)
        rows = [
            (step, name, *values)
            for step, interval in zip(self.steps, counts, strict=True)
            for name, values in zip(self.class_names, interval, strict=True)
        ]
        return pd.DataFrame(rows, columns=["step", "class", "used", "correct", "true"])

    def _of_all_ranks(self, counts: Tensor) -> Tensor:
        return mean_over_ranks(counts) * world_size()

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` takes."""
        # One tensor for all intervals: a thousand small ones would be slow to save
        closed = torch.stack(self.closed) if self.closed else torch.zeros(0)
        now = None if self.now is None else self._of_all_ranks(self.now)
        return {"now": now, "steps": list(self.steps), "closed": closed}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Go on from a saved state."""
        # Each rank goes on from its share, or their sum would count it several times
        now = state["now"]
        self.now = None if now is None else now.to(device) / world_size()
        self.steps = [int(step) for step in state["steps"]]
        self.closed = list(state["closed"])
