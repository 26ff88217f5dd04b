"""Log of a training: averages over steps, validation, and a progress bar."""

__all__ = ["Progress", "Row", "RunningMeans", "is_interactive", "validate"]

import math
import os
import sys
import time
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from workshop_lib.augment import FeatureViewMaker, ViewMaker
from workshop_lib.methods.base import heads_of
from workshop_lib.models import Model
from workshop_lib.models.heads import Head
from workshop_lib.models.inference import images_at_a_time
from workshop_lib.ranks import mean_over_ranks
from workshop_lib.session import in_notebook

Row = dict[str, float]
PLAIN_LINE_EVERY = 30.0  # seconds between two lines where there is no bar
_SHOWN = ("accuracy", "miou", "f1_micro", "mae")  # of a validation, in its line


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
            if name in self.sums:  # on the CPU after loading
                value = self.sums[name].to(value.device) + value
            self.sums[name] = value
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

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.sums, self.steps = dict(state["sums"]), int(state["steps"])


@torch.inference_mode()
def validate(
    model: Model, maker: ViewMaker | FeatureViewMaker, index: Tensor
) -> dict[str, dict[str, float]]:
    """Measure every head on the images of an index, in evaluation mode.

    Batch normalisation uses its running averages, so that an image's result does not
    depend on its neighbours. Where an image has several stored views, the predicted
    probabilities are averaged.

    Args:
        model: the network.
        maker: gives images as validation sees them (`plain`), and has the targets.
        index: (n,) positions of the images.

    Returns:
        Metrics by head and name; see `Head.metrics`.
    """
    heads, training = dict(heads_of(model)), model.training
    totals: dict[str, dict[str, Tensor]] = {name: {} for name in heads}
    rows = (
        4096 if isinstance(maker, FeatureViewMaker) else images_at_a_time(maker.images)
    )
    model.eval()
    for part in index.split(rows):
        views = [model(view) for view in maker.plain(part)]
        for name, head in heads.items():
            out = _mean(head, [view[name] for view in views])
            targets = maker.targets[name].index_select(0, part)
            for key, value in head.tally(out, targets).items():
                known = totals[name].get(key)
                totals[name][key] = value if known is None else known + value
    model.train(training)
    return {
        name: head.metrics({key: value.cpu() for key, value in totals[name].items()})
        for name, head in heads.items()
    }


def _mean(head: Head, outs: list[Tensor]) -> Tensor:
    """Average the predictions of several views, in the form of one view's scores."""
    if len(outs) == 1:
        return outs[0]
    if not head.class_shape:
        return torch.stack(outs).mean(0)
    probs = torch.stack([head.probabilities(out) for out in outs]).mean(0)
    log = probs.clamp_min(torch.finfo(probs.dtype).tiny).log()
    return log[:, 1] - log[:, 0] if len(head.class_shape) == 2 else log


def is_interactive() -> bool:
    """Return whether a bar can be redrawn: in a terminal or a live notebook."""
    # A notebook that a program runs has a kernel too: such programs set CI=1.
    if "CI" in os.environ:
        return False
    return in_notebook() or sys.stderr.isatty()


class Progress:
    """Progress of long work: a bar with the time left, and lines that stay.

    In a terminal or a live notebook the bar is redrawn in place. Elsewhere (a pipe, CI,
    a saved notebook) a plain line at least every 30 seconds says how far the work is.

    Args:
        total: steps, or images, in all.
        start: how many are done already.
        label: what is counted, before the bar.
        unit: of the count.
        verbose: False prints nothing.
    """

    def __init__(
        self,
        total: int,
        start: int = 0,
        label: str = "",
        unit: str = "step",
        verbose: bool = True,
    ) -> None:
        self.total, self.done, self.start = total, start, start
        self.label, self.unit, self.verbose = label, unit, verbose
        self.quiet = not is_interactive()
        self.bar = tqdm(
            total=total,
            initial=start,
            desc=label,
            unit=unit,
            leave=False,
            file=sys.stdout if in_notebook() else sys.stderr,
            disable=self.quiet or not verbose,
            mininterval=0.5,
        )
        self.begin = self.said = time.perf_counter()

    def tick(self, count: int = 1) -> None:
        """Count what has been done; where there is no bar, say so now and then."""
        self.done += count
        self.bar.update(count)
        if self.quiet and time.perf_counter() - self.said > PLAIN_LINE_EVERY:
            elapsed = time.perf_counter() - self.begin
            left = elapsed * (self.total - self.done) / max(1, self.done - self.start)
            self.say(
                f"{self.label} {self.done:,}/{self.total:,} {self.unit}s,"
                f" {elapsed:.0f} s, about {left:.0f} s left"
            )

    def row(self, row: Row) -> None:
        """Print one validation as a line that stays."""
        text = f"step {int(row['step']):5d}/{self.total}  loss {row['loss']:.3f}"
        if "mask_rate" in row:
            text += f"  mask {row['mask_rate']:.2f}"
        if not math.isnan(row.get("pseudo_accuracy", math.nan)):
            text += f"  pseudo-labels right {row['pseudo_accuracy']:.2f}"
        for name, value in row.items():
            if name.split("val_")[-1] in _SHOWN and "val_" in name:
                text += f"  {name} {value:.3f}"
        self.say(f"{text}  {row['seconds']:.1f} s")

    def say(self, text: str) -> None:
        """Print a line without tearing the bar."""
        if self.verbose:
            tqdm.write(text, file=sys.stdout)
            self.said = time.perf_counter()

    def close(self) -> None:
        """Remove the bar."""
        self.bar.close()
