"""A memory of images seen lately, and what they say about a new one."""

__all__ = ["PseudoLabelMemory"]

import torch
from torch import Tensor, nn

from workshop_lib.losses.precise import precise_matmul, similarity
from workshop_lib.losses.ring import Ring
from workshop_lib.ranks import gather_rows


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
        self.ring = Ring(size, embedding_dim + num_classes)

    @property
    def embeddings(self) -> Tensor:
        """Shape: (size, D)."""
        return self.ring.rows[:, : self.embedding_dim]

    @property
    def probs(self) -> Tensor:
        """Shape: (size, K)."""
        return self.ring.rows[:, self.embedding_dim :]

    def push(self, z: Tensor, probs: Tensor) -> None:
        """Remember images, those of all ranks, in the order of the global batch.

        Shape: `z` (n, D) of unit length, `probs` (n, K).
        """
        dtype = self.ring.rows.dtype
        self.ring.push(gather_rows(torch.cat([z.to(dtype), probs.to(dtype)], dim=1)))

    @torch.no_grad()
    def smooth(
        self,
        probs: Tensor,
        z: Tensor,
        *,
        weight: float = 0.9,
        temperature: float = 0.2,
        ready: bool | None = None,
    ) -> Tensor:
        """Mix an opinion with what the memory recalls, once the memory is full.

            weight probs + (1 - weight) recall(z)

        Args:
            probs: the classifier's opinion.
            z: embeddings, of unit length.
            weight: alpha, of the classifier's opinion.
            temperature: how near a neighbour has to be to count.
            ready: None waits until the memory is full, because an empty row is no
                neighbour: it would take a share of the softmax and give no class for
                it. True and False overrule that, to compare with implementations that
                decide by counting steps in an epoch.

        Shape: (N, K), (N, D) -> (N, K) without gradient; rows sum to 1.
        """
        near = similarity(z, self.embeddings, temperature)  # (N, size)
        attention = torch.softmax(near, dim=1)
        recalled = precise_matmul(attention, self.probs)  # (N, K)
        smoothed = weight * probs + (1 - weight) * recalled
        if ready is None:
            return torch.where(self.ring.is_full, smoothed, probs)
        return smoothed if ready else probs
