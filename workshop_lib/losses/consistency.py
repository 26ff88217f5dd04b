"""Pseudo-label, mask, consistency: the three moves that FixMatch and its kin share.

Letters: N = mu*B unlabeled images, K classes. Everything is computed in float32 or
finer, also where mixed precision hands over half-precision logits: a confidence near
the threshold must not be decided by rounding.
"""

__all__ = [
    "confidence_mask",
    "consistency_loss",
    "pseudo_label",
    "sharpen",
    "supervised_loss",
]

import torch
from torch import Tensor
from torch.nn import functional as F

from workshop_lib.errors import WorkshopError
from workshop_lib.losses.precise import at_least_float32


def supervised_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy of labeled images.

    Shape: `logits` (B, K), `labels` (B,) int64 in 0..K-1 -> scalar.
    """
    return F.cross_entropy(at_least_float32(logits), labels)


def pseudo_label(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Return what the model believes about images nobody labeled, cut from the graph.

    The result is the soft pseudo-label; its `argmax` over classes is the hard one.
    Detached, because a target that could be moved would be moved: the network would
    lower the loss by making its pseudo-labels agree instead of its predictions.

    Args:
        logits: scores of the weak view.
        temperature: divides the logits. Below 1 sharpens, above 1 flattens: it moves
            the confidence, never the order of the classes.

    Shape: (N, K) -> (N, K), rows sum to 1, no gradient.

    Raises:
        WorkshopError: temperature is not positive.
    """
    _check_temperature(temperature)
    return torch.softmax(at_least_float32(logits.detach()) / temperature, dim=-1)


def sharpen(probs: Tensor, temperature: float) -> Tensor:
    """Raise probabilities to the power 1/temperature and make them sum to 1 again.

    Of a softmax it gives the softmax of the logits divided by the temperature; it is
    for probabilities that have been changed since (aligned, smoothed).

    Shape: (N, K) -> (N, K), rows sum to 1.

    Raises:
        WorkshopError: temperature is not positive.
    """
    _check_temperature(temperature)
    return torch.softmax(probs.log() / temperature, dim=-1)  # a power, by its logarithm


def confidence_mask(probs: Tensor, threshold: float) -> Tensor:
    """Return 1 where the largest probability reaches the threshold, else 0.

    Reaching is enough (>=), as in the reference implementations.

    Shape: `probs` (N, K) in [0, 1] -> (N,) of the same type.
    """
    return (probs.amax(dim=-1) >= threshold).to(probs.dtype)  # (N,)


def consistency_loss(logits_strong: Tensor, pseudo: Tensor, mask: Tensor) -> Tensor:
    """Ask the strong view for the answer that the weak view gave, where that was sure.

    1/N sum_i mask_i H(pseudo_i, softmax(logits_strong_i))     (Sohn et al. 2020, eq. 4)

    The mean runs over all N images, not over the confident ones: while few are
    confident, the labeled images lead, and the weight of the unlabeled ones grows by
    itself.

    Args:
        logits_strong: scores of the strong view; the only argument with gradient.
        pseudo: hard labels, or one distribution per image.
        mask: weight of each image in [0, 1].

    Shape: (N, K), (N,) int64 or (N, K) float, (N,) -> scalar.

    Raises:
        WorkshopError: the three do not speak of the same N images or K classes.
    """
    N, K = logits_strong.shape
    if pseudo.shape not in ((N,), (N, K)) or mask.shape != (N,):
        raise WorkshopError(
            f"logits {(N, K)}, pseudo-labels {tuple(pseudo.shape)} and mask"
            f" {tuple(mask.shape)} do not fit: expected pseudo-labels {(N,)} or"
            f" {(N, K)} and a mask {(N,)}."
        )
    logits = at_least_float32(logits_strong)
    per_image = F.cross_entropy(logits, pseudo.detach(), reduction="none")  # (N,)
    return (per_image * mask.detach()).mean()


def _check_temperature(temperature: float) -> None:
    if temperature <= 0:
        raise WorkshopError(
            f"temperature={temperature}: it must be above 0; 1 leaves the softmax as it"
            " is, 0.5 sharpens it."
        )
