"""FixMatch with one thing changed: AdaMatch, SoftMatch, DeFixMatch."""

__all__ = ["AdaMatch", "DeFixMatch", "GaussianWeight", "SoftMatch"]

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from workshop_lib.losses.alignment import DistributionAlignment, ema_update_
from workshop_lib.losses.pseudo_labels import masked_mean
from workshop_lib.methods.base import (
    Batch,
    TrainingSize,
    alignments,
    forward_views,
    heads_of,
    per_head,
)
from workshop_lib.methods.fixmatch import ConsistencyMethod, FixMatch, Guess, Step
from workshop_lib.models.heads import Head
from workshop_lib.ranks import gather_rows, mean_over_ranks


@dataclass(eq=False)
class AdaMatch(ConsistencyMethod):
    """FixMatch whose threshold and class balance come from the labelled images.

    How confident a network can be depends on the step, the images and the number of
    classes; the labelled images tell. An unlabelled one counts if it reaches a fraction
    of their mean confidence. Pseudo-labels are aligned with how often each class is
    predicted for labelled images, so the classes need not be equally frequent. Made for
    unlabelled images of another region or sensor, it works for the same one too.

        mask_i = 1 if max q_i >= threshold mean_b max softmax f(weak(x_b))  else 0
        q_i = softmax(f(weak(u_i))) labelled average / unlabelled average, normalised

    Source: Berthelot et al. 2021, "AdaMatch: A Unified Approach to Semi-Supervised
    Learning and Domain Adaptation", arXiv:2106.04732, eq. 2 to 6, as common
    implementations have it: without the paper's random interpolation of logits
    (labelled ones with and without the unlabelled images in their batch statistics),
    with one labelled view, a constant lambda_u, and moving averages in the alignment.

    Args:
        labeled_view, lambda_u, joint_forward: see `ConsistencyMethod`.
        threshold: fraction of the labelled confidence that counts; 0.9. With few
            labels, soon memorised, that confidence nears 1 and this is a fixed
            threshold.
        momentum: of the alignment's averages; 0.999, less in a short run.
    """

    threshold: float = 0.9
    momentum: float = 0.999

    def setup(self, model: nn.Module, size: TrainingSize) -> None:
        """Start an alignment with the labelled predictions per head with classes."""
        self.align = alignments(
            model, self.momentum, target="labeled", start="first batch"
        )

    def probabilities(self, name: str, head: Head, step: Step) -> Tensor:
        """Return the weak view's probabilities, aligned with the labelled ones."""
        probs, labeled = (head.probabilities(o[name]) for o in (step.out_w, step.out_x))
        return self.aligned(name, probs, labeled)

    def select(self, guess: Guess) -> Tensor:
        """Return 1 where the confidence reaches its fraction of the labelled one."""
        reached = mean_over_ranks(guess.labeled.amax(dim=1).mean())
        self.log[f"{guess.name}/threshold"] = self.threshold * reached
        mask = guess.probs.amax(dim=1) >= self.threshold * reached
        return mask.to(guess.probs.dtype)


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
        self.momentum, self.n_sigma = momentum, n_sigma
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

    def setup(self, model: nn.Module, size: TrainingSize) -> None:
        """Start a weight, and an alignment if asked for, per head with classes."""
        if self.alignment:
            self.align = alignments(model, self.momentum, start="first batch")
        how = self.momentum, self.n_sigma
        self.weigh = per_head(
            model, lambda head: GaussianWeight(head.class_shape[0], *how)
        )

    def select(self, guess: Guess) -> Tensor:
        """Return the weight of each guess, by its aligned confidence."""
        probs = self.aligned(guess.name, guess.probs, guess.labeled)
        weight: Tensor = self.weigh[guess.name](probs)
        return weight


@dataclass(eq=False)
class DeFixMatch(FixMatch):
    """Subtract on labelled images what consistency adds without looking at labels.

    FixMatch's unlabelled term pulls the loss away from the supervised one, however many
    labels there are: with wrong pseudo-labels it can end worse than without unlabelled
    images. Subtracting the same term on the labelled images leaves, on average over
    draws, the supervised loss, so that unlabelled images can only lower its variance.
    The strong view of labelled images is trained on too, which the subtraction cancels.

        L = 1/(2B) sum_b [H(y_b, f(weak(x_b))) + H(y_b, f(strong(x_b)))]
          + lambda_u [1/(mu B) sum_i h(u_i) - 1/B sum_b h(x_b)]
        h(v) = 1[max q >= threshold] H(argmax q, f(strong(v))),  q = softmax(f(weak(v)))

    Source: Schmutz, Humbert and Mattei 2023, "Don't fear the unlabelled: safe
    semi-supervised learning via debiasing", arXiv:2203.07512. The proof is about
    labelled images drawn like the unlabelled ones, and many; with four per class,
    memorised after a few hundred steps, h(x) is nearly the supervised loss of the
    strong view.

    Args:
        threshold, alignment, momentum, temperature, joint_forward: see `FixMatch`.
        labeled_view: not read: labelled images are seen in both views.
        lambda_u: weight of the unlabelled and of the subtracted term, 1/2: then known
            labels cancel exactly in the labelled strong view. Above it, that view is
            pushed away from its own labels, and the loss has no lower bound.
    """

    lambda_u: float = 0.5

    @property
    def labeled_views(self) -> tuple[str, ...]:
        """Labelled images are seen weakly and strongly."""
        return ("weak", "strong")

    def losses(self, model: nn.Module, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield supervised, unsupervised and subtracted terms per head."""
        (x_weak, x_strong), (weak, strong) = batch.labeled, batch.views
        (out_x_w, out_x_s, out_s), (out_w,) = forward_views(
            model, [x_weak, x_strong, strong], [weak], joint=self.joint_forward
        )
        for out in (out_x_w, out_x_s):
            for name, loss in self.supervised(model, out, batch.targets):
                yield name, loss / 2
        guesses = self.guesses(model, Step(batch, out_x_w, out_w, out_s))
        yield from self.unsupervised(guesses)
        yield from self._subtracted(model, Step(batch, out_x_w, out_x_w, out_x_s))

    def _subtracted(self, model: nn.Module, step: Step) -> Iterator[tuple[str, Tensor]]:
        """Yield the unsupervised term on labelled images, with a minus sign."""
        for name, head in heads_of(model):
            probs = head.probabilities(step.out_w[name], self.temperature)
            if name in self.align:  # by the average of unlabelled images
                probs = cast(DistributionAlignment, self.align[name]).divide(probs)
            target, weight = self.answer(Guess(name, head, probs, step))
            loss = masked_mean(head.loss(step.out_s[name], target), weight)
            self.log[f"{name}/subtracted"] = loss.detach()
            yield f"{name}/subtracted", -self.lambda_u * loss
