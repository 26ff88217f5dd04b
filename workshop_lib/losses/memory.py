"""What methods remember: class frequencies, recent embeddings and pseudo-labels.

Distribution alignment keeps pseudo-labels from all falling into the easy classes;
CoMatch's memory lets neighbours outvote an odd answer.

Probabilities have their classes in dimension 1, whatever they are about: scenes (B, K),
pixels (B, K, H, W), or several labels per image (B, 2, K), where each label has two
classes, absent and present. What is remembered per class has the shape of one
prediction without batch and pixels: (K,), or (2, K).
"""

__all__ = ["DistributionAlignment", "MovingAverageAlignment", "PseudoLabelMemory"]

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from workshop_lib.losses.contrastive import fp32_matmul, similarity
from workshop_lib.ranks import gather_rows, mean_over_ranks

# A class that is never predicted would end in a division by zero.
RAREST = 1e-6


def uniform(class_shape: Sequence[int]) -> Tensor:
    """Return equally likely classes: (K,) of 1/K, or (2, K) of 1/2.

    >>> uniform((4,))
    tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """
    return torch.full(tuple(class_shape), 1 / class_shape[0])


def class_mean(probs: Tensor, like: Tensor) -> Tensor:
    """Average predictions over the batch, and over pixels where there are any.

    Shape: (B, K), (B, K, H, W) or (B, 2, K) -> that of `like`: (K,) or (2, K).
    """
    return probs.mean(dim=(0, *range(like.ndim + 1, probs.ndim)))


def per_class(values: Tensor, classes: Tensor) -> Tensor:
    """Look up a value for each predicted class.

    Shape: (K,) and (B,) or (B, H, W); or (2, K) and (B, K) -> that of `classes`.

    >>> per_class(torch.tensor([0.5, 0.9]), torch.tensor([1, 0, 1]))
    tensor([0.9000, 0.5000, 0.9000])
    """
    return values[classes] if values.ndim == 1 else values.gather(0, classes)


@torch.no_grad()
def ema_update_(average: Tensor, latest: Tensor, momentum: float) -> None:
    """Move an exponential moving average towards a batch's value, in place.

        average <- m average + (1 - m) latest

    Args:
        average: a buffer of a method or a loss.
        latest: the value of this rank's part of the batch; averaged over all ranks.
        momentum: m. 0.99 remembers about 100 steps, 0.999 about 1,000.

    Shape: any, the same for both.
    """
    average.lerp_(mean_over_ranks(latest).to(average.dtype), 1 - momentum)


class DistributionAlignment(nn.Module):
    """Divide predictions by their own moving average, so that no class is favoured.

    With few labels a network soon prefers the classes it learned first; their
    pseudo-labels then feed the preference. Each probability is divided by how often the
    class has been predicted lately and multiplied by how often it should be, and the
    result is normalised:

        average <- m average + (1 - m) mean_i p_i
        q_i = p_i target / average, normalised

    (Berthelot et al. 2020, ReMixMatch, arXiv:1911.09785, section 3.1.) Where the target
    is wrong, it forces pseudo-labels into rare classes and should be left out.

    Args:
        class_shape: (K,), or (2, K) for several labels per image.
        momentum: m, how slowly the average follows; 0.99 remembers about 100 batches.
        target: "prior": how frequent the classes are, known beforehand. "labeled": as
            frequent as predicted for the labelled images, followed with the same
            momentum (AdaMatch).
        start: of the average. "uniform": the first batches are hardly changed. "first
            batch": the first one is aligned fully, as in SoftMatch and AdaMatch.
        prior: class frequencies of `class_shape`; None for equally frequent classes.

    The averages are buffers (saved with a checkpoint, moved by `.to`) and are updated
    in training mode only, before they are used.
    """

    average: Tensor
    wanted: Tensor
    batches: Tensor

    def __init__(
        self,
        class_shape: Sequence[int],
        momentum: float = 0.99,
        target: Literal["prior", "labeled"] = "prior",
        start: Literal["uniform", "first batch"] = "uniform",
        prior: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.momentum, self.target, self.start = momentum, target, start
        even = uniform(class_shape)
        self.register_buffer("average", even)
        self.register_buffer("wanted", even.clone() if prior is None else prior.clone())
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def forward(self, probs: Tensor, probs_labeled: Tensor | None = None) -> Tensor:
        """Update the averages with a batch, then return it aligned.

        Shape: (B, K), (B, K, H, W) or (B, 2, K) -> the same; sums to 1 over dimension
        1. `probs_labeled`, only read with the target "labeled", likewise.
        """
        if self.training:
            mean = class_mean(probs, self.average)
            if self.start == "first batch":
                # Without reading the counter back, which would make a GPU wait.
                first = mean_over_ranks(mean).to(self.average.dtype)
                self.average.copy_(torch.where(self.batches == 0, first, self.average))
            self.batches += 1
            ema_update_(self.average, mean, self.momentum)
            if self.target == "labeled" and probs_labeled is not None:
                labeled = class_mean(probs_labeled, self.wanted)
                ema_update_(self.wanted, labeled, self.momentum)
        return self.divide(probs)

    def divide(self, probs: Tensor) -> Tensor:
        """Return predictions aligned by the averages as they are now."""
        # New tensors: the next update cannot change what autograd still holds.
        ratio = (self.wanted + RAREST) / (self.average + RAREST)  # (K,) or (2, K)
        ratio = ratio.view(1, *ratio.shape, *(1,) * (probs.ndim - 1 - ratio.ndim))
        aligned = probs * ratio
        return aligned / aligned.sum(dim=1, keepdim=True)


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
