"""Several processes that train one network: what they must share.

In a distributed training each rank sees its part of the global batch. Whatever a
method learns from a whole batch (running averages, thresholds, queues) must come from
all the parts, or the ranks drift apart and the figures depend on their number. Without
a process group these functions return their argument.
"""

__all__ = [
    "gather_rows",
    "gather_rows_with_gradient",
    "mean_over_ranks",
    "own_rows",
    "rank",
    "sum_over_ranks",
    "world_size",
]

from typing import Any

import torch
from torch import Tensor, distributed

from workshop_lib.errors import WorkshopError


def world_size() -> int:
    """Return the number of processes that train together; 1 without a group."""
    return distributed.get_world_size() if _together() else 1


def rank() -> int:
    """Return the number of this process, from 0; 0 without a group."""
    return distributed.get_rank() if _together() else 0


def own_rows(values: Tensor) -> Tensor:
    """Return this rank's rows of a global batch: rank, rank + world_size, ...

    Shape: (world_size * n, ...) -> (n, ...); without a group all of them.

    Raises:
        WorkshopError: the batch does not divide evenly among the ranks.
    """
    ranks = world_size()
    if len(values) % ranks:
        raise WorkshopError(
            f"a batch of {len(values)} images for {ranks} processes: it must divide"
            f" evenly among them. Choose a batch_size that is a multiple of {ranks}."
        )
    return values[rank() :: ranks] if ranks > 1 else values


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


def sum_over_ranks(values: Tensor) -> Tensor:
    """Add up a tensor over all ranks, with the gradient of this rank's part.

    For losses that are a function of sums over the global batch. Every rank computes
    the same loss; the average over ranks of what flows back, times their number, which
    is put in here, is the gradient of one process with the whole batch.
    """
    ranks = world_size()
    if ranks == 1:
        return values
    return ranks * (mean_over_ranks(values) + values - values.detach())


def gather_rows(values: Tensor) -> Tensor:
    """Collect the rows of all ranks, in the order of the global batch; no gradient.

    Rank r holds rows r, r + world_size, ... of the global batch (see `own_rows`).

    Shape: (n, ...) -> (world_size * n, ...).
    """
    if world_size() == 1:
        return values.detach()
    values = values.detach().contiguous()
    parts = [torch.empty_like(values) for _ in range(world_size())]
    distributed.all_gather(parts, values)
    return torch.stack(parts, dim=1).flatten(0, 1)  # row i*world_size + r


def gather_rows_with_gradient(values: Tensor) -> Tensor:
    """Collect the rows of all ranks like `gather_rows`, and let gradient flow back.

    For losses that compare all images of the global batch with each other. Every rank
    computes the same loss, and each row gets the sum of the gradients of all ranks:
    the average over ranks, which distributed training takes, is the gradient of one
    process with the whole batch.

    Shape: (n, ...) -> (world_size * n, ...).
    """
    return values if world_size() == 1 else _Gather.apply(values)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:
        return gather_rows(values)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(gradient)
        return gradient[rank() :: world_size()]


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized()
