"""A copy of a network that follows it slowly."""

__all__ = ["follow_weights"]

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


@torch.no_grad()
def follow_weights(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Take the weights of `model` into those of its copy, in place.

        average <- d average + (1 - d) model      (Tarvainen and Valpola 2017)

    Buffers (the running statistics of batch normalisation) are copied, not averaged, as
    the FixMatch implementations do.

    Args:
        average: a copy of the model.
        model: the network in training.
        decay: d. 1/(1-d) is about the number of calls that are averaged.
    """
    # One call for all tensors: a loop over them costs more than the arithmetic.
    step = get_ema_multi_avg_fn(decay)
    step(list(average.parameters()), list(model.parameters()), 0)
    for mine, latest in zip(average.buffers(), model.buffers(), strict=True):
        mine.copy_(latest)
