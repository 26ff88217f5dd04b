"""Heads of a training: their labels, their scores, and whether their gradients agree.

One encoder learns from all of them. That pays where one task has few labels and others
have many: what these teach about the images serves it, too. Of an encoder that learns
without labels no head knows anything: the nearest images tell what it is worth.
"""

__all__ = [
    "HeadLabels",
    "gradient_cosines",
    "mean_vectors",
    "neighbours_score",
    "validate_heads",
]

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from workshop_lib.augment import FeatureViewMaker, ViewMaker
from workshop_lib.config import Config
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.split import Split
from workshop_lib.methods import Batch, Method
from workshop_lib.methods.base import heads_of
from workshop_lib.methods.propagation import most_similar
from workshop_lib.models import Model
from workshop_lib.models.heads import Head
from workshop_lib.models.model import encoder_parameters
from workshop_lib.pixels import IGNORE
from workshop_lib.ranks import mean_over_ranks
from workshop_lib.sample import Sample, images_at_a_time
from workshop_lib.training.step import Precision

Views = ViewMaker | FeatureViewMaker
_SHARPNESS = 0.1  # of the votes: a neighbour at cosine 0.9 counts 1/e of one at 1


class HeadLabels:
    """Which labelled images have the target of which head.

    Maps take an hour to draw, a class a second: often thousands of images have a class
    and a few dozen a map. The first images of each class keep the target of a head,
    which are those of a split with so few labels; of the others it is hidden.

    Args:
        config: `data.labels_per_head`, a number per class for each head; 0 for all.
        scenes, split: the images, and which are labelled.
        device: of the training.
    """

    def __init__(
        self, config: Config, scenes: Dataset, split: Split, device: torch.device
    ) -> None:
        heads = config.model.heads
        counts = config.data.labels_per_head or (0,) * len(heads)
        self.index = {  # positions by head; of any two, one set holds the other
            name: split.first_labeled(scenes, count).to(device)
            for name, count in zip(heads, counts, strict=True)
        }
        self.hidden: dict[str, Tensor] = {}  # (N,) bool, of heads with fewer labels
        for name, index in self.index.items():
            if len(index) < len(split.labeled):
                hidden = torch.zeros(len(scenes), dtype=torch.bool)
                hidden[split.labeled], hidden[index.cpu()] = True, False
                self.hidden[name] = hidden.to(device)

    def stream(self) -> Tensor:
        """Return the positions that the labelled stream shuffles, some repeatedly.

        Half of the batch are then images of the head with fewest labels (a third where
        there are three different numbers): drawn evenly, 40 maps among 2,400 images
        would be in a batch of 16 only every fourth time.
        """
        sets = {len(index): index for index in self.index.values()}  # nested
        most = max(sets)
        repeated = [index.repeat(round(most / n)) for n, index in sets.items()]
        return torch.cat(repeated)

    def hide(
        self, targets: dict[str, Tensor], index: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Make the targets unknown that labelled images do not have.

        Args:
            targets: by head, (n, ...) each.
            index: (n,) positions of the images; None for all of them.
        """
        found = dict(targets)
        for name, hidden in self.hidden.items():
            values = targets[name]
            unknown = IGNORE if values.ndim == 3 else -1  # maps, classes
            fill = math.nan if values.is_floating_point() else unknown
            rows = hidden if index is None else hidden[index]
            mask = rows.view(-1, *[1] * (values.ndim - 1))
            found[name] = values.masked_fill(mask, fill)
        return found

    def counts(
        self, heads: Mapping[str, Head], targets: dict[str, Tensor]
    ) -> dict[str, int]:
        """Count by head the labelled images with a known target, or part of one."""
        known = {k: heads[k].known(targets[k][i]) for k, i in self.index.items()}
        return {k: int(v.view(len(v), -1).any(1).sum()) for k, v in known.items()}


def gradient_cosines(
    model: Model, method: Method, batch: Batch, precision: Precision
) -> dict[str, float]:
    """Compare the heads' gradients of the shared encoder: do the tasks agree?

    1: they move the encoder the same way; 0: they do not touch each other; below 0:
    what helps one harms the other, and the sum is a compromise. Of the supervised
    losses, unweighted, as a weight above 0 turns no gradient.

    Args:
        model: is copied; neither weights nor running statistics change.
        method: chooses the labelled view.
        batch: labelled views and targets.
        precision: of the forward pass.

    Returns:
        A cosine in [-1, 1] for each pair, by "cosine/HEAD/HEAD"; NaN where a head has
        no gradient. Nothing for one head, or an encoder that is frozen.
    """
    twin = copy.deepcopy(model).train()
    shared = encoder_parameters(twin)
    if len(batch.targets) < 2 or not shared:
        return {}
    with precision.autocast():
        out = twin(batch.labeled[0])
        losses = dict(method.supervised(twin, out, batch.targets))
    flat: dict[str, Tensor] = {}
    for name, loss in losses.items():
        found = torch.autograd.grad(
            loss, shared, retain_graph=True, materialize_grads=True
        )
        gradient = torch.cat([g.flatten() for g in found])  # (P,)
        flat[name.partition("/")[0]] = mean_over_ranks(gradient.double())
    return {
        f"cosine/{a}/{b}": float(flat[a] @ flat[b] / (flat[a].norm() * flat[b].norm()))
        for a, b in combinations(flat, 2)
    }


@torch.inference_mode()
def validate_heads(
    model: Model, views: Views, index: Tensor
) -> dict[str, dict[str, float]]:
    """Measure every head on the images of an index: metrics by head and name.

    In evaluation mode batch normalisation uses its running averages, so an image's
    result does not depend on its neighbours. Where an image has several stored views,
    the predicted probabilities are averaged.
    """
    heads = dict(heads_of(model))
    totals: dict[str, dict[str, Tensor]] = {name: {} for name in heads}
    for part, answers in _answers(model, model, views, index):
        for name, head in heads.items():
            out = _mean(head, [answer[name] for answer in answers])
            targets = views.targets[name].index_select(0, part)
            for key, value in head.tally(out, targets).items():
                sums = totals[name]
                sums[key] = sums[key] + value if key in sums else value
    return {
        name: head.metrics({key: value.cpu() for key, value in totals[name].items()})
        for name, head in heads.items()
    }


@torch.inference_mode()
def neighbours_score(model: Model, name: str, views: Views, index: Tensor) -> float:
    """Ask for each image the other images of an index that look most like it.

    For a network that has learnt without labels, whose heads know nothing. The labels
    of the validation images are all that is used, each image left out in its own turn:
    the same labels that choose the checkpoint of any other method, and none of a
    training image, be there few or many.

    Args:
        model: its features are compared, by cosine.
        name: of the head whose targets the neighbours tell, one for each image; the
            head itself is not asked.
        views, index: of the images.

    Returns:
        Accuracy, of several labels micro F1, of a number R²; NaN for a single image.
    """
    head = dict(heads_of(model))[name]
    targets = views.targets[name][index]
    known = head.known(targets).view(len(index), -1).all(dim=1)
    index, targets = index[known], targets[known]
    if len(index) < 2:
        return math.nan
    votes = neighbours_votes(head, mean_vectors(model, views, index), targets)
    tally = {key: value.cpu() for key, value in head.tally(votes, targets).items()}
    return head.metrics(tally)[head.best_by]


@torch.no_grad()
def mean_vectors(model: Model, views: Views, index: Tensor) -> Tensor:
    """Return the features of images, averaged over the views that validation averages.

    Args:
        model: its encoder is asked; feature vectors of a frozen backbone are taken as
            they are.
        views, index: of the images.

    Returns:
        (n, D), in the order of the index.
    """

    def vector(sample: Sample) -> Tensor:
        stored = sample.get("features")
        if stored is not None and stored.shape[-1] == 1:
            return stored.flatten(1)
        return model.features(sample).vector

    parts = [torch.stack(v).mean(0) for _, v in _answers(model, vector, views, index)]
    return torch.cat(parts)


def neighbours_votes(
    head: Head, vectors: Tensor, targets: Tensor, k: int = 10
) -> Tensor:
    """Let the k most similar other images say what each one is.

    Their votes weigh exp(cosine / 0.1) (Wu et al. 2018, section 3.4).

    Args:
        head: says what the targets mean.
        vectors: (N, D), any length.
        targets: (N,) or (N, K), all known.
        k: neighbours; at most all others.

    Returns:
        Scores as the head gives them, highest for what is likeliest.
    """
    cosines, near = most_similar(vectors, k)
    said = targets[near]  # (N, k) or (N, k, K)
    if len(head.class_shape) == 1:
        said = F.one_hot(said, head.class_shape[0])
    weight = (cosines / _SHARPNESS).softmax(dim=1)
    votes = torch.einsum("nk,nk...->n...", weight, said.float())
    # Several labels: from one half of the votes on, which is a score of 0
    return votes - 0.5 * (len(head.class_shape) == 2)


def _answers(
    model: Model, ask: Callable[[Sample], Any], views: Views, index: Tensor
) -> Iterator[tuple[Tensor, list[Any]]]:
    """Ask about images part by part: each part's positions, an answer for each view."""
    rows = 4096  # of stored features
    if isinstance(views, ViewMaker):
        rows = images_at_a_time(views.images)
    training = model.training
    model.eval()
    for part in index.split(rows):
        yield part, [ask(view) for view in views.plain(part)]
    model.train(training)


def _mean(head: Head, outs: list[Tensor]) -> Tensor:
    """Average the predictions of several views, in the form of one view's scores."""
    if len(outs) == 1:
        return outs[0]
    if not head.class_shape:
        return torch.stack(outs).mean(0)
    probs = torch.stack([head.probabilities(out) for out in outs]).mean(0)
    log = probs.clamp_min(torch.finfo(probs.dtype).tiny).log()
    return log[:, 1] - log[:, 0] if len(head.class_shape) == 2 else log
