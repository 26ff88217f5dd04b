"""Two graphs on one batch: embeddings shall be neighbours where pseudo-labels agree."""

__all__ = ["graph_contrast", "pseudo_label_graph"]

import torch
from torch import Tensor

from workshop_lib.losses.precise import at_least_float32, precise_matmul, similarity

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
    graph = precise_matmul(probs, probs.T).fill_diagonal_(1)
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
    return -(at_least_float32(graph) * log_s).sum(dim=1).mean()
