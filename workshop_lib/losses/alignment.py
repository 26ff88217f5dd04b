"""Distribution alignment: keep pseudo-labels from all falling into the easy classes."""

__all__ = ["DistributionAlignment"]

from typing import Literal

import torch
from torch import Tensor, nn

from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.losses.running import check_momentum, follow
from workshop_lib.ranks import mean_over_ranks

# A class that is never predicted would end in a division by zero.
RAREST = 1e-6

TARGETS = ("uniform", "labeled")
STARTS = ("uniform", "first batch")


class DistributionAlignment(nn.Module):
    """Divide predictions by their own running average, so that no class is favoured.

    With few labels a network soon prefers the classes it learnt first; their
    pseudo-labels then feed the preference. Each probability is divided by how often the
    class has been predicted lately and multiplied by how often it should be, and the
    row is made to sum to 1 again:

        average <- m average + (1 - m) mean_i p_i
        q_i = p_i target / average, normalised

    (Berthelot et al. 2020, ReMixMatch, section 3.1.) Where the target is wrong, it
    forces pseudo-labels into rare classes and should be left out.

    Args:
        num_classes: K.
        momentum: m, how slowly the average follows; 0.99 remembers about 100 batches.
        target: "uniform": the classes are about equally frequent among the unlabeled
            images. "labeled": as frequent as predicted for the labeled ones, followed
            with the same momentum (AdaMatch).
        start: of the average. "uniform": the first batches are hardly changed. "first
            batch": the first one is aligned fully, as in SoftMatch and AdaMatch.

    The averages are buffers (they are saved with a checkpoint and move with `.to`) and
    are updated in training mode only, before they are used.
    """

    average: Tensor
    wanted: Tensor
    batches: Tensor

    def __init__(
        self,
        num_classes: int,
        momentum: float = 0.99,
        target: Literal["uniform", "labeled"] = "uniform",
        start: Literal["uniform", "first batch"] = "uniform",
    ) -> None:
        super().__init__()
        if num_classes < 1:
            raise WorkshopError(f"num_classes={num_classes}: it must be at least 1.")
        if target not in TARGETS:
            raise unknown_name("target of the alignment", target, TARGETS)
        if start not in STARTS:
            raise unknown_name("start of the alignment", start, STARTS)
        self.momentum = check_momentum(momentum)
        self.target, self.start = target, start
        uniform = torch.full((num_classes,), 1 / num_classes)
        self.register_buffer("average", uniform)
        if target == "labeled":
            self.register_buffer("wanted", uniform.clone())
        if start == "first batch":
            self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def forward(self, probs: Tensor, probs_labeled: Tensor | None = None) -> Tensor:
        """Take a batch into the averages, then return it aligned.

        Shape: (N, K) -> (N, K), rows sum to 1; `probs_labeled` (B, K), needed by the
        target "labeled" alone.

        Raises:
            WorkshopError: another number of classes than the average has, or no
                labeled predictions although they are the target.
        """
        self._check(probs)
        if self.training:
            self._update(probs.detach().mean(dim=0))
            if self.target == "labeled":
                if probs_labeled is None:
                    raise WorkshopError(
                        "this alignment follows the labeled predictions: give them as"
                        " probs_labeled, or build it with target='uniform'."
                    )
                follow(self.wanted, probs_labeled.mean(dim=0), self.momentum)
        return self.divide(probs)

    def divide(self, probs: Tensor) -> Tensor:
        """Return predictions aligned by the averages as they are.

        Shape: (N, K) -> (N, K), rows sum to 1.
        """
        # New tensors: the next update cannot change what autograd still holds.
        ratio = 1 / (self.average + RAREST)  # (K,)
        if self.target == "labeled":
            ratio = ratio * (self.wanted + RAREST)
        aligned = probs * ratio  # (N, K)
        return aligned / aligned.sum(dim=1, keepdim=True)

    def _update(self, batch_mean: Tensor) -> None:
        if self.start == "first batch":
            # Without reading the counter back: a GPU would have to be waited for.
            latest = mean_over_ranks(batch_mean).to(self.average.dtype)
            self.average.copy_(torch.where(self.batches == 0, latest, self.average))
            self.batches += 1
        follow(self.average, batch_mean, self.momentum)

    def _check(self, probs: Tensor) -> None:
        if probs.ndim != 2 or probs.shape[1] != len(self.average):
            raise WorkshopError(
                f"probabilities of shape {tuple(probs.shape)} given, but this alignment"
                f" was built for {len(self.average)} classes: expected"
                f" (N, {len(self.average)})."
            )
