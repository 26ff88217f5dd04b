"""Pseudo-label, mask, consistency: the three steps that FixMatch-like methods share.

The losses of labelled maps stand beside them: cross-entropy, focal and Dice.

Classes are in dimension 1: logits (B, K) of scenes or (B, K, H, W) of pixels.
Everything is computed in float32 or finer, even where mixed precision hands over
half-precision logits: a confidence near the threshold must not depend on rounding.
"""

__all__ = [
    "confidence_mask",
    "dice_loss",
    "fixmatch_loss",
    "focal_loss",
    "pseudo_label",
    "segmentation_loss",
    "sharpen",
]

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from workshop_lib.errors import unknown_name
from workshop_lib.pixels import IGNORE
from workshop_lib.ranks import mean_over_ranks, sum_over_ranks


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


def pixel_cross_entropy(
    logits: Tensor, masks: Tensor, weights: Tensor | None = None
) -> Tensor:
    """Return the cross-entropy, averaged over the known pixels.

        sum_i w_(y_i) H(y_i, p_i) / sum_i w_(y_i)

    Args:
        logits: scores of each pixel.
        masks: class of each pixel, or `IGNORE`.
        weights: (K,) what a pixel of each class counts; None for 1. See
            `class_weights` of `workshop_lib.data.tiles`.

    Shape: (B, K, H, W), (B, H, W) -> scalar.
    """
    return weighted_mean(*_loss_and_weight(logits, masks, weights))


def focal_loss(
    logits: Tensor, masks: Tensor, weights: Tensor | None = None, gamma: float = 2.0
) -> Tensor:
    """Return a cross-entropy in which pixels that are right already count little.

        (1 - p_y)^gamma H(y, p), averaged as in `pixel_cross_entropy`

    Most pixels of a tile are easy, and together they outvote the few at borders and of
    rare classes. Source: Lin et al. 2017, "Focal Loss for Dense Object Detection".

    Args:
        logits, masks, weights: as in `pixel_cross_entropy`.
        gamma: 0 is the cross-entropy, 2 the paper's choice.
    """
    loss, weight = _loss_and_weight(logits, masks, weights)
    # 1 - exp(-loss), exact near 0; not below it, where a power has no gradient
    wrong = (-torch.expm1(-loss)).clamp_min(_tiny(loss))
    return weighted_mean(wrong**gamma * loss, weight)


def dice_loss(
    logits: Tensor, masks: Tensor, weights: Tensor | None = None, smooth: float = 1.0
) -> Tensor:
    """Return 1 - Dice: how little predicted and true areas overlap, class by class.

        1 - (2 sum_i p_ik y_ik + s) / (sum_i p_ik + sum_i y_ik + s)

    The sums run over the known pixels of the whole batch, the mean over the classes
    that occur in it: a rare class counts as much as a common one. Source: Milletari et
    al. 2016, "V-Net".

    Args:
        logits, masks: as in `pixel_cross_entropy`.
        weights: (K,) what each class counts in the mean; None for 1.
        smooth: s, in pixels: keeps a class of a few pixels from making jumps.
    """
    scores, y, known = _pixels(logits, masks)
    probs = scores.softmax(dim=1) * known[:, None]  # (B*H*W, K)
    truth = F.one_hot(y, scores.shape[1]) * known[:, None]
    sums = torch.stack([(probs * truth).sum(0), probs.sum(0), truth.sum(0)])
    both, predicted, area = sum_over_ranks(sums)  # (K,) each
    dice = (2 * both + smooth) / (predicted + area + smooth)
    weight = (area > 0).to(dice.dtype)
    if weights is not None:
        weight = weight * weights.to(dice.dtype)
    return ((1 - dice) * weight).sum() / weight.sum().clamp_min(_tiny(dice))


def _cross_entropy_and_dice(
    logits: Tensor, masks: Tensor, weights: Tensor | None = None
) -> Tensor:
    dice = dice_loss(logits, masks, weights)
    return pixel_cross_entropy(logits, masks, weights) + dice


_Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]
SEGMENTATION_LOSSES: dict[str, _Loss] = {
    "cross_entropy": pixel_cross_entropy,
    "focal": focal_loss,
    "dice": dice_loss,
    "cross_entropy+dice": _cross_entropy_and_dice,
}


def segmentation_loss(name: str) -> _Loss:
    """Return a loss of (logits, masks, weights) by name.

    Raises:
        WorkshopError: an unknown name; lists the known ones.
    """
    if name not in SEGMENTATION_LOSSES:
        raise unknown_name("segmentation loss", name, SEGMENTATION_LOSSES)
    return SEGMENTATION_LOSSES[name]


def _pixels(logits: Tensor, masks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Line up the pixels: scores (n, K), classes (n,) and 1.0 where one is known.

    Unknown ones get class 0, which their weight of 0 takes out again.
    """
    scores = at_least_fp32(logits).permute(0, 2, 3, 1).flatten(0, 2)
    y = masks.reshape(-1).long()
    known = y != IGNORE
    return scores, y.masked_fill(~known, 0), known.to(scores.dtype)


def _loss_and_weight(
    logits: Tensor, masks: Tensor, weights: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy of each pixel and what it counts, (B*H*W,) each."""
    scores, y, known = _pixels(logits, masks)
    loss = F.cross_entropy(scores, y, reduction="none")
    return loss, known if weights is None else known * weights.to(loss.dtype)[y]


def _tiny(like: Tensor) -> float:
    return float(torch.finfo(like.dtype).tiny)
