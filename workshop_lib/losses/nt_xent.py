"""NT-Xent: find the other view of the same image among all images of the batch."""

__all__ = ["matching_accuracy", "nt_xent"]

import torch
from torch import Tensor
from torch.nn import functional as F

from workshop_lib.losses.precise import at_least_float32, precise_matmul
from workshop_lib.losses.weighted_contrast import weighted_contrast


def nt_xent(z0: Tensor, z1: Tensor, temperature: float = 0.5) -> Tensor:
    """Return SimCLR's loss: contrast without any label.

        1/2N sum_a -log exp(s_ab / temperature) / sum_{c != a} exp(s_ac / temperature)

    with s the cosine similarity and b the other view of a's image (Chen et al. 2020,
    eq. 1). Two views that need not be augmentations: Sentinel-1 and Sentinel-2 of one
    place will do. With a batch of one there is nothing to tell apart: the loss is 0.

    Args:
        z0, z1: embeddings of two views, of any length: the loss normalises them.
        temperature: 0.1 to 0.5; large batches bear lower ones.

    Shape: (N, D), (N, D) -> scalar.

    >>> z = torch.eye(3)
    >>> bool(nt_xent(z, z) < nt_xent(z, z.roll(1, 0)))
    True
    """
    z0, z1 = (F.normalize(at_least_float32(z), dim=1, eps=1e-6) for z in (z0, z1))
    only_itself = torch.eye(len(z0), device=z0.device)
    return weighted_contrast(z0, z1, only_itself, temperature).mean()


@torch.no_grad()
def matching_accuracy(z0: Tensor, z1: Tensor) -> Tensor:
    """Return the share of views whose nearest other view is of the same image.

    What NT-Xent is after, as a number that one can read; chance is 1 / (2N - 1).

    Shape: (N, D), (N, D) -> scalar in [0, 1].
    """
    N = len(z0)
    z = torch.cat([at_least_float32(z0), at_least_float32(z1)])  # (2N, D)
    z = F.normalize(z, dim=1, eps=1e-6)
    nearest = precise_matmul(z, z.T).fill_diagonal_(-torch.inf).argmax(dim=1)
    other_view = torch.arange(2 * N, device=z.device).roll(N)
    return (nearest == other_view).double().mean()
