"""Distribution alignment: keep pseudo-labels from all falling into the easy classes.

Probabilities have their classes in dimension 1, whatever they are about: scenes (B, K),
pixels (B, K, H, W), or several labels per image (B, 2, K), where each label has two
classes, absent and present. What is remembered per class has the shape of one
prediction without batch and pixels: (K,), or (2, K).
"""

__all__ = ["DistributionAlignment"]

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from workshop_lib.ranks import mean_over_ranks

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
