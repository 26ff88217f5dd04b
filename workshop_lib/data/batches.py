"""Endless streams of image indices.

A loader that ends has to be restarted, and restarting is where semi-supervised loops
break: the labeled set ends long before the unlabeled one. A stream has no end, and as
it is a pure function of the step, a resumed training needs no saved state.
"""

__all__ = ["IndexStream"]

import hashlib

import torch
from torch import Tensor

from workshop_lib.errors import WorkshopError


class IndexStream:
    """Shuffled indices without end: step s always gives the same batch.

    Pass e goes once through all indices in an order drawn from (seed, e). The passes
    are laid end to end and cut into batches, so a batch may run across the border of
    two passes, and over several if the set is smaller than the batch. Every image is
    seen equally often, to within one.

    Args:
        indices: (n,) int64 positions of images, e.g. `split.labeled`.
        batch_size: indices per step, of all ranks together.
        seed: of the orders; give streams that are used side by side different seeds.
        rank, world_size: of distributed training: rank r takes rows r, r + world_size,
            ... of the batch, so the ranks together see what a single one would see.
        device: where the batches live; by default where `indices` lives.

    Raises:
        WorkshopError: no indices, or a batch that does not divide among the ranks.

    Example:
        >>> stream = IndexStream(torch.tensor([10, 20, 30]), batch_size=6, seed=0)
        >>> sorted(stream.at(step=1000).tolist())
        [10, 10, 20, 20, 30, 30]
    """

    def __init__(
        self,
        indices: Tensor,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        device: torch.device | str | None = None,
    ) -> None:
        if indices.ndim != 1 or len(indices) == 0:
            raise WorkshopError(
                f"a stream of indices of shape {tuple(indices.shape)}: give (n,)"
                " indices with n at least 1. Is a part of the split empty?"
            )
        if indices.dtype != torch.int64:
            raise WorkshopError(
                f"a stream of {indices.dtype} indices: give int64 positions of images."
            )
        if batch_size < 1 or not 0 <= rank < world_size or batch_size % world_size:
            raise WorkshopError(
                f"batch_size={batch_size} on rank {rank} of {world_size}: the batch"
                " must hold at least one image and divide evenly among the ranks 0 to"
                f" {world_size - 1}; use a multiple of {max(world_size, 1)}."
            )
        self.indices = indices.to(device if device is not None else indices.device)
        self.batch_size = batch_size
        self.seed = seed
        self.rank, self.world_size = rank, world_size
        self._kept: tuple[int, Tensor] | None = None  # the current pass and its order

    def at(self, step: int) -> Tensor:
        """Return the indices of one step.

        Args:
            step: 0, 1, 2, ...; any step at any time, in any order.

        Shape: (batch_size / world_size,) int64.

        Raises:
            WorkshopError: a negative step.
        """
        if step < 0:
            raise WorkshopError(f"step={step}: steps count from 0.")
        n = len(self.indices)
        first, past = step * self.batch_size, (step + 1) * self.batch_size
        pieces = []
        for e in range(first // n, (past - 1) // n + 1):
            begin, end = max(first - e * n, 0), min(past - e * n, n)
            pieces.append(self._pass(e)[begin:end])
        batch = torch.cat(pieces)  # (batch_size,)
        return batch[self.rank :: self.world_size]  # (batch_size / world_size,)

    def _pass(self, e: int) -> Tensor:
        """Shuffle the indices for pass e; the last one is kept: steps come in order."""
        if self._kept is None or self._kept[0] != e:
            # Hashed, for neighbouring seeds and passes to give unrelated orders; drawn
            # on the CPU, for every device to give the same one.
            text = f"{self.seed}/{e}".encode()
            number = int.from_bytes(hashlib.sha256(text).digest()[:7], "big")
            generator = torch.Generator().manual_seed(number)
            order = torch.randperm(len(self.indices), generator=generator)  # (n,)
            self._kept = e, self.indices[order.to(self.indices.device)]
        return self._kept[1]
