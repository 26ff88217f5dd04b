"""SoftMatch: no image is thrown away, less confident ones weigh less."""

__all__ = ["GaussianWeight", "SoftMatch"]

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workshop_lib.losses.alignment import check_momentum, ema_update_
from workshop_lib.methods.base import TrainingSize, check_ranges, heads_of
from workshop_lib.methods.fixmatch import ConsistencyMethod, Guess, alignments
from workshop_lib.ranks import gather_rows


class GaussianWeight(nn.Module):
    """Weigh an image by how far its confidence is below the recent average.

        mean <- m mean + (1 - m) mean_i max q_i        (variance likewise, unbiased)
        weight_i = exp(-n^2 min(max q_i - mean, 0)^2 / (2 variance))

    Args:
        num_classes: K; the mean starts at 1/K, the variance at 1.
        momentum: m; 0.999 in the paper, 0.99 for a few thousand steps.
        n_sigma: n, 2: half a standard deviation below the mean weighs 0.61, one 0.14.

    Both are buffers and change in training mode only, before they are used. A single
    image has no variance: such a batch leaves it as it is.
    """

    mean: Tensor
    variance: Tensor

    def __init__(
        self, num_classes: int, momentum: float = 0.999, n_sigma: float = 2.0
    ) -> None:
        super().__init__()
        self.momentum = check_momentum(momentum)
        self.n_sigma = n_sigma
        self.register_buffer("mean", torch.tensor(1 / num_classes))
        self.register_buffer("variance", torch.tensor(1.0))

    def forward(self, probs: Tensor) -> Tensor:
        """Learn from a batch, then return the weight of each guess.

        Shape: (N, K), (N, K, H, W) or (N, 2, K) -> (N,), (N, H, W) or (N, K).
        """
        confidence = probs.amax(dim=1)
        if self.training:
            everyone = gather_rows(confidence)  # of all ranks
            ema_update_(self.mean, everyone.mean(), self.momentum)
            if everyone.numel() > 1:
                ema_update_(self.variance, everyone.var(), self.momentum)
        below = (confidence - self.mean).clamp(max=0)
        # All alike for long: a variance of 0, and those at the mean weigh 1, not NaN.
        variance = self.variance.clamp_min(torch.finfo(probs.dtype).tiny)
        return torch.exp(-(below**2) / (2 * variance / self.n_sigma**2)).to(probs.dtype)


@dataclass(eq=False)
class SoftMatch(ConsistencyMethod):
    """FixMatch with a soft threshold: a weight that falls off below average confidence.

    A high threshold uses few pseudo-labels, mostly right; a low one many, often wrong.
    SoftMatch uses all and lets those below the recent average confidence count less, by
    the tail of a Gaussian. As the network grows more confident the Gaussian moves up
    and narrows, so that the wrong ones fade out by themselves.

        L = 1/B sum_b H(y_b, f(weak(x_b)))
          + lambda_u / (mu B) sum_i weight_i H(argmax q_i, f(strong(u_i)))
        q_i = softmax(f(weak(u_i)))

    with `GaussianWeight`'s weights of the aligned q_i. Alignment decides how much an
    image weighs, not what it is called.

    Source: Chen et al. 2023, "SoftMatch: Addressing the Quantity-Quality Trade-off in
    Semi-supervised Learning", arXiv:2301.10921, eq. 6 to 10.

    Args:
        labeled_view, lambda_u, joint_forward: see `ConsistencyMethod`.
        alignment: align the weights as `FixMatch` aligns pseudo-labels; part of the
            method in the paper ("uniform alignment"): rare classes weigh more. Leave it
            out where classes are very unequal.
        momentum: of mean, variance and alignment; 0.999. In a short run that is too
            slow: the mean stays near 1/K and every image weighs 1.
        n_sigma: 2. Larger: steeper, nearer to a threshold at the mean. Smaller: wrong
            pseudo-labels count nearly as much as right ones.
    """

    alignment: bool = True
    momentum: float = 0.999
    n_sigma: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(self, positive=["n_sigma"])
        self.align, self.weigh = nn.ModuleDict(), nn.ModuleDict()

    def setup(self, model: nn.Module, size: TrainingSize) -> None:
        """Start a weight, and an alignment if asked for, per head with classes."""
        if self.alignment:
            self.align = alignments(model, self.momentum, start="first batch")
        for name, head in heads_of(model):
            if head.class_shape:
                self.weigh[name] = GaussianWeight(
                    head.class_shape[0], self.momentum, self.n_sigma
                )

    def select(self, guess: Guess) -> Tensor:
        """Return the weight of each guess, by its aligned confidence."""
        probs = guess.probs
        if guess.name in self.align:
            probs = self.align[guess.name](probs, guess.labeled)
        weight: Tensor = self.weigh[guess.name](probs)
        return weight
