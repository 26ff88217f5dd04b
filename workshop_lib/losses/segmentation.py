"""Losses on maps: cross-entropy, focal and Dice, with unknown pixels left out."""

__all__ = [
    "SEGMENTATION_LOSSES",
    "dice_loss",
    "focal_loss",
    "pixel_cross_entropy",
    "segmentation_loss",
]

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from workshop_lib.errors import unknown_name
from workshop_lib.losses.pseudo_labels import at_least_fp32, weighted_mean
from workshop_lib.pixels import IGNORE
from workshop_lib.ranks import sum_over_ranks


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
