"""Running averages of what the network predicts, the same on all ranks."""

__all__ = ["check_momentum", "follow"]

import torch
from torch import Tensor

from workshop_lib.errors import WorkshopError
from workshop_lib.ranks import mean_over_ranks


@torch.no_grad()
def follow(average: Tensor, latest: Tensor, momentum: float) -> None:
    """Move a running average towards a batch's value, in place.

        average <- m average + (1 - m) latest

    Args:
        average: a buffer of a method or a loss.
        latest: what this rank's part of the batch gave; averaged over all ranks first.
        momentum: m. 0.99 remembers about 100 steps, 0.999 about 1,000.

    Shape: both the same, whatever it is.
    """
    latest = mean_over_ranks(latest).to(average.dtype)
    average.lerp_(latest, 1 - momentum)


def check_momentum(momentum: float) -> float:
    """Return a momentum that can be used.

    Raises:
        WorkshopError: outside [0, 1).
    """
    if not 0 <= momentum < 1:
        raise WorkshopError(
            f"momentum={momentum} of a running average: it must lie in [0, 1); 0.99 is"
            " usual, 1 would never learn anything."
        )
    return momentum
