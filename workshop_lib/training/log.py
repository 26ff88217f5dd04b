"""What is known while a training runs: averages over steps, divergence, progress.

One NaN spoils every weight in one step, so the step that brought it has to be known. To
read the loss after each step would make the program wait for a GPU each time; instead
the device itself keeps the first bad step, and is asked now and then.
"""

__all__ = ["EXPLODED", "DivergenceMonitor", "Progress", "Row", "RunningMeans"]

import math
import os
import sys
import time
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from workshop_lib.config import Config
from workshop_lib.errors import listed
from workshop_lib.ranks import gather_rows, mean_over_ranks, world_size
from workshop_lib.session import in_notebook
from workshop_lib.training.optim import learning_rate

Row = dict[str, float]
PLAIN_LINE_EVERY = 30.0  # seconds between two lines where there is no bar
_SHOWN = ("accuracy", "miou", "f1_micro", "mae", "knn")  # of a validation, in its line
# A cross-entropy of 1,000 nats gives the true class a probability of exp(-1000): no
# network that learns is there. Measured on MiniEO: 2 to 4 in sound trainings, at most
# 200 in one with a thousand times the usual AdamW rate, which does not diverge; those
# that do (SGD from lr=3 on) pass 1,000 within 30 steps and do not come back.
EXPLODED = 1e3
_LOSS_SCALE = 1e-3  # fp16: so small after 26 steps in a row without finite gradient
_ASK_EVERY = 50  # steps between two questions to a GPU
_NEVER = -1
_WIDER = "use precision='fp32', or 'bf16' where the machine has it"


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


class DivergenceMonitor:
    """Remember on the device which step first had a bad loss, and its terms.

    A loss is bad if it is NaN, infinite or above `EXPLODED`.

    Args:
        device: of the losses.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        # Terms by name -> first bad step (1,), its values (P,). More than one entry
        # where the first steps have other terms than the later ones.
        self._kept: dict[tuple[str, ...], tuple[Tensor, Tensor]] = {}

    @torch.no_grad()
    def add(self, step: int, losses: dict[str, Tensor]) -> None:
        """Check the scalars of one step, counted from 1; reads nothing back."""
        row = torch.stack([v.detach().double() for v in losses.values()])  # (P,)
        names = tuple(losses)
        if names not in self._kept:
            first = torch.full((1,), _NEVER, device=self.device)
            self._kept[names] = (first, torch.zeros_like(row))
        first, kept = self._kept[names]
        bad = (row.abs() <= EXPLODED).logical_not().any()  # NaN is not <= either
        fresh = bad & (first == _NEVER)  # (1,)
        first.masked_fill_(fresh, step)
        kept.copy_(torch.where(fresh, row, kept))

    def suspects(self, step: int) -> bool:
        """Return whether to look now: a CPU always can, a GPU every 50 steps.

        Several ranks wait for the validation, when all look together.
        """
        if world_size() > 1 or (self.device.type != "cpu" and step % _ASK_EVERY):
            return False
        return any(int(first) != _NEVER for first, _ in self._kept.values())

    def find(self) -> tuple[int, dict[str, float]] | None:
        """Return the first bad step of any rank and its losses; waits for the device.

        Of several ranks all must ask.
        """
        found: list[tuple[int, dict[str, float]]] = []
        for names, (first, kept) in self._kept.items():
            rows = gather_rows(torch.cat([first.double(), kept])[None])  # (ranks, 1+P)
            for step, *losses in rows.tolist():
                if step != _NEVER:
                    found.append((int(step), dict(zip(names, losses, strict=True))))
        return min(found, key=lambda bad: bad[0], default=None)

    def diagnosis(
        self, step: int, config: Config, tensors: Iterable[Tensor], scale: float
    ) -> str | None:
        """Explain losses or weights that are not finite; waits for the device.

        Of several ranks all must ask.

        Args:
            step: the last one taken, counted from 1.
            config: of the training, with the number format that it used.
            tensors: weights, and what the optimiser and the method remember.
            scale: of the fp16 loss scaler; 1 in other formats.

        Returns:
            What is wrong and what to do; None if nothing is.
        """
        bad = self.find()
        if bad is not None:
            return _divergence(*bad, config)
        if nonfinite(tensors):
            return (
                f"after step {step} the weights, or what the optimiser or the method"
                " remembers, hold NaN or infinity although the loss was sound: a"
                f" gradient overflowed. Lower lr (now {config.optim.lr:g})."
            )
        if scale < _LOSS_SCALE:
            return (
                f"before step {step} no gradient was finite in fp16 for many steps in a"
                f" row, however small the loss was scaled: {_WIDER}."
            )
        return None


def nonfinite(tensors: Iterable[Tensor]) -> bool:
    """Return whether any tensor holds NaN or infinity, on any rank; one read."""
    fine = [t.isfinite().all() for t in tensors if t.is_floating_point()]
    fraction = mean_over_ranks(torch.stack(fine).all().double())
    return bool(fraction < 1)


def _divergence(step: int, losses: dict[str, float], config: Config) -> str:
    """Explain what went wrong in a step, counted from 1, and what may help."""
    optim = config.optim
    bad = [n for n, v in losses.items() if not abs(v) <= EXPLODED]
    bad = [n for n in bad if n != "loss"] or bad
    finite = all(math.isfinite(losses[name]) for name in bad)
    what = "exploded" if finite else "became NaN or infinite"
    values = ", ".join(f"{n} {v:.4g}" for n, v in losses.items())
    slower = f"lower lr (now {optim.lr:g}; try {optim.lr / 10:g})"
    if config.run.precision == "fp16" and not finite:
        advice = f"fp16 has no numbers above 65,504: {_WIDER}; or {slower}."
    else:
        advice = (
            f"The steps are too large: {slower}, or use more warmup_steps (now"
            f" {optim.warmup_steps})."
        )
    return (
        f"{listed(bad)} {what} in step {step} of {optim.steps} ({values}; learning rate"
        f" {learning_rate(optim, step - 1):.3g}). {advice}"
    )


def is_interactive() -> bool:
    """Return whether a bar can be redrawn: in a terminal or a live notebook."""
    # A notebook that a program runs has a kernel too: such programs set CI=1.
    return "CI" not in os.environ and (in_notebook() or sys.stderr.isatty())


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
        if "spread" in row:
            text += f"  matched {row['matched']:.2f}  spread {row['spread']:.2f}"
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
