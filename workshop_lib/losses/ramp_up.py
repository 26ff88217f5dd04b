"""A weight that grows from 0 to 1 early in training."""

__all__ = [
    "RampUp",
]

import math
from typing import Literal

import torch
from torch import Tensor, nn

from workshop_lib.errors import WorkshopError, unknown_name

SHAPES = ("linear", "bell")


class RampUp(nn.Module):
    """Factor for the weight of unlabeled images, by the number of steps done.

    In the first steps the network knows nothing, and what it believes about unlabeled
    images is worth nothing. A confidence threshold keeps such images out by itself; a
    method without one has to wait.

        t = min(1, step / length)
        linear: t          (Lee 2013, eq. 16)
        bell:   exp(-5 (1 - t)^2)          (Laine and Aila 2017, section 3)

    Args:
        length: steps until the factor is 1; 0 is 1 from the start.
        shape: "linear", or "bell": slower at first, from 0.007.

    The step is a buffer: a resumed training goes on where it stood.
    """

    step: Tensor

    def __init__(
        self, length: float, shape: Literal["linear", "bell"] = "linear"
    ) -> None:
        super().__init__()
        if not 0 <= length < math.inf:
            raise WorkshopError(f"length={length} of a ramp-up: give 0 steps or more.")
        if shape not in SHAPES:
            raise unknown_name("shape of the ramp-up", shape, SHAPES)
        self.length, self.shape = length, shape
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def forward(self) -> Tensor:
        """Return the factor, a scalar in [0, 1] on the buffer's device."""
        if self.length == 0:
            return torch.ones((), device=self.step.device)
        t = (self.step / self.length).clamp(max=1)
        return t if self.shape == "linear" else torch.exp(-5 * (1 - t) ** 2)

    def advance(self) -> None:
        """Count one step of the optimiser."""
        self.step += 1
