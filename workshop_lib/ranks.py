"""Several processes that train one network: what they must share.

In a distributed training each rank sees its part of the global batch. Whatever a method
learns from a whole batch (running averages, thresholds, queues) must come from all the
parts, or the ranks drift apart and the figures depend on their number. Without a process
group these functions return their argument.
"""

__all__ = ["gather_rows", "mean_over_ranks", "rank", "world_size"]

import torch
from torch import Tensor, distributed


def world_size() -> int:
    """Return the number of processes that train together; 1 without a group."""
    return distributed.get_world_size() if _together() else 1


def rank() -> int:
    """Return the number of this process, from 0; 0 without a group."""
    return distributed.get_rank() if _together() else 0


def mean_over_ranks(values: Tensor) -> Tensor:
    """Average a tensor over all ranks; without gradient, the argument is untouched.

    The mean of the ranks' batch means is the global batch's, as all parts are of one
    size.
    """
    if world_size() == 1:
        return values.detach()
    total = values.detach().clone()
    distributed.all_reduce(total)
    return total / world_size()


def gather_rows(values: Tensor) -> Tensor:
    """Collect the rows of all ranks, in the order of the global batch; no gradient.

    Rank r holds rows r, r + world_size, ... of the global batch (see `IndexStream`).

    Shape: (n, ...) -> (world_size * n, ...).
    """
    if world_size() == 1:
        return values.detach()
    parts = [torch.empty_like(values) for _ in range(world_size())]
    distributed.all_gather(parts, values.detach().contiguous())
    return torch.stack(parts, dim=1).flatten(0, 1)  # row i*world_size + r


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized()
