"""Class-aware contrast: pull by pseudo-label, the surer the harder."""

__all__ = ["class_aware_contrast", "contrast_weights"]

import torch
from torch import Tensor

from workshop_lib.losses.precise import at_least_float32
from workshop_lib.losses.weighted_contrast import weighted_contrast

# SupCon's: the loss is scaled by temperature / 0.07, so that its gradient keeps its
# size whatever the temperature.
BASE_TEMPERATURE = 0.07


@torch.no_grad()
def contrast_weights(
    pseudo: Tensor, confidence: Tensor, push_threshold: float = 0.0
) -> Tensor:
    """Say how strongly two images pull each other.

        w_ij = c_i c_j if i and j have the same pseudo-label, else 0;  w_ii = 1

    Args:
        pseudo: hard pseudo-labels, of all images, not only of confident ones.
        confidence: c, the probability of the pseudo-label.
        push_threshold: below it an image is taken as of no known class: only its own
            other view pulls it, all others push. 0 leaves that out; 0.9 where unlabeled
            images show things that are none of the classes.

    Shape: (N,) int64, (N,) -> (N, N) without gradient.
    """
    c = at_least_float32(confidence)
    c = c * (c >= push_threshold)
    same = pseudo[:, None] == pseudo[None, :]  # (N, N)
    return (same * torch.outer(c, c)).fill_diagonal_(1)


def class_aware_contrast(
    z0: Tensor, z1: Tensor, weights: Tensor, temperature: float = 0.07
) -> Tensor:
    """Pull the views of one class together, those of different classes apart.

        temperature / 0.07 * 1/2N sum_a l_a      (l_a: see `weighted_contrast`)

    Source: Yang et al. 2022, "Class-Aware Contrastive Semi-Supervised Learning", as
    its implementation computes it: the weights stand outside the logarithm (eq. 8 has
    them inside, a slip by the authors' own word), and an image's own other view has
    weight 1.

    Args:
        z0, z1: embeddings of two views of the same images, of unit length.
        weights: of `contrast_weights`.
        temperature: 0.07 in the paper.

    Shape: (N, D), (N, D), (N, N) -> scalar.
    """
    scale = temperature / BASE_TEMPERATURE
    return scale * weighted_contrast(z0, z1, weights, temperature).mean()
