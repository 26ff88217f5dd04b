"""Memory for time: what the backward pass needs is computed again, not kept.

A network in training keeps, for every image, what each layer made of it, until the
backward pass has used it; of a batch of large images that is nearly all of the memory.
Kept at the borders of its blocks only, or a few images at a time, it takes a fraction,
for a second forward pass: a step of four thirds of the arithmetic.
"""

__all__ = ["Blocks", "in_parts", "recomputed", "set_checkpointing"]

import math
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

# torch 2.4 computes again by a name of its own that it calls deprecated
warnings.filterwarnings(
    "ignore", r"`torch\.cpu\.amp\.autocast", FutureWarning, r"torch\.utils\.checkpoint"
)

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def recomputed(module: nn.Module, x: Tensor) -> Tensor:
    """Return `module(x)`; of all that is on the way, keep nothing but `x`.

    The backward pass runs the module once more, with the same dropout, and gives the
    same gradients to the last bit. Batch normalisation counts a batch once: while it is
    computed again, running statistics stand still.

    Source: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".
    """

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _running_statistics_kept(module)

    result: Tensor = checkpoint(module, x, use_reentrant=False, context_fn=contexts)
    return result


class Blocks(nn.Sequential):
    """Modules one after the other, of which backward may keep the borders only.

    `checkpointing` says whether, and changes no number; `together` is how many modules
    lie between two borders. Without gradient nothing is kept anyway.
    """

    checkpointing: bool = False
    together: int = 1

    def forward(self, x: Tensor) -> Tensor:
        """Apply all modules."""
        if not (self.checkpointing and torch.is_grad_enabled()):
            result: Tensor = super().forward(x)
            return result
        for first in range(0, len(self), self.together):
            x = recomputed(self[first : first + self.together], x)
        return x


def set_checkpointing(trunk: nn.Module, on: bool) -> None:
    """Have all `Blocks` of a trunk keep their borders only, or everything."""
    for module in trunk.modules():
        if isinstance(module, Blocks):
            module.checkpointing = on


def in_parts(trunk: nn.Module, images: Tensor, most: int) -> Tensor:
    """Send images through a trunk a few at a time; the answers are in their order.

    With gradient, each part is computed again in the backward pass, so that at any
    time the layers of one part alone are in memory. The heads and the loss then see the
    whole batch at once: a loss that compares all images with each other is the same.

    What is not the same is batch normalisation in training: its statistics are those of
    a part. Every n-th image goes into a part, not the next few, so that each has its
    share of the labeled and of each kind of view, as the whole batch has.

    Args:
        trunk: (b, C, H, W) -> (b, D).
        images: (B, C, H, W).
        most: images in a part, at most (three where a part of one would be left over,
            whose spread no batch normalisation can tell); 0 for all.
    """
    n = max(1, min(math.ceil(len(images) / most), len(images) // 2)) if most else 1
    if n == 1:
        whole: Tensor = trunk(images)
        return whole
    order = torch.arange(len(images), device=images.device)
    order = torch.cat([order[k::n] for k in range(n)])
    keep = torch.is_grad_enabled()
    parts = [images[k::n] for k in range(n)]
    rows = [recomputed(trunk, part) if keep else trunk(part) for part in parts]
    return torch.cat(rows)[order.argsort()]


@contextmanager
def _running_statistics_kept(module: nn.Module) -> Iterator[None]:
    """Let batch normalisation use a batch's statistics and not remember them."""
    layers = [m for m in module.modules() if isinstance(m, _BATCH_NORMS)]
    before = [(layer.momentum, layer.num_batches_tracked) for layer in layers]
    for layer in layers:
        # 0 x new + 1 x old. Without the running averages torch would keep other tensors
        # than the first time, and notice.
        layer.momentum, layer.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for layer, (momentum, count) in zip(layers, before, strict=True):
            layer.momentum, layer.num_batches_tracked = momentum, count
