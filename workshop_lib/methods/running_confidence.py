"""Weights that follow the network's recent confidence: FreeMatch and SoftMatch."""

__all__ = ["FreeMatch", "SoftMatch"]

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.losses.memory import class_mean, ema_update_, per_class, uniform
from workshop_lib.methods.base import TrainingSize, per_head
from workshop_lib.methods.fixmatch import ConsistencyMethod, Guess
from workshop_lib.ranks import gather_rows, mean_over_ranks

HIGHEST = 0.95  # that a clipped threshold can reach
NEVER = 1e-12  # probability of a class that is never predicted, inside a logarithm


class SelfAdaptiveThreshold(nn.Module):
    """A global threshold that follows the mean confidence, and one factor per class.

        tau  <- m tau + (1 - m) mean_i max q_i
        p_k  <- m p_k + (1 - m) mean_i q_ik
        h_k  <- m h_k + (1 - m) fraction of images with argmax q_i = k
        threshold_k = tau p_k / max_j p_j

    Args:
        class_shape: (K,), or (2, K) for several labels per image.
        momentum: m; 0.999 in the paper, 0.99 for a few thousand steps.
        quantile: follow the 0.8 quantile of the confidences, not their mean.
        clip: never above 0.95.

    `confidence` = tau, `probs` = p and `histogram` = h are buffers that start at 1/K
    and change in training mode only, before they are used.
    """

    confidence: Tensor
    probs: Tensor
    histogram: Tensor

    def __init__(
        self,
        class_shape: Sequence[int],
        momentum: float = 0.999,
        quantile: bool = False,
        clip: bool = False,
    ) -> None:
        super().__init__()
        self.momentum, self.quantile, self.clip = momentum, quantile, clip
        self.register_buffer("confidence", torch.tensor(1 / class_shape[0]))
        self.register_buffer("probs", uniform(class_shape))
        self.register_buffer("histogram", uniform(class_shape))

    def forward(self, probs: Tensor) -> Tensor:
        """Learn from a batch, then return the threshold of each guess.

        Shape: (N, K), (N, K, H, W) or (N, 2, K) -> (N,), (N, H, W) or (N, K).
        """
        highest, pseudo = probs.max(dim=1)
        if self.training:
            self._update(probs, highest, pseudo)
        thresholds = self.confidence * self.probs / self.probs.amax(0)  # (K,)
        return per_class(thresholds, pseudo).to(probs.dtype)

    def _update(self, probs: Tensor, highest: Tensor, pseudo: Tensor) -> None:
        everyone = gather_rows(highest)  # of all ranks
        level = everyone.quantile(0.8) if self.quantile else everyone.mean()
        ema_update_(self.confidence, level, self.momentum)
        if self.clip:
            self.confidence.clamp_(max=HIGHEST)
        ema_update_(self.probs, class_mean(probs, self.probs), self.momentum)
        hard = F.one_hot(pseudo, probs.shape[1]).movedim(-1, 1).to(probs.dtype)
        ema_update_(self.histogram, class_mean(hard, self.histogram), self.momentum)


def fairness_loss(
    logits_u_s: Tensor, mask: Tensor, adaptive: SelfAdaptiveThreshold
) -> Tensor:
    """Hold back classes that win more strong views than their probability is worth.

        sum_k w_k log v_k,    w = p / h,    v = mean_i softmax(strong_i) / histogram

    each normalised; the means are over the confident images, the histogram is that of
    the strong views' own hard labels (Wang et al. 2023, eq. 11 and 12). A class whose
    fraction of hard labels is above its mean probability m_k has a small v_k, and since
    the gradient at m_k is (w_k - v_k) / m_k it is pushed down. A class that no
    confident view predicts adds a constant. Zero where no image is confident.

    Shape: `logits_u_s` (N, K), `mask` (N,) -> scalar, at most 0.
    """
    probs = torch.softmax(logits_u_s.to(mask.dtype), dim=1)  # (N, K)
    hard = F.one_hot(probs.argmax(dim=1), probs.shape[1]).to(mask.dtype)  # (N, K)
    weight = (mask > 0).to(mask.dtype)[:, None]  # (N, 1)
    mean, histogram = _global_mean(weight * probs), _global_mean(weight * hard)

    wanted = _ratio(adaptive.probs, adaptive.histogram).to(mask.dtype)
    current = _ratio(mean, histogram)
    loss = (wanted * torch.log(current + NEVER)).sum()
    return torch.where(histogram.sum() > 0, loss, 0)


@dataclass(eq=False)
class FreeMatch(ConsistencyMethod):
    """FixMatch without a threshold to choose: it rises with the network's confidence.

    At the start nothing is confident, and a fixed threshold of 0.95 leaves unlabelled
    images unused; later nearly everything is over it, even the wrong. FreeMatch asks
    for the recent average confidence, less for classes that get little probability. A
    second, small term keeps predictions from gathering in few classes.

        mask_i = 1 if max q_i >= threshold_k with k = argmax q_i,  else 0
        L = ... + lambda_e fairness

    with `SelfAdaptiveThreshold`'s thresholds and `fairness_loss`. The fairness term is
    for scenes only: it pulls the classes towards equal frequency, which neither maps
    nor several labels per image have.

    Source: Wang et al. 2023, "FreeMatch: Self-adaptive Thresholding for Semi-supervised
    Learning", arXiv:2205.07246, eq. 5 to 12.

    Args:
        labeled_view, lambda_u, joint_forward, teacher_decay: see `ConsistencyMethod`.
        momentum: of thresholds and class averages; 0.999. In a short run that is too
            slow: the threshold stays near 1/K and lets every image through.
        quantile: follow the 0.8 quantile of the confidences, not their mean: stricter.
        clip: keep the threshold at or below 0.95.
        lambda_e: weight of the fairness, 0.001 to 0.05. It jumps between about -1 and
            -15 with the classes that a small batch happens to hold: far above 0.05 it
            drowns the rest.
    """

    momentum: float = 0.999
    quantile: bool = False
    clip: bool = False
    lambda_e: float = 0.01

    def setup(self, model: nn.Module, size: TrainingSize) -> None:
        """Start a threshold for every head with classes."""
        super().setup(model, size)
        how = self.momentum, self.quantile, self.clip
        self.adaptive = per_head(
            model, lambda head: SelfAdaptiveThreshold(head.class_shape, *how)
        )

    def select(self, guess: Guess) -> Tensor:
        """Return 1 where the confidence reaches the threshold of its class."""
        adaptive = cast(SelfAdaptiveThreshold, self.adaptive[guess.name])
        mask = guess.probs.amax(dim=1) >= adaptive(guess.probs)
        self.log[f"{guess.name}/threshold"] = adaptive.confidence.clone()
        return mask.to(guess.probs.dtype)

    def unsupervised(self, guesses: list[Guess]) -> Iterator[tuple[str, Tensor]]:
        """Yield the unsupervised term of each head, and of scenes the fairness."""
        yield from super().unsupervised(guesses)
        for name, head, _, step in guesses:
            if len(head.class_shape) == 1 and not head.dense:
                _, mask = self.pseudo_labels[name]
                adaptive = cast(SelfAdaptiveThreshold, self.adaptive[name])
                for out in head.each_network(step.out_s[name]):
                    loss = fairness_loss(out, mask, adaptive)
                    yield f"{name}/fairness", self.lambda_e * loss


class GaussianWeight(nn.Module):
    """Weigh an image by how far its confidence is below the recent average.

        mean <- m mean + (1 - m) mean_i max q_i        (variance likewise, unbiased)
        weight_i = exp(-n^2 min(max q_i - mean, 0)^2 / (2 variance))

    Args:
        class_shape: (K,), or (2, K) for several labels per image; the mean starts at
            1 / class_shape[0], the variance at 1.
        momentum: m; 0.999 in the paper, 0.99 for a few thousand steps.
        n_sigma: n, 2: half a standard deviation below the mean weighs 0.61, one 0.14.

    Both are buffers and change in training mode only, before they are used. A single
    image has no variance: such a batch leaves it as it is.
    """

    mean: Tensor
    variance: Tensor

    def __init__(
        self, class_shape: Sequence[int], momentum: float = 0.999, n_sigma: float = 2.0
    ) -> None:
        super().__init__()
        self.momentum, self.n_sigma = momentum, n_sigma
        self.register_buffer("mean", torch.tensor(1 / class_shape[0]))
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
        labeled_view, lambda_u, joint_forward, teacher_decay: see `ConsistencyMethod`.
        alignment: align the weights as `FixMatch` aligns pseudo-labels; part of the
            method in the paper ("uniform alignment"): rare classes weigh more. Leave it
            out where classes are very unequal.
        momentum: of mean, variance and alignment; 0.999. In a short run that is too
            slow: the mean stays near 1/K and every image weighs 1.
        n_sigma: 2. Larger: steeper, nearer to a threshold at the mean. Smaller: wrong
            pseudo-labels count nearly as much as right ones.
    """

    aligns_from: ClassVar[str] = "first batch"

    alignment: bool = True
    momentum: float = 0.999
    n_sigma: float = 2.0

    def setup(self, model: nn.Module, size: TrainingSize) -> None:
        """Start a weight per head with classes."""
        super().setup(model, size)
        how = self.momentum, self.n_sigma
        self.weigh = per_head(model, lambda h: GaussianWeight(h.class_shape, *how))

    def select(self, guess: Guess) -> Tensor:
        """Return the weight of each guess, by its aligned confidence."""
        probs = self.aligned(guess.name, guess.probs, guess.labeled)
        return self.weigh[guess.name](probs)


def _global_mean(rows: Tensor) -> Tensor:
    """Average over the batch of all ranks, with the gradient of this rank's part."""
    mine = rows.mean(dim=0)
    return mean_over_ranks(mine) + (mine - mine.detach())


def _ratio(probs: Tensor, histogram: Tensor) -> Tensor:
    """Divide by the histogram and normalise; 0 for a class that does not occur."""
    ratio = probs * torch.where(histogram > 0, 1 / histogram, 0)
    return ratio / ratio.sum().clamp_min(NEVER)
