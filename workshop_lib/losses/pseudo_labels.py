"""Pseudo-label, mask, consistency: the three steps that FixMatch-like methods share.

Classes are in dimension 1: logits (B, K) of scenes or (B, K, H, W) of pixels.
Everything is computed in float32 or finer, even where mixed precision hands over
half-precision logits: a confidence near the threshold must not depend on rounding.
"""

__all__ = [
    "FixMatchLoss",
    "RampUp",
    "confidence_mask",
    "consistency_loss",
    "fixmatch_loss",
    "pseudo_label",
    "sharpen",
]

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.ranks import mean_over_ranks


def at_least_fp32(values: Tensor) -> Tensor:
    """Return half-precision values as float32, finer ones as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


class FixMatchLoss(NamedTuple):
    """The loss of one step and its parts; only the first three carry gradient."""

    total: Tensor  # scalar
    supervised: Tensor  # scalar
    unsupervised: Tensor  # scalar
    pseudo_labels: Tensor  # (mu*B,)
    mask: Tensor  # (mu*B,)


def fixmatch_loss(
    logits_x: Tensor,
    y: Tensor,
    logits_u_w: Tensor,
    logits_u_s: Tensor,
    threshold: float = 0.95,
    temperature: float = 1.0,
    lambda_u: float = 1.0,
) -> FixMatchLoss:
    """Compute FixMatch's loss from logits: the whole idea on one screen.

    Gradient flows through `logits_x` and `logits_u_s` only. `FixMatch` computes the
    same for every kind of head.

    Shape: `logits_x` (B, K), `y` (B,), `logits_u_w` and `logits_u_s` (mu*B, K) ->
    `FixMatchLoss`.

    Source: Sohn et al. 2020, arXiv:2001.07685, eq. 3 and 4.

    >>> x, weak, strong = torch.eye(3), 9 * torch.eye(3), torch.zeros(3, 3)
    >>> fixmatch_loss(x, torch.arange(3), weak, strong).mask
    tensor([1., 1., 1.])
    """
    supervised = F.cross_entropy(at_least_fp32(logits_x), y)

    probs = pseudo_label(logits_u_w, temperature)  # (mu*B, K), no gradient
    pseudo_labels = probs.argmax(dim=1)  # (mu*B,)
    mask = confidence_mask(probs, threshold)  # (mu*B,)
    unsupervised = consistency_loss(logits_u_s, pseudo_labels, mask)

    total = supervised + lambda_u * unsupervised
    return FixMatchLoss(total, supervised, unsupervised, pseudo_labels, mask)


def pseudo_label(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Return the model's own class probabilities as a target, without gradient.

    The result is the soft pseudo-label; its `argmax` over classes is the hard one.
    Detached, because a target that could be moved would be moved: the network would
    lower the loss by making its pseudo-labels agree instead of its predictions.

    Args:
        logits: scores of the weak view.
        temperature: divides the logits. From 0 to 1 it sharpens, above 1 it flattens:
            it changes the confidence, never the order of the classes.

    Shape: (B, K, ...) -> the same, sums to 1 over dimension 1.
    """
    return torch.softmax(at_least_fp32(logits.detach()) / temperature, dim=1)


def sharpen(probs: Tensor, temperature: float) -> Tensor:
    """Raise probabilities to the power 1/temperature and normalise them.

    Of a softmax it gives the softmax of the logits divided by the temperature; it is
    for probabilities that have been changed since (aligned, smoothed).

    Shape: (B, K, ...) -> the same, sums to 1 over dimension 1.
    """
    return torch.softmax(probs.log() / temperature, dim=1)  # a power, by its logarithm


def confidence_mask(probs: Tensor, threshold: float) -> Tensor:
    """Return 1 where the largest probability reaches the threshold, else 0.

    Reaching is enough (>=), as in the reference implementations.

    Shape: (B, K, ...) in [0, 1] -> (B, ...) of the same type.
    """
    return (probs.amax(dim=1) >= threshold).to(probs.dtype)


def consistency_loss(logits_strong: Tensor, pseudo: Tensor, mask: Tensor) -> Tensor:
    """Ask the strong view for the answer of the weak view, where that was confident.

        1/N sum_i mask_i H(pseudo_i, softmax(logits_strong_i))    (Sohn et al., eq. 4)

    The mean is over all N images, not over the confident ones: while few are confident,
    the labelled images lead, and the weight of the unlabelled ones grows by itself.

    Args:
        logits_strong: scores of the strong view; the only argument with gradient.
        pseudo: hard labels, or one distribution per image.
        mask: weight of each image in [0, 1].

    Shape: (N, K), (N,) int64 or (N, K) float, (N,) -> scalar.
    """
    logits = at_least_fp32(logits_strong)
    per_image = F.cross_entropy(logits, pseudo.detach(), reduction="none")  # (N,)
    return (per_image * mask.detach()).mean()


def masked_mean(loss: Tensor, weight: Tensor, visible: Tensor | None = None) -> Tensor:
    """Average element-wise losses by weight, over everything that is visible.

    As in `consistency_loss` the mean is over all elements, not over the confident ones.
    Pixels that cutout hides cannot be compared with anything: they do not count.

    Args:
        loss: one value per image, pixel or label.
        weight: in [0, 1], of the same shape.
        visible: 1 or 0, of the same shape; None if everything is visible. Counted over
            all ranks.

    Shape: three of the same shape -> scalar.
    """
    if visible is None:
        return (loss * weight).mean()
    return weighted_mean(loss * weight, visible)


def weighted_mean(loss: Tensor, weight: Tensor) -> Tensor:
    """Average element-wise losses by weight, which is added up over all ranks.

    Where all weights are 0 the mean is 0 with a gradient of 0, not NaN.

    Shape: two of the same shape -> scalar.
    """
    count = mean_over_ranks(weight.sum().to(loss.dtype))
    return (loss * weight).sum() / count.clamp_min(torch.finfo(loss.dtype).tiny)


class RampUp(nn.Module):
    """Factor for the weight of unlabelled images, by the number of steps done.

    In the first steps the network knows nothing, and what it believes about unlabelled
    images is worth nothing. A confidence threshold keeps such images out by itself; a
    method without one has to wait.

        t = min(1, step / length)
        linear: t          (Lee 2013, eq. 16)
        bell:   exp(-5 (1 - t)^2)          (Laine and Aila 2017, section 3)

    Args:
        length: steps until the factor is 1; 0 is 1 from the start.
        shape: "linear", or "bell": slower at first, from 0.007.

    The step is a buffer: a resumed training continues where it stopped.
    """

    step: Tensor

    def __init__(
        self, length: float, shape: Literal["linear", "bell"] = "linear"
    ) -> None:
        super().__init__()
        self.length, self.shape = length, shape
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def forward(self) -> Tensor:
        """Return the factor, a scalar in [0, 1] on the buffer's device."""
        if self.length == 0:
            return torch.ones((), device=self.step.device)
        t = (self.step / self.length).clamp(max=1)
        return t if self.shape == "linear" else torch.exp(-5 * (1 - t) ** 2)

    def advance(self) -> None:
        """Count one step of the optimiser."""
        self.step += 1
