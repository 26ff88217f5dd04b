"""A slowly moving average of the weights: the model that is evaluated and shipped."""

__all__ = ["Ema"]

import copy
from typing import Any

from torch import nn

from workshop_lib.errors import WorkshopError
from workshop_lib.models.model import ema_update_weights_


class Ema:
    """Exponential moving average of a model's weights.

    The last steps of training jump about a good solution; their average lies nearer to
    it than any of them, and its validation curve is smooth enough to choose a
    checkpoint by. It is only looked at: pseudo-labels come from the model in training.

        theta_ema <- d theta_ema + (1 - d) theta      (Tarvainen and Valpola 2017)

    Buffers (the running statistics of batch normalisation) are copied, not averaged, as
    the FixMatch implementations do.

    Args:
        model: is copied; the copy is in evaluation mode and takes no gradient.
        decay: d. 1/(1-d) is about the number of steps that are averaged: 0.999 in
            FixMatch, 0.99 for runs of a few thousand steps. Too high for a short run:
            the average is still at the initial weights when training ends.
        warmup: start with min(d, (1+t)/(10+t)) at update t = 0, 1, ..., so that the
            random initial weights are forgotten within tens of steps.

    Raises:
        WorkshopError: decay outside [0, 1).
    """

    def __init__(
        self, model: nn.Module, decay: float = 0.999, *, warmup: bool = True
    ) -> None:
        if not 0 <= decay < 1:
            raise WorkshopError(
                f"ema_decay={decay}: it must lie in [0, 1). 0 follows the model, 0.99"
                " averages about 100 steps; 1 would keep the initial weights for ever."
            )
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        self.warmup = warmup
        self.updates = 0

    def current_decay(self) -> float:
        """Return the decay that the next update will use."""
        if not self.warmup:
            return self.decay
        return min(self.decay, (1 + self.updates) / (10 + self.updates))

    def update(self, model: nn.Module) -> None:
        """Take the weights of `model` into the average; call it after every step."""
        ema_update_weights_(self.model, model, self.current_decay())
        self.updates += 1

    def state_dict(self) -> dict[str, Any]:
        """Return tensors and numbers from which `load_state_dict` goes on."""
        return {"model": self.model.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.model.load_state_dict(state["model"])
        self.updates = int(state["updates"])
