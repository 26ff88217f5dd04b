"""Contrastive losses: NT-Xent, class-aware contrast, and contrast on a graph."""

__all__ = [
    "class_aware_contrast",
    "contrast_weights",
    "graph_contrast",
    "nt_xent",
    "pseudo_label_graph",
    "weighted_contrast",
]

import torch
from torch import Tensor
from torch.nn import functional as F

from workshop_lib.losses.pseudo_labels import at_least_fp32


def fp32_matmul(a: Tensor, b: Tensor) -> Tensor:
    """Multiply two matrices in float32 or finer; autocast would round them to half.

    Shape: (n, d), (d, m) -> (n, m).
    """
    with torch.autocast(a.device.type, enabled=False):
        return at_least_fp32(a) @ at_least_fp32(b)


def similarity(z0: Tensor, z1: Tensor, temperature: float) -> Tensor:
    """Compare every embedding with every other one, ready for a softmax.

        s_ij = z0_i . z1_j / temperature

    In float32 or finer: divided by a temperature of 0.07 and put into an exponential,
    an error in the third digit of a dot product is one of several per cent in a
    probability. The division comes first, where it rounds N D numbers and not N^2.

    Shape: (N, D), (M, D) -> (N, M).
    """
    return fp32_matmul(at_least_fp32(z0) / temperature, z1.T)


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
            view, which must be above 0 or the image is pulled to nothing.
        temperature: 0.07 to 0.5. Low: the hardest neighbours decide; high: all count.

    Shape: (N, D), (N, D), (N, N) -> (2, N): the first row has the anchors of `z0`.
    """
    N = len(z0)
    z = torch.cat([at_least_fp32(z0), at_least_fp32(z1)])  # (2N, D)
    itself = torch.eye(2 * N, dtype=torch.bool, device=z.device)
    s = similarity(z, z, temperature).masked_fill(itself, -torch.inf)
    log_p = torch.log_softmax(s, dim=1)
    w = at_least_fp32(weights).repeat(2, 2).masked_fill(itself, 0)  # (2N, 2N)
    # The anchor itself has weight 0 and log p of minus infinity: their product is NaN.
    pulled = (w * log_p.masked_fill(itself, 0)).sum(dim=1)
    return -(pulled / w.sum(dim=1)).view(2, N)


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
    z0, z1 = (F.normalize(at_least_fp32(z), dim=1, eps=1e-6) for z in (z0, z1))
    only_itself = torch.eye(len(z0), device=z0.device)
    return weighted_contrast(z0, z1, only_itself, temperature).mean()


# SupCon's: the loss is scaled by temperature / 0.07, so that its gradient keeps its
# size whatever the temperature.
BASE_TEMPERATURE = 0.07


@torch.no_grad()
def contrast_weights(probs: Tensor, ood_threshold: float = 0.0) -> Tensor:
    """Return how strongly two images pull each other.

        w_ij = c_i c_j if i and j have the same pseudo-label, else 0;  w_ii = 1

    where c is the probability of the pseudo-label. All images count, not only the
    confident ones.

    Args:
        probs: pseudo-labels, of the images of all ranks.
        ood_threshold: confidence below which an image is of no known class: only its
            own other view pulls it, all others push. 0 leaves that out; 0.9 where
            unlabelled images show things that are none of the classes.

    Shape: (N, K) -> (N, N) without gradient.
    """
    c, pseudo = at_least_fp32(probs).max(dim=1)  # (N,)
    c = c * (c >= ood_threshold)
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


# Keeps the logarithm of a vanishing similarity, and its gradient, within bounds.
TINY = 1e-7


@torch.no_grad()
def pseudo_label_graph(probs: Tensor, threshold: float = 0.8) -> Tensor:
    """Connect the images of a batch whose pseudo-labels are alike: the target graph.

    W_ij = 1 if i = j, q_i . q_j if that reaches the threshold, else 0; rows divided by
    their sum (Li, Xiong and Hoi 2021, CoMatch). The dot product of two distributions is
    near 1 only where both are sure of the same class.

    Args:
        probs: soft pseudo-labels q.
        threshold: least similarity that counts, in [0, 1]; 0.8 is usual. At 1 every
            image is left with itself alone.

    Shape: (N, K) -> (N, N) without gradient; rows sum to 1.
    """
    graph = fp32_matmul(probs, probs.T).fill_diagonal_(1)
    graph = graph * (graph >= threshold)
    return graph / graph.sum(dim=1, keepdim=True)


def graph_contrast(
    z0: Tensor, z1: Tensor, graph: Tensor, temperature: float = 0.2
) -> Tensor:
    """Pull together the views of connected images, push apart all others.

    1/N sum_i sum_j -W_ij log s_ij,    s_i = softmax_j(z0_i . z1_j / temperature)

    (Li, Xiong and Hoi 2021, CoMatch). Images that are connected with themselves
    alone give the usual instance contrast.

    Args:
        z0, z1: embeddings of two views of the same images, of unit length.
        graph: W, the target.
        temperature: 0.2 in the paper. Lower looks only at the nearest neighbours.

    Shape: (N, D), (N, D), (N, N) -> scalar.
    """
    s = torch.softmax(similarity(z0, z1, temperature), dim=1)  # (N, N)
    log_s = torch.log(s + TINY)
    return -(at_least_fp32(graph) * log_s).sum(dim=1).mean()
