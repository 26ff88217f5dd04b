"""The contrastive loss that NT-Xent, SupCon and CCSSL are special cases of."""

__all__ = ["weighted_contrast"]

import torch
from torch import Tensor

from workshop_lib.errors import WorkshopError
from workshop_lib.losses.precise import at_least_float32, similarity


def weighted_contrast(
    z0: Tensor, z1: Tensor, weights: Tensor, temperature: float
) -> Tensor:
    """Return the loss of every view, which has to find its partners among all others.

    The 2N views of N images are compared with each other. Each one is an anchor a, and
    the others share a softmax; the partners' share is to be large:

        l_a = - sum_{b != a} w_ab log p_ab / sum_{b != a} w_ab
        p_ab = exp(z_a . z_b / temperature) / sum_{c != a} exp(z_a . z_c / temperature)

    where w_ab is the weight of the images that a and b are views of. What the weights
    are makes the method: the unit matrix is NT-Xent (SimCLR), same labels are SupCon
    (Khosla et al. 2020, the sum outside the logarithm), sure and equal pseudo-labels
    are class-aware contrast.

    Args:
        z0, z1: embeddings of two views of the same images, of unit length.
        weights: w >= 0 between images; on the diagonal that of an image's own other
            view, which must be above 0 or the image has nobody to be pulled to.
        temperature: 0.07 to 0.5. Low: the hardest neighbours decide; high: all count.

    Shape: (N, D), (N, D), (N, N) -> (2, N): the first row has the anchors of `z0`.

    Raises:
        WorkshopError: shapes that do not fit.
    """
    N = len(z0)
    if z0.shape != z1.shape or weights.shape != (N, N):
        raise WorkshopError(
            f"embeddings {tuple(z0.shape)} and {tuple(z1.shape)} with weights"
            f" {tuple(weights.shape)} do not fit: expected (N, D), (N, D) and (N, N)."
        )
    z = torch.cat([at_least_float32(z0), at_least_float32(z1)])  # (2N, D)
    itself = torch.eye(2 * N, dtype=torch.bool, device=z.device)
    s = similarity(z, z, temperature).masked_fill(itself, -torch.inf)
    log_p = torch.log_softmax(s, dim=1)
    w = at_least_float32(weights).repeat(2, 2).masked_fill(itself, 0)  # (2N, 2N)
    # The anchor itself has weight 0 and log p of minus infinity: their product is NaN.
    pulled = (w * log_p.masked_fill(itself, 0)).sum(dim=1)
    return -(pulled / w.sum(dim=1)).view(2, N)
