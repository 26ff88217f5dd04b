"""Label propagation: let labels flow to similar images before anything is learnt."""

__all__ = ["PropagatedStart", "propagate_labels"]

import math

import numpy as np
import torch
from scipy.sparse import csr_matrix, diags
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.errors import WorkshopError
from workshop_lib.losses.consistency import consistency_loss, supervised_loss
from workshop_lib.methods.protocol import Batch, LossTerms, Method

NEIGHBOURS = 10  # of each image in the graph
REACH = 0.9  # alpha: share of a label that is handed on at each step
_ROUNDS = 100  # REACH**100 is 3e-5: what is handed on later does not matter
_ROWS = 1024  # images compared with all others at a time


def propagate_labels(
    features: Tensor, labels: Tensor, num_classes: int
) -> tuple[Tensor, Tensor]:
    """Guess the label of every image from those few that are known.

    Images are the nodes of a graph, each joined to its nearest neighbours by cosine
    similarity. Known labels spread along its edges until they settle:

        Z = (I - alpha S)^-1 Y,    S = D^-1/2 W D^-1/2

    (Zhou et al. 2004; on features of a network: Iscen et al. 2019, whose weight of an
    image, 1 - entropy / log K, and balance of classes are used too.) It needs features
    in which neighbours mostly share a class, such as those of a pretrained network; on
    features that have learnt nothing it spreads noise.

    Args:
        features: (N, D), any scale.
        labels: (N,) int64, -1 where not known.
        num_classes: K; every class needs one known label.

    Returns:
        Labels (N,) int64, the known ones unchanged, and how sure they are (N,) in
        [0, 1]; 0 for an image that no label reaches.

    Raises:
        WorkshopError: fewer than two images, shapes that do not fit, or a class without
            a known label.
    """
    known = labels >= 0
    if features.ndim != 2 or labels.shape != features.shape[:1] or len(labels) < 2:
        raise WorkshopError(
            f"features {tuple(features.shape)} and labels {tuple(labels.shape)}: label"
            " propagation needs (N, D) and (N,) of at least two images."
        )
    counts = torch.bincount(labels[known], minlength=num_classes)  # (K,)
    if not bool((counts > 0).all()) or len(counts) != num_classes:
        raise WorkshopError(
            f"known labels per class {counts.tolist()} for {num_classes} classes: label"
            " propagation starts from at least one of each class."
        )
    graph = _graph(features.float())
    start = np.zeros((len(labels), num_classes))
    start[known.cpu().numpy(), labels[known].cpu().numpy()] = 1
    spread = start
    for _ in range(_ROUNDS):
        spread = REACH * (graph @ spread) + start  # (N, K)
    balanced = spread / spread.sum(axis=0)  # no class wins by having more neighbours
    total = balanced.sum(axis=1, keepdims=True)
    probs = torch.from_numpy(balanced / np.maximum(total, 1e-12)).float()  # (N, K)
    entropy = torch.special.entr(probs).sum(dim=1)  # (N,)
    reached = torch.from_numpy(total[:, 0] > 0).float()
    sure = (1 - entropy / math.log(max(num_classes, 2))).clamp(0, 1) * reached
    sure = torch.where(known.cpu(), 1.0, sure)
    guess = torch.where(known.cpu(), labels.cpu(), probs.argmax(dim=1))
    return guess.to(labels.device), sure.to(features.device)


def _graph(features: Tensor) -> csr_matrix:
    """Join each image to its nearest neighbours; normalised, symmetric (N, N)."""
    n = len(features)
    z = F.normalize(features, dim=1)  # (N, D)
    k = min(NEIGHBOURS, n - 1)
    weights, columns = [], []
    for first in range(0, n, _ROWS):
        cosine = z[first : first + _ROWS] @ z.T  # (rows, N)
        rows = torch.arange(len(cosine))
        cosine[rows, first + rows] = -1  # not its own neighbour
        nearest = cosine.topk(k, dim=1)
        weights.append(nearest.values.clamp_min(0).pow(3))  # far ones hardly count
        columns.append(nearest.indices)
    data = torch.cat(weights).flatten().double().cpu().numpy()
    column = torch.cat(columns).flatten().cpu().numpy()
    row = np.repeat(np.arange(n), k)
    one_way = csr_matrix((data, (row, column)), shape=(n, n))
    both = one_way + one_way.T
    degree = np.maximum(np.asarray(both.sum(axis=1))[:, 0], 1e-12)
    scale = diags(degree**-0.5)
    return csr_matrix(scale @ both @ scale)


class PropagatedStart(Method):
    """The first steps of a training: learn the propagated labels as if they were true.

    A semi-supervised method starts from what a handful of labels has taught, and its
    first pseudo-labels are poor. Propagated labels are better than those, though not as
    good as the method's own later on; so the head learns them first, each weighted by
    how sure it is, and then the method takes over.

        L = L_x + 1/N sum_i sure_i H(guess_i, softmax(f(strong(u_i))))

    Args:
        method: the method that takes over; its views are used.
        guess: (number of images in the data set,) labels.
        sure: weights (number of images,) in [0, 1]; 0 for images outside the pool.

    Raises:
        WorkshopError: a method without a strong view of unlabeled images.
    """

    guess: Tensor
    sure: Tensor

    def __init__(self, method: Method, guess: Tensor, sure: Tensor) -> None:
        super().__init__()
        if "strong" not in method.views:
            raise WorkshopError(
                f"{type(method).__name__} has no strong view of unlabeled images: label"
                " propagation cannot start it; use propagation_steps=0."
            )
        self.labeled_views, self.views = method.labeled_views, method.views
        self.register_buffer("guess", guess)
        self.register_buffer("sure", sure)

    def forward(self, model: nn.Module, batch: Batch) -> LossTerms:
        """Return the loss of one step; parts `loss_x`, `loss_u` and `mask_rate`."""
        self.views_of(batch)
        x, strong = batch.x_lab[0], batch.x_unl[self.views.index("strong")]
        logits = model(torch.cat([x, strong])).logits  # (B + mu*B, K)
        guess, sure = (t[batch.unlabeled_index] for t in (self.guess, self.sure))
        loss_x = supervised_loss(logits[: len(x)], batch.y_lab)
        loss_u = consistency_loss(logits[len(x) :], guess, sure)
        parts = {"loss_x": loss_x, "loss_u": loss_u, "mask_rate": sure.mean()}
        return LossTerms(
            total=loss_x + loss_u,
            parts={name: value.detach() for name, value in parts.items()},
            pseudo_labels=guess,
            mask=sure,
        )
