"""Checks of units 05, 06, 08 and 10: how good a model is, how near embeddings are.

The accuracy of guessing, to compare any other with, is asked for in unit 01.
"""

__all__ = [
    *("knn_accuracy", "majority_accuracy", "matching_accuracy", "mean_iou"),
    *("nearest_neighbours", "nt_xent", "partners", "top_k_accuracy"),
]

import torch
import torch.nn.functional as F
from torch import Tensor

from workshop_lib.course.checks.attempt import Answer, Cases, Mistakes, comparison
from workshop_lib.course.checks.training import check_gradients
from workshop_lib.course.checks.values import draws, generator, noise
from workshop_lib.losses import contrastive as loss
from workshop_lib.pixels import IGNORE


@comparison("majority_accuracy(labels)")
def majority_accuracy(cases: Cases, wrong: Mistakes) -> Answer:
    """Check the accuracy of always naming the most common class.

    The learner's `majority_accuracy(labels)` takes (N,) int64 and gives 0..1.
    """
    cases["ten classes, equally common"] = (torch.arange(40) % 10,)
    cases["four images, three of them forest"] = (torch.tensor([2, 0, 2, 2]),)
    cases["labels among which 0 is rare"] = (torch.tensor([0, 1, 1, 1, 3, 3, 1, 3]),)
    wrong["count_only"] = lambda labels: int(labels.bincount().max())
    wrong["class_number"] = lambda labels: int(labels.bincount().argmax())
    return lambda labels: int(labels.bincount().max()) / len(labels)


@comparison("top_k_accuracy(probs, labels, k)")
def top_k_accuracy(cases: Cases, wrong: Mistakes) -> Answer:
    """Check the fraction of images whose true class is among the k most likely.

    The learner's `top_k_accuracy(probs, labels, k)` takes (N, K) and (N,), gives 0..1.
    """
    few, uneven = noise(9, 4, seed=1).softmax(1), noise(12, 5, seed=2).softmax(1)
    labels = torch.tensor([0] * 8 + [1, 2, 3, 4])
    cases["20 images, 6 classes, k = 3"] = noise(20, 6).softmax(1), draws(0, 6, 20), 3
    cases["9 images, 4 classes, k = 1"] = few, draws(0, 4, 9, seed=1), 1
    cases["classes of unequal size, k = 2"] = uneven, labels, 2
    wrong["first_only"] = lambda p, y, k: _top_k(p, y, 1)
    wrong["least_likely"] = lambda p, y, k: _top_k(p, y, k, largest=False)
    wrong["hits"] = lambda p, y, k: _top_k(p, y, k) * len(y)
    return _top_k


def _top_k(probs: Tensor, labels: Tensor, k: int, largest: bool = True) -> Tensor:
    found = probs.topk(k, dim=1, largest=largest).indices  # (N, k)
    return (found == labels[:, None]).any(dim=1).double().mean()


@comparison("mean_iou(truth, predicted, num_classes)")
def mean_iou(cases: Cases, wrong: Mistakes) -> Answer:
    """Check the mean intersection over union of a map.

    The learner's `mean_iou(truth, predicted, num_classes)` takes two maps of class
    numbers of one shape, 255 in the truth where the class is unknown, and K; it gives a
    number from 0 to 1. Classes that are in neither map are left out of the mean.
    """
    cases["a map of 4 classes"] = _pair(4)
    cases["a map with pixels of value 255"] = _pair(4, unknown=True, seed=2)
    cases["a class that is in neither map"] = _pair(4, seed=3)[:2] + (5,)
    cases["a class that is predicted but absent"] = _pair(3, highest=2, seed=4)
    wrong["accuracy"] = lambda t, p, K: (t == p)[t != IGNORE].float().mean()
    return lambda truth, predicted, K: _ious(truth, predicted, K).nanmean()


def _pair(
    K: int, *, highest: int = 0, unknown: bool = False, seed: int = 0
) -> tuple[Tensor, Tensor, int]:
    """Make a truth and a prediction that is right at about two of three pixels."""
    truth = draws(0, highest or K, 2, 9, 11, seed=seed)
    other = draws(0, K, 2, 9, 11, seed=seed + 10)
    predicted = torch.where(draws(0, 3, 2, 9, 11, seed=seed + 20) > 0, truth, other)
    if unknown:
        truth[:, :3, :4] = IGNORE
    return truth.to(torch.uint8), predicted.to(torch.uint8), K


def _ious(truth: Tensor, predicted: Tensor, K: int) -> Tensor:
    """Compute the IoU of each class, (K,); NaN for one that is in neither map."""
    known = truth != IGNORE
    classes = torch.arange(K).view(K, 1)
    there, said = truth[known] == classes, predicted[known] == classes  # (K, pixels)
    return (there & said).sum(1) / (there | said).sum(1)


@comparison("nearest_neighbours(vectors, query, k)")
def nearest_neighbours(cases: Cases, wrong: Mistakes) -> Answer:
    """Check which images point most nearly the same way as a query, nearest first.

    The learner's `nearest_neighbours(vectors, query, k)` takes (N, D), the position of
    the query among them and k, and gives (k,) positions without the query.
    """
    line = torch.tensor([[1.0, 0.1], [-2.0, 0.0], [-1.0, 0.5], [-0.5, 1.0]])
    cases["12 vectors, image 3, k = 4"] = _uneven_lengths(noise(12, 5)), 3, 4
    cases["20 vectors, image 0, k = 1"] = _uneven_lengths(noise(20, 8), 1), 0, 1
    cases["15 vectors, the last image, k = 5"] = _uneven_lengths(noise(15, 6), 2), 14, 5
    cases["4 vectors that mostly point away from image 0, k = 2"] = line, 0, 2
    wrong["with_query"] = lambda x, q, k: _nearest(x, q, k, own=2)
    wrong["row_deleted"] = lambda x, q, k: (n := _nearest(x, q, k)).sub((n > q).int())
    wrong["least_similar"] = lambda x, q, k: _ranked(-_cosine(x, x)[q], q, k)
    wrong["long_vectors"] = lambda x, q, k: _ranked(x @ x[q], q, k)
    return _nearest


def _uneven_lengths(vectors: Tensor, seed: int = 0) -> Tensor:
    """Rescale vectors to very different lengths, 0.2 to 5. Shape: (N, D)."""
    N = len(vectors)
    order = torch.randperm(N, generator=generator(seed))
    return F.normalize(vectors) * torch.linspace(0.2, 5, N)[order, None]


def _cosine(x: Tensor, y: Tensor) -> Tensor:
    """Return the cosine similarity of each y with each x: (N, D), (M, D) -> (M, N)."""
    return F.normalize(y) @ F.normalize(x).T


def _ranked(similarity: Tensor, query: int, k: int, own: float = -torch.inf) -> Tensor:
    """Return the k most similar, (N,) -> (k,); `own` replaces that of the query."""
    similarity = similarity.clone()
    similarity[query] = own
    return similarity.argsort(descending=True)[:k]


def _nearest(x: Tensor, query: int, k: int, own: float = -torch.inf) -> Tensor:
    return _ranked(_cosine(x, x)[query], query, k, own)


@comparison("knn_accuracy(train_vectors, train_labels, test_vectors, test_labels)")
def knn_accuracy(cases: Cases, wrong: Mistakes) -> Answer:
    """Check the fraction of test images whose nearest training image has their class.

    The learner's function takes (N, D), (N,), (M, D), (M,) and gives 0..1; nearest is
    by cosine.
    """
    cases["20 training, 30 test images, 4 classes"] = _two_sets(20, 30, seed=0)
    cases["8 training, 25 test images"] = _two_sets(8, 25, seed=1)
    cases["one test image"] = _two_sets(6, 1, seed=2)
    wrong["among_training"] = lambda x, a, y, b: _knn(x, a, x, a)
    wrong["other_direction"] = lambda x, a, y, b: _knn(y, b, x, a)
    wrong["position_as_label"] = lambda x, a, y, b: _knn(x, torch.arange(len(a)), y, b)
    wrong["long_vectors"] = lambda x, a, y, b: _hits(y @ x.T, a, b)
    return _knn


def _two_sets(train: int, test: int, seed: int) -> tuple[Tensor, ...]:
    N = train + test
    labels = draws(0, 4, N, seed=seed)
    centres = noise(4, 6, seed=seed + 10)
    vectors = centres[labels] + 1.2 * noise(N, 6, seed=seed + 20)
    vectors = _uneven_lengths(vectors, seed)
    return vectors[:train], labels[:train], vectors[train:], labels[train:]


def _hits(similarity: Tensor, train_labels: Tensor, labels: Tensor) -> Tensor:
    """Return the fraction of the M whose most similar, of (M, N), has their class."""
    return (train_labels[similarity.argmax(dim=1)] == labels).double().mean()


def _knn(x: Tensor, x_labels: Tensor, y: Tensor, y_labels: Tensor) -> Tensor:
    return _hits(_cosine(x, y), x_labels, y_labels)


@comparison("partners(N)")
def partners(cases: Cases, wrong: Mistakes) -> Answer:
    """Check which row holds the other view of each image.

    The learner's `partners(N)` gives (2N,): first views come before all second ones.
    """
    cases["3 images"], cases["one image"], cases["8 images"] = (3,), (1,), (8,)
    wrong["itself"] = lambda N: torch.arange(2 * N)
    wrong["no_wrap"] = lambda N: torch.arange(2 * N) + N
    wrong["interleaved"] = lambda N: torch.arange(2 * N) ^ 1
    return lambda N: torch.arange(2 * N).roll(N)


@comparison("nt_xent(z0, z1, temperature)", then=check_gradients)
def nt_xent(cases: Cases, wrong: Mistakes) -> Answer:
    """Check the loss of SimCLR: its value, and that both views are learnt from.

    The learner's function takes two views (N, D) of any length, and gives a scalar
    (Chen et al. 2020, eq. 1, averaged over all 2N views).
    """
    cases["5 pairs with nothing in common"] = noise(5, 8), noise(5, 8, seed=2), 0.5
    cases["5 similar pairs"] = noise(5, 4), 2 * noise(5, 4) + noise(5, 4, seed=3), 0.1
    wrong["with_itself"] = lambda a, b, T: _ask(torch.cat([a, b]), torch.cat([b, a]), T)
    wrong["raw"] = lambda a, b, T: loss.weighted_contrast(a, b, torch.eye(5), T).mean()
    wrong["no_temperature"] = lambda a, b, T: loss.nt_xent(a, b, 1.0)
    wrong["times_temperature"] = lambda a, b, T: loss.nt_xent(a, b, 1 / T)
    wrong["other_views_only"] = lambda a, b, T: _ask(a, b, T)
    return loss.nt_xent


def _ask(z0: Tensor, z1: Tensor, temperature: float) -> Tensor:
    scores = _cosine(z1, z0) / temperature  # row i belongs to column i
    return F.cross_entropy(scores, torch.arange(len(z0)))


@comparison("matching_accuracy(z0, z1)")
def matching_accuracy(cases: Cases, wrong: Mistakes) -> Answer:
    """Check how often the most similar second vector is that of the same place.

    The learner's `matching_accuracy(z0, z1)` takes (N, D) each and gives 0..1.
    """
    radar, light = (noise(20, 5) + noise(20, 5, seed=k) for k in (1, 2))
    cases["20 places"] = _uneven_lengths(radar), _uneven_lengths(light, 1)
    wrong["not_normalized"] = lambda a, b: _found(a @ b.T)
    wrong["other_direction"] = lambda a, b: _found(_cosine(a, b))
    wrong["among_themselves"] = lambda a, b: _found(_cosine(a, a))
    wrong["hits"] = lambda a, b: len(a) * _found(_cosine(b, a))
    return lambda a, b: _found(_cosine(b, a))


def _found(scores: Tensor) -> Tensor:
    return _hits(scores, torch.arange(len(scores)), torch.arange(len(scores)))
