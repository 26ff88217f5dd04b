"""A loss that is no number, or far too large: noticed without waiting for the device.

One NaN spoils every weight in one step, so the step that brought it has to be known. To
look at the loss after each step would make the program wait for a GPU each time;
instead the device itself keeps the first bad step, and is asked now and then.
"""

__all__ = [
    "EXPLODED",
    "LOWEST_SCALE",
    "BadStep",
    "NumberWatch",
    "not_finite",
    "why_bad",
]

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from workshop_lib.errors import listed
from workshop_lib.ranks import gather_rows, mean_over_ranks, world_size
from workshop_lib.recipe import Recipe
from workshop_lib.training.schedule import cosine_7_16

# A cross-entropy of 1,000 nats gives the true class a probability of exp(-1000): no
# network that learns is there. Measured on MiniEO: 2 to 4 in sound trainings, at most
# 200 in one with a thousand times the usual AdamW rate, which does not run away; those
# that do (SGD from lr=3 on) pass 1,000 within 30 steps and do not come back.
EXPLODED = 1e3
# Of fp16's loss scaler, which begins at 65,536 and halves with each step that has no
# finite gradient. A few such steps are how it finds its place; 26 in a row are not.
LOWEST_SCALE = 1e-3
_COLDEST = 1e-3  # temperature below which a softmax is a division by almost nothing
_ASK_EVERY = 50  # steps between two questions to a GPU
_NEVER = -1
_CHUNK = 256  # images that are searched for NaN at a time


@dataclass(frozen=True)
class BadStep:
    """The first step whose loss went wrong, counted from 1, and its losses by name."""

    step: int
    losses: dict[str, float]

    @property
    def culprits(self) -> list[str]:
        """Names of the losses that went wrong; the parts, if it was one of them."""
        limits = _limits(self.losses)
        bad = [n for n, v in self.losses.items() if not abs(v) <= limits[n]]
        return [n for n in bad if n != "loss"] or bad


class NumberWatch:
    """Remember on the device which step first had a bad loss, and what it was.

    Looked at are the total and the parts called `loss_...`: none may be NaN or
    infinite, and no part above `EXPLODED`. Parts carry no weight yet: a large lambda_u,
    or one that is still rising, raises no alarm. What is only for the log (`mask_rate`)
    may be anything.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        # Losses by name -> limits (P,), first bad step (1,), its losses (P,). More than
        # one entry where the first steps have other parts than the later ones.
        self._kept: dict[tuple[str, ...], tuple[Tensor, Tensor, Tensor]] = {}
        self._answer: tuple[Tensor, torch.cuda.Event] | None = None

    @torch.no_grad()
    def add(self, step: int, values: dict[str, Tensor]) -> None:
        """Look at the scalars of one step, counted from 1; reads nothing back."""
        losses = {n: v for n, v in values.items() if n == "loss" or n[:5] == "loss_"}
        row = torch.stack([v.detach().double() for v in losses.values()])  # (P,)
        names = tuple(losses)
        if names not in self._kept:
            limits = torch.tensor(list(_limits(losses).values()), dtype=torch.float64)
            first = torch.full((1,), _NEVER, device=self.device)
            self._kept[names] = (limits.to(self.device), first, torch.zeros_like(row))
        limits, first, kept = self._kept[names]
        bad = (row.abs() <= limits).logical_not().any()  # also of NaN: it is not <=
        fresh = bad & (first == _NEVER)  # (1,)
        first.masked_fill_(fresh, step)
        kept.copy_(torch.where(fresh, row, kept))

    def suspects(self, step: int) -> bool:
        """Tell whether a bad step is known by now, without waiting for anything.

        A CPU knows at once. A GPU is asked every 50 steps, and its answer is read when
        it has come by itself. Several ranks wait for the validation, when all look.
        """
        if world_size() > 1 or not self._kept:
            return False
        if self.device.type == "cpu":
            return any(int(first) != _NEVER for _, first, _ in self._kept.values())
        if self.device.type != "cuda" or step % _ASK_EVERY:
            return False
        if self._answer is None:
            here = torch.full((1,), _NEVER).pin_memory()
            self._answer = (here, torch.cuda.Event())
        here, copied = self._answer
        known = copied.query() and int(here) != _NEVER
        latest = torch.cat([first for _, first, _ in self._kept.values()]).amax()
        here.copy_(latest, non_blocking=True)
        copied.record()
        return known

    def find(self) -> BadStep | None:
        """Return the first bad step of any rank, if there is one; waits for the device.

        Of several ranks all must ask.
        """
        found = []
        for names, (_, first, kept) in self._kept.items():
            rows = gather_rows(torch.cat([first.double(), kept])[None])  # (ranks, 1+P)
            for step, *losses in rows.tolist():
                if step != _NEVER:
                    found.append(
                        BadStep(int(step), dict(zip(names, losses, strict=True)))
                    )
        return min(found, key=lambda bad: bad.step, default=None)


def not_finite(tensors: Iterable[Tensor]) -> bool:
    """Tell whether any of some tensors holds NaN or infinity, on any rank; one read."""
    fine = [t.isfinite().all() for t in tensors if t.is_floating_point()]
    share = mean_over_ranks(torch.stack(fine).all().double())
    return bool(share < 1)


def why_bad(
    bad: BadStep, recipe: Recipe, images: list[Tensor], names: tuple[str, ...]
) -> str:
    """Tell in words what went wrong in a step and what may help.

    Args:
        images: what the network was trained on, (N, C, H, W) each.
        names: of the images, N.
    """
    parts = ", ".join(f"{n} {v:.4g}" for n, v in bad.losses.items())
    culprits = listed(bad.culprits)
    finite = all(math.isfinite(bad.losses[name]) for name in bad.culprits)
    what = f"{culprits} exploded" if finite else f"{culprits} became NaN or infinite"
    rate = recipe.lr * cosine_7_16(bad.step - 1, recipe.steps, recipe.warmup_steps)
    return (
        f"{what} in step {bad.step} of {recipe.steps} ({parts}; learning rate"
        f" {rate:.3g}). {_hint(bad, finite, recipe, images, names)}"
    )


def _hint(
    bad: BadStep,
    finite: bool,
    recipe: Recipe,
    images: list[Tensor],
    names: tuple[str, ...],
) -> str:
    """Choose the likeliest cause: what can be seen first, the learning rate last."""
    broken = [] if finite else _broken_images(images, names)
    if broken:
        return (
            f"NaN or infinite values in {len(broken)} of the images ({listed(broken)}):"
            " mend them or leave them out."
        )
    cold = [] if finite else _temperatures(bad, recipe)
    if cold:
        return (
            f"{listed(cold)}: raise it, a softmax of numbers divided by almost nothing"
            " overflows."
        )
    slower = f"lower lr (now {recipe.lr:g}; try {recipe.lr / 10:g})"
    if recipe.precision == "fp16" and not finite:
        return (
            "fp16 has no numbers above 65,504: use precision='fp32', or 'bf16' where"
            f" the machine has it; or {slower}."
        )
    return (
        f"The steps are too large: {slower}, or let it rise over more warmup_steps"
        f" (now {recipe.warmup_steps})."
    )


def _temperatures(bad: BadStep, recipe: Recipe) -> list[str]:
    """Name the temperatures near zero that the bad parts of the loss depend on."""
    of_part = {
        "loss_u": ("temperature",),
        "loss_c": ("graph_temperature", "contrast_temperature"),
        "loss_class_contrast": ("contrast_temperature",),
    }
    knobs = [knob for part in bad.culprits for knob in of_part.get(part, ())]
    given = {knob: getattr(recipe, knob) for knob in dict.fromkeys(knobs)}
    return [
        f"{knob}={value:g}"
        for knob, value in given.items()
        if value is not None and value < _COLDEST
    ]


def _broken_images(images: list[Tensor], names: tuple[str, ...]) -> list[str]:
    broken = torch.zeros(len(names), dtype=torch.bool)
    for view in images:
        if view.is_floating_point():
            chunks = [c.flatten(1).isfinite().all(dim=1) for c in view.split(_CHUNK)]
            broken |= torch.cat(chunks).logical_not().cpu()
    return [names[i] for i in broken.nonzero().flatten().tolist()]


def _limits(losses: Iterable[str]) -> dict[str, float]:
    """Return how large each loss may be; the total anything that is a number."""
    parts = [name for name in losses if name != "loss"]
    highest = torch.finfo(torch.float64).max
    of_total = highest if parts else EXPLODED
    return {"loss": of_total, **dict.fromkeys(parts, EXPLODED)}
