"""Several processes, on one machine or more, that train one network together.

    torchrun --nproc-per-node 2 -m workshop_lib.cli train --method fixmatch

Every rank holds the whole network and all images. It makes the views of the whole
global batch and keeps its own rows: so the random numbers, and with them the result,
are those of one process, however many there are. The price is that augmentation does
not get quicker with more ranks: where it takes 5 % of a step of one process, eight
ranks are at most 5.9 times as fast, not 8. Ranks agree on what they normalise by
(`SyncedBatchNorm`), on what methods remember (`ranks`) and on the gradient. Rank 0
alone writes and prints; the folder of the run must be one that all ranks can read.
"""

__all__ = [
    "TIMEOUT",
    "SyncedBatchNorm",
    "average_gradients",
    "from_rank_zero",
    "process_group",
    "rank_zero_first",
    "stop_together",
    "synchronize_batch_norm",
    "barrier",
]

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from datetime import timedelta
from io import StringIO
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn

from workshop_lib.errors import WorkshopError
from workshop_lib.ranks import (
    gather_rows_with_gradient,
    mean_over_ranks,
    rank,
    world_size,
)
from workshop_lib.session import pick_device

T = TypeVar("T")

TIMEOUT = 1800.0  # seconds that ranks wait for one another; WORKSHOP_RANK_TIMEOUT
_ADDRESS = ("RANK", "MASTER_ADDR", "MASTER_PORT")  # what torchrun tells each process
_AGREE_EVERY = 10  # steps between two checks whether a process was asked to stop


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


def average_gradients(*modules: nn.Module) -> None:
    """Give all ranks the gradient of the global batch: the mean of their own.

    One message for all weights, sent when the backward pass is over.
    """
    if world_size() == 1:
        return
    trained = nn.ModuleList(modules).parameters()
    gradients = [p.grad for p in trained if p.grad is not None]
    mean = mean_over_ranks(torch.cat([g.flatten() for g in gradients]))
    parts = mean.split([g.numel() for g in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


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
    votes = torch.tensor(float(wanted), device=pick_device())
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


class SyncedBatchNorm(nn.BatchNorm2d):
    """Normalise by the statistics of all ranks' images, as one process would.

    With a part of the batch each, ranks that normalise for themselves train another
    network: its statistics are those of fewer images, and they depend on the number of
    ranks. Here each rank tells the others its mean and variance, channel by channel:

        mean = mean_r m_r,    variance = mean_r v_r + mean_r (m_r - mean)^2

    which is exact, as all parts are of one size, and loses no digits as a mean of
    squares would. Gradient flows through the exchange: one message forward, one
    backward. torch's own SyncBatchNorm does the same, but on GPUs only.

    Shape: (n, C, ...) -> the same; n images of the global batch on this rank.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002
        """Take the place of the one- and three-dimensional layers too."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise; in evaluation, and without other ranks, as the plain layer."""
        if not self.training or world_size() == 1:
            return super().forward(x)
        dims = [d for d in range(x.ndim) if d != 1]
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        variance, mean = torch.var_mean(wide, dims, correction=0)  # (C,) of this rank
        told = gather_rows_with_gradient(torch.stack([mean, variance])[None])
        means, variances = told.unbind(1)  # (world_size, C)
        mean = means.mean(0)
        variance = variances.mean(0) + means.var(0, correction=0)
        if self.num_batches_tracked is not None:  # else the batch is computed again
            count = world_size() * x.numel() // x.shape[1]
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean.detach(), self.momentum)
            unbiased = variance.detach() * count / (count - 1)
            self.running_var.lerp_(unbiased, self.momentum)

        scale = (variance + self.eps).rsqrt() * self.weight  # (C,)
        shape = [-1 if d == 1 else 1 for d in range(x.ndim)]
        centred = wide - mean.view(shape)
        return (centred * scale.view(shape) + self.bias.view(shape)).to(x.dtype)


def synchronize_batch_norm(model: nn.Module) -> None:
    """Let every batch normalisation of a model look at all ranks; alone, do nothing.

    Weights, buffers and their names stay, so a checkpoint does not depend on the number
    of processes that made it.
    """
    for layer in model.modules():
        if world_size() > 1 and isinstance(
            layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d
        ):
            layer.__class__ = SyncedBatchNorm  # the same layer with another `forward`
