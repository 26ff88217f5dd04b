"""Label propagation: spread labels to similar images before training."""

__all__ = ["LabelPropagationWarmup", "most_similar", "propagate_labels"]

import math
from collections.abc import Iterator

import numpy as np
import torch
from scipy.sparse import csr_matrix, diags
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.errors import WorkshopError
from workshop_lib.losses.pseudo_labels import masked_mean
from workshop_lib.methods.base import Batch, Method, forward_views, heads_of, scene_head

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
        Labels (N,) int64, the known ones unchanged, and their confidence (N,) in
        [0, 1]; 0 for an image that no label reaches.

    Raises:
        WorkshopError: a class without a known label.
    """
    known = labels >= 0
    counts = torch.bincount(labels[known], minlength=num_classes)  # (K,)
    if not bool((counts > 0).all()) or len(counts) != num_classes:
        raise WorkshopError(
            f"known labels per class {counts.tolist()} for {num_classes} classes: label"
            " propagation starts from at least one of each class."
        )
    graph = _graph(features)
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


def most_similar(vectors: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Find for each vector the others that point nearly the same way.

    Args:
        vectors: of any length.
        k: how many; at most all others.

    Shape: (N, D) -> their cosines, the highest first, and their positions: (N, k) each.
    """
    unit = F.normalize(vectors.float(), dim=1)
    found = []
    for rows in torch.arange(len(unit), device=unit.device).split(_ROWS):
        cosine = unit[rows] @ unit.T  # (n, N)
        here = torch.arange(len(rows), device=unit.device)
        cosine[here, rows] = -torch.inf  # not its own neighbour
        found.append(cosine.topk(min(k, len(unit) - 1), dim=1))
    cosines, near = (torch.cat(parts) for parts in zip(*found, strict=True))
    return cosines, near


def _graph(features: Tensor) -> csr_matrix:
    """Join each image to its nearest neighbours; normalised, symmetric (N, N)."""
    n = len(features)
    cosines, near = most_similar(features, NEIGHBOURS)
    weights = cosines.clamp_min(0).pow(3)  # far ones hardly count
    data = weights.flatten().double().cpu().numpy()
    column = near.flatten().cpu().numpy()
    row = np.repeat(np.arange(n), near.shape[1])
    one_way = csr_matrix((data, (row, column)), shape=(n, n))
    both = one_way + one_way.T
    degree = np.maximum(np.asarray(both.sum(axis=1))[:, 0], 1e-12)
    scale = diags(degree**-0.5)
    return csr_matrix(scale @ both @ scale)


class LabelPropagationWarmup(Method):
    """The first steps of a training: learn propagated labels as if they were true.

    A semi-supervised method starts from what a handful of labels has taught, and its
    first pseudo-labels are poor. Propagated labels are better than those, though not as
    good as the method's own later on; so the head learns them first, each weighted by
    its confidence, and then the method takes over.

        L = L_x + 1/N sum_i confidence_i H(guess_i, softmax(f(strong(u_i))))

    Args:
        method: the method that takes over; its views are used.
        head: name of the head, a class per scene, that the labels are for.
        guess: (number of images in the data set,) labels.
        confidence: weights (number of images,) in [0, 1]; 0 for images that are not
            among the unlabelled ones.

    Raises:
        WorkshopError: a method without a strong view of unlabelled images.
    """

    guess: Tensor
    confidence: Tensor

    def __init__(
        self, method: Method, head: str, guess: Tensor, confidence: Tensor
    ) -> None:
        super().__init__()
        if "strong" not in method.views:
            raise WorkshopError(
                f"{type(method).__name__} has no strong view of unlabelled images: it"
                " cannot start with label propagation; use propagation_steps=0."
            )
        self.strong, self.head = method.views.index("strong"), head
        self.register_buffer("guess", guess)
        self.register_buffer("confidence", confidence)

    @classmethod
    def spread(
        cls,
        method: Method,
        model: nn.Module,
        features: Tensor,
        targets: dict[str, Tensor],
        labeled: Tensor,
        pool: Tensor,
    ) -> "LabelPropagationWarmup":
        """Spread the labels of a few images to all unlabelled ones.

        Args:
            method: takes over.
            model: with one head for a class per scene.
            features: (n, D) of the unlabelled images; see `propagate_labels`.
            targets: by head, of all images.
            labeled, pool: positions of the labelled, and of the n unlabelled images.

        Raises:
            WorkshopError: no such head, or a class without a label.
        """
        name = scene_head(model, "label propagation")
        (K,) = dict(heads_of(model))[name].class_shape
        known = torch.full_like(targets[name], -1)
        known[labeled] = targets[name][labeled]
        weights = torch.zeros(len(known), device=known.device)
        known[pool], weights[pool] = propagate_labels(features, known[pool], K)
        return cls(method, name, known, weights)

    def losses(self, model: nn.Module, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield the supervised terms, and one for the propagated labels."""
        views = [batch.labeled[0], batch.views[self.strong]]
        (out_x, out_s), _ = forward_views(model, views)
        yield from self.supervised(model, out_x, batch.targets)
        target, weight = (t[batch.index] for t in (self.guess, self.confidence))
        self.report(self.head, target, weight)
        loss = dict(heads_of(model))[self.head].loss(out_s[self.head], target)
        yield f"{self.head}/unsupervised", masked_mean(loss, weight)
