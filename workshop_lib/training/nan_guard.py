"""Detection of NaN and exploding losses, without a synchronisation per step.

One NaN spoils every weight in one step, so the step that brought it has to be known. To
read the loss after each step would make the program wait for a GPU each time; instead
the device itself keeps the first bad step, and is asked now and then.
"""

__all__ = ["EXPLODED", "DivergenceMonitor", "nonfinite"]

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from workshop_lib.config import Config
from workshop_lib.errors import listed
from workshop_lib.ranks import gather_rows, mean_over_ranks, world_size
from workshop_lib.training.optim import learning_rate

# A cross-entropy of 1,000 nats gives the true class a probability of exp(-1000): no
# network that learns is there. Measured on MiniEO: 2 to 4 in sound trainings, at most
# 200 in one with a thousand times the usual AdamW rate, which does not diverge; those
# that do (SGD from lr=3 on) pass 1,000 within 30 steps and do not come back.
EXPLODED = 1e3
_LOSS_SCALE = 1e-3  # fp16: so small after 26 steps in a row without finite gradient
_ASK_EVERY = 50  # steps between two questions to a GPU
_NEVER = -1
_WIDER = "use precision='fp32', or 'bf16' where the machine has it"


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
