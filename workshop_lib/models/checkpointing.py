"""Memory for time: recompute in the backward pass instead of keeping activations.

In training a network keeps the output of every layer, for every image, until the
backward pass has used it; for a batch of large images that is nearly all of the memory.
Keeping only the borders of blocks, or only a few images at a time, needs a fraction of
it and costs a second forward pass: a third more arithmetic per step.
"""

__all__ = [
    "CheckpointedSequential",
    "in_parts",
    "recompute",
    "running_statistics_fixed",
    "set_checkpointing",
]

import math
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from workshop_lib.models.heads import Features
from workshop_lib.sample import Sample, num_images, take

# torch 2.4 recomputes through a function that it calls deprecated itself
warnings.filterwarnings(
    "ignore", r"`torch\.cpu\.amp\.autocast", FutureWarning, r"torch\.utils\.checkpoint"
)

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def recompute(module: nn.Module, x: Any) -> Any:
    """Return `module(x)` and keep nothing but `x` for the backward pass.

    The backward pass runs the module once more, with the same dropout, and gives the
    same gradients to the last bit. Batch normalisation counts a batch once: running
    statistics do not change during the second run.

    Source: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".
    """

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), running_statistics_fixed(module)

    return checkpoint(module, x, use_reentrant=False, context_fn=contexts)


class CheckpointedSequential(nn.Sequential):
    """Modules in sequence that can keep only their borders for the backward pass.

    `checkpointing` switches that on and changes no number. Without gradient nothing is
    kept anyway.

    Args:
        segment: number of modules between two borders; 0 for all of them.
    """

    checkpointing: bool = False

    def __init__(self, *modules: Any, segment: int = 1) -> None:
        super().__init__(*modules)
        self.segment = segment

    def forward(self, x: Tensor) -> Tensor:
        """Apply all modules."""
        if not (self.checkpointing and torch.is_grad_enabled()):
            result: Tensor = super().forward(x)
            return result
        size = self.segment or len(self)
        for first in range(0, len(self), size):
            x = recompute(self[first : first + size], x)
        return x


def set_checkpointing(module: nn.Module, on: bool) -> None:
    """Switch checkpointing on or off in every `CheckpointedSequential` of a network."""
    for part in module.modules():
        if isinstance(part, CheckpointedSequential):
            part.checkpointing = on


def in_parts(encoder: nn.Module, sample: Sample, most: int) -> Features:
    """Send a sample through an encoder a few images at a time, order preserved.

    With gradient, each part is recomputed in the backward pass, so only the layers of
    one part are in memory at any time. Heads and losses then see the whole batch: a
    loss that compares all images with each other is unchanged.

    Batch normalisation in training does change: its statistics are those of a part.
    Every n-th image goes into a part, not the next few, so that each part has its
    fraction of the labelled images and of each view, as the whole batch has.

    Args:
        encoder: sample of b images -> their features.
        sample: B images.
        most: images per part (three where a part of one would remain, from which batch
            normalisation cannot estimate a variance); 0 for all.
    """
    total = num_images(sample)
    n = max(1, min(math.ceil(total / most), total // 2)) if most else 1
    if n == 1:
        whole: Features = encoder(sample)
        return whole
    keep = torch.is_grad_enabled()
    parts = [take(sample, slice(k, None, n)) for k in range(n)]
    found = [recompute(encoder, part) if keep else encoder(part) for part in parts]
    vector = torch.cat([features.vector for features in found])  # (B, D)
    order = torch.arange(total, device=vector.device)
    order = torch.cat([order[k::n] for k in range(n)]).argsort()
    levels = zip(*(features.maps or () for features in found), strict=True)
    maps = tuple(torch.cat(level)[order] for level in levels)  # each (B, D, h, w)
    return Features(vector[order], maps or None, found[0].size)


@contextmanager
def running_statistics_fixed(module: nn.Module, on: bool = True) -> Iterator[None]:
    """Let batch normalisation use a batch's statistics without recording them."""
    layers = [m for m in module.modules() if on and isinstance(m, _BATCH_NORMS)]
    before = [(layer.momentum, layer.num_batches_tracked) for layer in layers]
    for layer in layers:
        # 0 x new + 1 x old. Without running averages torch would keep other tensors
        # than the first time, and complain.
        layer.momentum, layer.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for layer, (momentum, count) in zip(layers, before, strict=True):
            layer.momentum, layer.num_batches_tracked = momentum, count
