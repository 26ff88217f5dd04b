"""Several processes, on one machine or more, that train one network together.

    torchrun --nproc-per-node 2 -m workshop_lib.cli train --method fixmatch

Every rank holds the whole network and all images. It makes the views of the whole
global batch and keeps its own rows: so the random numbers, and with them the result,
are those of one process, however many there are. The price is that augmentation does
not get quicker with more ranks: where it takes 5 % of a step of one process, eight
ranks are at most 5.9 times as fast, not 8. Rank 0 alone writes and prints; the folder
of the run must be one that all ranks can read.

Whatever a method learns from a whole batch (running averages, thresholds, queues) must
come from all the parts, or the ranks drift apart and the figures depend on their
number; likewise what is normalised by (`SyncedBatchNorm`), and the gradient. Without a
process group the functions here return their argument.
"""

__all__ = [
    "TIMEOUT",
    "barrier",
    "from_rank_zero",
    "gather_rows",
    "gather_rows_with_gradient",
    "mean_over_ranks",
    "own_rows",
    "process_group",
    "rank",
    "rank_zero_first",
    "stop_together",
    "sum_over_ranks",
    "world_size",
]

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from datetime import timedelta
from io import StringIO
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

from workshop_lib.errors import WorkshopError

T = TypeVar("T")

TIMEOUT = 1800.0  # seconds that ranks wait for one another; WORKSHOP_RANK_TIMEOUT
_ADDRESS = ("RANK", "MASTER_ADDR", "MASTER_PORT")  # what torchrun tells each process
_AGREE_EVERY = 10  # steps between two checks whether a process was asked to stop


def world_size() -> int:
    """Return the number of processes that train together; 1 without a group."""
    return distributed.get_world_size() if _together() else 1


def rank() -> int:
    """Return the number of this process, from 0; 0 without a group."""
    return distributed.get_rank() if _together() else 0


@contextmanager
def process_group() -> Iterator[None]:
    """Join the processes that torchrun or a job script has started; alone, do nothing.

    They are known by the environment variables WORLD_SIZE, RANK, LOCAL_RANK,
    MASTER_ADDR and MASTER_PORT. GPUs talk through NCCL, one to a process; CPUs, and
    processes that have to share a GPU, through Gloo. Ranks other than 0 print nothing.

    Raises:
        WorkshopError: the variables are incomplete, or another process has ended or
            has not answered for `TIMEOUT` seconds.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    missing = [name for name in _ADDRESS if name not in os.environ]
    if missing:
        raise WorkshopError(
            f"WORLD_SIZE={os.environ['WORLD_SIZE']} but {', '.join(missing)} not set:"
            " start with `torchrun --nproc-per-node N -m workshop_lib.cli train ...`,"
            " or unset WORLD_SIZE to train with one process."
        )
    seconds = float(os.environ.get("WORKSHOP_RANK_TIMEOUT", TIMEOUT))
    try:
        distributed.init_process_group(_backend(), timeout=timedelta(seconds=seconds))
        with redirect_stdout(StringIO()) if rank() else nullcontext():
            yield
    except RuntimeError as error:
        gone = isinstance(error, distributed.DistError) or "gloo" in str(error).lower()
        if not gone:
            raise
        raise WorkshopError(
            "another process of this training has ended or did not answer within"
            f" {seconds:.0f} s; its own message says why. The same command goes on"
            " from the last checkpoint."
        ) from error
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


@contextmanager
def rank_zero_first() -> Iterator[None]:
    """Let rank 0 do some work that leaves a file, then the others, who will find it."""
    if rank() != 0:
        barrier()
    try:
        yield
    finally:  # also after a mistake: the others are to find it, not to wait for ever
        if rank() == 0:
            barrier()


def barrier() -> None:
    """Wait until every rank has come to this point."""
    if world_size() > 1:
        distributed.barrier()


def from_rank_zero(value: T) -> T:
    """Return what rank 0 has here, where a measurement could make ranks disagree."""
    if world_size() == 1:
        return value
    told = [value]
    distributed.broadcast_object_list(told, src=0)
    return told[0]


def stop_together(wanted: bool, step: int) -> bool:
    """Return whether any rank wants to stop: the same answer for all at a step.

    Signals reach the ranks at different moments, and one that stops alone would leave
    the others waiting. Asked every tenth step only: reading the answer makes a GPU
    wait.
    """
    if world_size() == 1:
        return wanted
    if step % _AGREE_EVERY:
        return False
    on_gpu = distributed.get_backend() == "nccl"
    votes = torch.tensor(float(wanted), device="cuda" if on_gpu else "cpu")
    distributed.all_reduce(votes)
    return bool(votes > 0)


def _backend() -> str:
    """Choose how ranks talk, and give each its GPU."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not gpus:
        return "gloo"
    local = int(os.environ.get("LOCAL_RANK", "0"))
    torch.cuda.set_device(local % gpus)  # a job may show each process its GPU alone
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return "nccl" if here <= gpus else "gloo"


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
