"""CoMatch's memories: the latest embeddings, pseudo-labels and class frequencies."""

__all__ = ["MemoryQueue", "MovingAverageAlignment", "PseudoLabelMemory"]

import torch
from torch import Tensor, nn

from workshop_lib.losses.alignment import RAREST
from workshop_lib.losses.contrastive import fp32_matmul, similarity
from workshop_lib.ranks import gather_rows, mean_over_ranks


class MemoryQueue(nn.Module):
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
        """
        size = len(self.rows)
        skipped = max(0, len(new) - size)  # they would be overwritten at once
        places = torch.arange(skipped, len(new), device=self.rows.device)
        self.rows[(self.pointer + places) % size] = new[skipped:].to(self.rows.dtype)
        self.pointer.add_(len(new)).remainder_(size)
        self.filled.add_(len(new)).clamp_(max=size)


class MovingAverageAlignment(nn.Module):
    """Divide predictions by their mean over the last batches, as CoMatch does.

        average = mean over the last `batches` batches of mean_i p_i
        q_i = p_i / average, normalised

    The aim of `DistributionAlignment`, which explains it; the average is a plain mean
    over a window and includes the present batch fully. So it acts from the first step,
    and a batch that has left the window is forgotten altogether.

    Source: Li, Xiong and Hoi 2021 (CoMatch, arXiv:2011.11183); the window of 32 is that
    of its implementation.

    Args:
        num_classes: K.
        batches: length of the window. Short: the alignment follows the accidents of
            single batches, and where a batch has fewer images than there are classes
            it forces the missing classes upon it. Long: the average lags behind.

    The window is a buffer and moves on in training mode only, before it is used.
    """

    def __init__(self, num_classes: int, batches: int = 32) -> None:
        super().__init__()
        self.window = MemoryQueue(batches, num_classes)

    def forward(self, probs: Tensor) -> Tensor:
        """Add a batch to the window, then return it aligned.

        Shape: (N, K) -> (N, K), rows sum to 1.
        """
        if self.training:
            self.window.push(mean_over_ranks(probs.mean(dim=0))[None])
        # Rows not written yet are zero and add nothing to the sum.
        average = self.window.rows.sum(dim=0) / self.window.filled.clamp_min(1)  # (K,)
        aligned = probs / average.clamp_min(RAREST)  # (N, K)
        return aligned / aligned.sum(dim=1, keepdim=True)


class PseudoLabelMemory(nn.Module):
    """Remember embeddings with their class probabilities; recall those of neighbours.

    A classifier may be wrong about an image whose neighbours in the embedding it knows
    well. The memory answers with their probabilities, the nearer the more:

        recall(z) = sum_k a_k p_k,    a = softmax_k(z . z_k / temperature)

    Source: Li, Xiong and Hoi 2021 (CoMatch), memory-smoothed pseudo-labels.

    Args:
        size: images that are remembered. Too large, and most of its embeddings come
            from a network that is no longer there; too small, and a rare class is not
            in it.
        embedding_dim: D.
        num_classes: K.

    The memory is a buffer, and the same on all ranks.
    """

    def __init__(self, size: int, embedding_dim: int, num_classes: int) -> None:
        super().__init__()
        self.embedding_dim = embedding_dim
        self.queue = MemoryQueue(size, embedding_dim + num_classes)

    @property
    def embeddings(self) -> Tensor:
        """Shape: (size, D)."""
        return self.queue.rows[:, : self.embedding_dim]

    @property
    def probs(self) -> Tensor:
        """Shape: (size, K)."""
        return self.queue.rows[:, self.embedding_dim :]

    def push(self, z: Tensor, probs: Tensor) -> None:
        """Remember images, those of all ranks, in the order of the global batch.

        Shape: `z` (n, D) of unit length, `probs` (n, K).
        """
        dtype = self.queue.rows.dtype
        self.queue.push(gather_rows(torch.cat([z.to(dtype), probs.to(dtype)], dim=1)))

    @torch.no_grad()
    def smooth(
        self, probs: Tensor, z: Tensor, *, weight: float = 0.9, temperature: float = 0.2
    ) -> Tensor:
        """Mix an opinion with what the memory recalls, once the memory is full.

            weight probs + (1 - weight) recall(z)

        Before that an empty row, which is no neighbour, would take a share of the
        softmax and give no class for it.

        Args:
            probs: the classifier's opinion.
            z: embeddings, of unit length.
            weight: alpha, of the classifier's opinion.
            temperature: how near a neighbour has to be to count.

        Shape: (N, K), (N, D) -> (N, K) without gradient; rows sum to 1.
        """
        near = similarity(z, self.embeddings, temperature)  # (N, size)
        attention = torch.softmax(near, dim=1)
        recalled = fp32_matmul(attention, self.probs)  # (N, K)
        smoothed = weight * probs + (1 - weight) * recalled
        return torch.where(self.queue.is_full, smoothed, probs)
