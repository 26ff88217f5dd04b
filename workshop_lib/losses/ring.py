"""The latest rows, in a buffer of fixed size: what queues and windows are made of."""

__all__ = ["Ring"]

import torch
from torch import Tensor, nn

from workshop_lib.errors import WorkshopError


class Ring(nn.Module):
    """Keep the latest `size` rows; a new row takes the place of the oldest.

    Rows, pointer and count are buffers, so they are saved with a checkpoint and move
    with `.to`. Nothing is read back from the device: a GPU never has to be waited for.

    Args:
        size: rows that are kept.
        width: numbers in a row.
    """

    rows: Tensor  # (size, width); zeros where nothing has been written yet
    pointer: Tensor  # where the next row goes
    filled: Tensor  # rows that have been written, at most `size`

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        if size < 1 or width < 1:
            raise WorkshopError(
                f"a memory of {size} rows of {width} numbers: both must be at least 1."
            )
        self.register_buffer("rows", torch.zeros(size, width))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.int64))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))

    @property
    def is_full(self) -> Tensor:
        """A bool scalar on the device: every row has been written."""
        return self.filled == len(self.rows)

    @torch.no_grad()
    def push(self, new: Tensor) -> None:
        """Write rows, the last one being the latest. Their number is free.

        Shape: (n, width).

        Raises:
            WorkshopError: rows of another width.
        """
        size, width = self.rows.shape
        if new.ndim != 2 or new.shape[1] != width:
            raise WorkshopError(
                f"rows of shape {tuple(new.shape)} given to a memory of (n, {width})."
            )
        skipped = max(0, len(new) - size)  # they would be overwritten at once
        places = torch.arange(skipped, len(new), device=self.rows.device)
        self.rows[(self.pointer + places) % size] = new[skipped:].to(self.rows.dtype)
        self.pointer.add_(len(new)).remainder_(size)
        self.filled.add_(len(new)).clamp_(max=size)
