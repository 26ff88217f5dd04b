"""Distribution alignment: keep pseudo-labels from all falling into the easy classes."""

__all__ = ["DistributionAlignment"]

import torch
from torch import Tensor, nn

from workshop_lib.errors import WorkshopError

# A class that is never predicted would end in a division by zero.
RAREST = 1e-6


class DistributionAlignment(nn.Module):
    """Divide predictions by their own running average, so that no class is favoured.

    With few labels a network soon prefers the classes it learnt first; their
    pseudo-labels then feed the preference. Each probability is divided by how often the
    class has been predicted lately, and the row is made to sum to 1 again:

        average <- m average + (1 - m) mean_i p_i,    q_i = p_i / average, normalised

    (Berthelot et al. 2020, ReMixMatch, section 3.1, with a uniform target.) It assumes
    that the classes are about equally frequent among the unlabeled images; where they
    are not, it forces pseudo-labels into rare classes and should be left out.

    Args:
        num_classes: K.
        momentum: m, how slowly the average follows; 0.99 remembers about 100 batches.

    The average starts uniform (the first batches are hardly changed), is a buffer (it
    is saved with a checkpoint and moves with `.to`) and is updated in training mode
    only, before it is used.
    """

    average: Tensor

    def __init__(self, num_classes: int, momentum: float = 0.99) -> None:
        super().__init__()
        if num_classes < 1:
            raise WorkshopError(f"num_classes={num_classes}: it must be at least 1.")
        if not 0 <= momentum < 1:
            raise WorkshopError(
                f"momentum={momentum} of the distribution alignment: it must lie in"
                " [0, 1); 0.99 is usual, 1 would never learn the distribution."
            )
        self.momentum = momentum
        self.register_buffer("average", torch.full((num_classes,), 1 / num_classes))

    def forward(self, probs: Tensor) -> Tensor:
        """Take a batch into the average, then return it aligned.

        Shape: (N, K) -> (N, K), rows sum to 1.

        Raises:
            WorkshopError: another number of classes than the average has.
        """
        if probs.ndim != 2 or probs.shape[1] != len(self.average):
            raise WorkshopError(
                f"probabilities of shape {tuple(probs.shape)} given, but this alignment"
                f" was built for {len(self.average)} classes: expected"
                f" (N, {len(self.average)})."
            )
        if self.training:
            batch_mean = probs.detach().mean(dim=0).to(self.average.dtype)  # (K,)
            self.average.lerp_(batch_mean, 1 - self.momentum)
        # A copy, so that the next update cannot change what autograd still holds.
        aligned = probs / self.average.clamp_min(RAREST)  # (N, K)
        return aligned / aligned.sum(dim=1, keepdim=True)
