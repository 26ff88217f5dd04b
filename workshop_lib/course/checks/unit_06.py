"""Checks of unit 06: unit vectors, nearest neighbours, accuracy without training."""

__all__ = ["knn_accuracy", "l2_normalize", "nearest_neighbours"]

import torch
import torch.nn.functional as F
from torch import Tensor

from workshop_lib.course.checks.attempt import Attempt, exercise
from workshop_lib.course.checks.values import draws, noise, uneven_lengths


@exercise("l2_normalize(vectors)")
def l2_normalize(attempt: Attempt) -> str:
    """Check that each row is scaled to length 1, and a row of zeros stays zero.

    The learner's `l2_normalize(vectors)` takes (N, D) and gives (N, D).
    """
    with_zero = noise(4, 3, seed=2)
    with_zero[1] = 0
    cases = {
        "6 vectors of 4 numbers": (noise(6, 4),),
        "one long vector": (100 * noise(1, 5, seed=1),),
        "a vector of zeros among others": (with_zero,),
    }
    attempt.compare(cases, F.normalize, _UNIT)
    return "every row has length 1, and a row of zeros gives no NaN"


_UNIT = {
    "zeros_give_nan": lambda x: x / x.norm(dim=1, keepdim=True),
    "columns": lambda x: F.normalize(x, dim=0),
    "no_root": lambda x: x / x.square().sum(dim=1, keepdim=True).clamp(min=1e-12),
    "one_length": lambda x: x / x.norm(),
}


@exercise("nearest_neighbours(vectors, query, k)")
def nearest_neighbours(attempt: Attempt) -> str:
    """Check which images point most nearly the same way as a query, nearest first.

    The learner's `nearest_neighbours(vectors, query, k)` takes (N, D), the position of
    the query among them and k, and gives (k,) positions without the query.
    """
    line = torch.tensor([[1.0, 0.1], [-2.0, 0.0], [-1.0, 0.5], [-0.5, 1.0]])
    cases = {
        "12 vectors, image 3, k = 4": (uneven_lengths(noise(12, 5)), 3, 4),
        "20 vectors, image 0, k = 1": (uneven_lengths(noise(20, 8), 1), 0, 1),
        "15 vectors, the last image, k = 5": (uneven_lengths(noise(15, 6), 2), 14, 5),
        "4 vectors that mostly point away from image 0, k = 2": (line, 0, 2),
    }
    attempt.compare(cases, _nearest, _NEAREST)
    return f"{len(cases)} queries agree with the library"


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


_NEAREST = {
    "with_query": lambda x, q, k: _nearest(x, q, k, own=2),
    "query_is_zero": lambda x, q, k: _nearest(x, q, k, own=0),
    "least_similar": lambda x, q, k: _ranked(-_cosine(x, x)[q], q, k),
    "long_vectors": lambda x, q, k: _ranked(x @ x[q], q, k),
}


@exercise("knn_accuracy(train_vectors, train_labels, test_vectors, test_labels)")
def knn_accuracy(attempt: Attempt) -> str:
    """Check the fraction of test images whose nearest training image has their class.

    The learner's function takes (N, D), (N,), (M, D), (M,) and gives 0..1; nearest is
    by cosine.
    """
    cases = {
        "20 training, 30 test images, 4 classes": _two_sets(20, 30, seed=0),
        "8 training, 25 test images": _two_sets(8, 25, seed=1),
        "one test image": _two_sets(6, 1, seed=2),
    }
    attempt.compare(cases, _knn, _KNN)
    return "one neighbour votes; no classifier was trained"


def _two_sets(train: int, test: int, seed: int) -> tuple[Tensor, ...]:
    N = train + test
    labels = draws(0, 4, N, seed=seed)
    centres = noise(4, 6, seed=seed + 10)
    vectors = centres[labels] + 1.2 * noise(N, 6, seed=seed + 20)
    vectors = uneven_lengths(vectors, seed)
    return vectors[:train], labels[:train], vectors[train:], labels[train:]


def _hits(similarity: Tensor, train_labels: Tensor, labels: Tensor) -> Tensor:
    """Return the fraction of the M whose most similar, of (M, N), has their class."""
    return (train_labels[similarity.argmax(dim=1)] == labels).double().mean()


def _knn(x: Tensor, x_labels: Tensor, y: Tensor, y_labels: Tensor) -> Tensor:
    return _hits(_cosine(x, y), x_labels, y_labels)


_KNN = {
    "among_training": lambda x, a, y, b: _knn(x, a, x, a),
    "position_as_label": lambda x, a, y, b: _knn(x, torch.arange(len(a)), y, b),
    "long_vectors": lambda x, a, y, b: _hits(y @ x.T, a, b),
    "euclidean": lambda x, a, y, b: _hits(-torch.cdist(y, x), a, b),
}
