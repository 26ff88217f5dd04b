"""Checks of unit 06: unit vectors, nearest neighbours, accuracy without training."""

__all__ = ["knn_accuracy", "l2_normalize", "nearest_neighbours"]

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from workshop_lib.course.checks.inputs import draws, noise
from workshop_lib.course.checks.trial import Mistake, Trial, exercise
from workshop_lib.evaluation.embeddings import nearest


@exercise("l2_normalize(vectors)")
def l2_normalize(trial: Trial) -> str:
    """Check that each row is scaled to length 1, and a row of zeros stays one.

    The learner's `l2_normalize(vectors)` takes (N, D) and gives (N, D).
    """
    with_zero = noise(4, 3, seed=2)
    with_zero[1] = 0
    cases = {
        "6 vectors of 4 numbers": (noise(6, 4),),
        "one long vector": (100 * noise(1, 5, seed=1),),
        "a vector of zeros among others": (with_zero,),
    }
    trial.compare(cases, F.normalize, _UNIT, look=_UNIT_LOOK)
    return "every row has length 1, and a row of zeros gives no NaN"


def _norm(x: Tensor, p: float = 2, dim: int | None = 1) -> Tensor:
    if dim is None:
        return x.norm()
    return torch.linalg.vector_norm(x, p, dim=dim, keepdim=True).clamp(min=1e-12)


_UNIT_LOOK = (
    "the length of a row is the root of the sum of its squares: (N, 1) of them."
)
_UNIT = (
    Mistake(
        "a row of zeros gave NaN, 0 / 0: divide by the length, but at least by a tiny"
        " number, as .clamp(min=1e-12) makes it.",
        lambda x: x / x.norm(dim=1, keepdim=True),
    ),
    Mistake(
        "each column has length 1 (dim=0 runs over the images): each row must, dim=1.",
        lambda x: x / _norm(x, dim=0),
    ),
    Mistake(
        "you divided by the sum of the squares: the length is its square root.",
        lambda x: x / _norm(x).square().clamp(min=1e-12),
    ),
    Mistake(
        "you divided by the sum of the absolute values (the L1 norm): squares, sum,"
        " root.",
        lambda x: x / _norm(x, p=1),
    ),
    Mistake(
        "all rows were divided by one number: each has a length of its own, dim=1.",
        lambda x: x / _norm(x, dim=None),
    ),
    Mistake(
        "the largest number of each row became 1: its length must.",
        lambda x: x / _norm(x, p=float("inf")),
    ),
    Mistake(
        "the lengths themselves came: divide the vectors by them.",
        lambda x: x.norm(dim=1),
    ),
)


@exercise("nearest_neighbours(vectors, query, k)")
def nearest_neighbours(trial: Trial) -> str:
    """Check which images point most nearly the same way as a query, nearest first.

    The learner's `nearest_neighbours(vectors, query, k)` takes (N, D), the position of
    the query among them and k, and gives (k,) positions without the query.
    """
    cases = {
        "12 vectors, image 3, k = 4": (_uneven(12, 5), 3, 4),
        "20 vectors, image 0, k = 1": (_uneven(20, 8, seed=1), 0, 1),
        "15 vectors, the last image, k = 5": (_uneven(15, 6, seed=2), 14, 5),
    }
    trial.compare(cases, _nearest, _NEAREST, look=_NEAREST_LOOK)
    return f"{len(cases)} queries agree with the library"


def _uneven(N: int, D: int, seed: int = 0) -> Tensor:
    """Vectors of very different length: only their direction must count."""
    lengths = torch.linspace(0.2, 5, N)[torch.randperm(
        N, generator=torch.Generator().manual_seed(seed))]  # fmt: skip
    return F.normalize(noise(N, D, seed=seed)) * lengths[:, None]


def _nearest(x: Tensor, query: int, k: int) -> Tensor:
    return torch.from_numpy(nearest(x.numpy(), np.array([query]), k)[0][0])


def _ranked(similarity: Tensor, query: int, k: int, own: bool = False) -> Tensor:
    """Return the k most similar, (N,) -> (k,); with or without the query itself."""
    if not own:
        similarity = similarity.clone()
        similarity[query] = -torch.inf
    return similarity.argsort(descending=True)[:k]


def _cosine(x: Tensor, query: int) -> Tensor:
    return F.normalize(x) @ F.normalize(x)[query]  # (N,)


def _least(x: Tensor, query: int) -> Tensor:
    """Return the query, and after it the others from the least similar on: (N,)."""
    similarity = _cosine(x, query)
    similarity[query] = -torch.inf
    return similarity.argsort()


_NEAREST_LOOK = (
    "print the cosine similarity of the query with every image, and follow by eye which"
    " are the largest."
)
_NEAREST = (
    Mistake(
        "the query itself is among its neighbours: nobody is nearer, so it always comes"
        " first. Leave it out.",
        lambda x, q, k: _ranked(_cosine(x, q), q, k, own=True),
    ),
    Mistake(
        "the query was cut away and its neighbours with it: one neighbour is missing at"
        " the end. Ask for k + 1, then leave out the query.",
        lambda x, q, k: _ranked(_cosine(x, q), q, k, own=True)[1:],
    ),
    Mistake(
        "you took the least similar: cosine similarity is large where images are near,"
        " so sort in descending order, or use topk.",
        lambda x, q, k: _ranked(-_cosine(x, q), q, k),
    ),
    Mistake(
        "you took the least similar, and the query before them, as -inf is the smallest"
        " of all: sort in descending order, or use topk.",
        lambda x, q, k: _least(x, q)[:k],
    ),
    Mistake(
        "you took the least similar, from the second on: in descending order the query"
        " comes first and its neighbours next.",
        lambda x, q, k: _least(x, q)[2 : k + 2],
    ),
    Mistake(
        "long vectors win: a dot product is a cosine only of vectors of length 1, so"
        " normalise them first.",
        lambda x, q, k: _ranked(x @ x[q], q, k),
    ),
    Mistake(
        "this is the order of the straight-line distance, in which length counts:"
        " normalise first, then both give the same order.",
        lambda x, q, k: _ranked(-(x - x[q]).norm(dim=1), q, k),
    ),
    Mistake(
        "the right images, but by their position: give the nearest first.",
        lambda x, q, k: _nearest(x, q, k).sort().values,
    ),
    Mistake(
        "the right images, but the furthest of them first: turn the order round.",
        lambda x, q, k: _nearest(x, q, k).flip(0),
    ),
    Mistake(
        "the similarities came, not the positions: argsort or topk(...).indices.",
        lambda x, q, k: _cosine(x, q)[_nearest(x, q, k)],
    ),
)


@exercise("knn_accuracy(train_vectors, train_labels, test_vectors, test_labels)")
def knn_accuracy(trial: Trial) -> str:
    """Check the share of test images whose nearest training image has their class.

    The learner's function takes (N, D), (N,), (M, D), (M,) and gives a share, 0..1;
    nearest is by cosine.
    """
    cases = {
        "20 training, 30 test images, 4 classes": _two_sets(20, 30, seed=0),
        "8 training, 25 test images": _two_sets(8, 25, seed=1),
        "one test image": _two_sets(6, 1, seed=2),
    }
    trial.compare(cases, _knn, _KNN, look=_KNN_LOOK)
    return "one neighbour votes; no classifier was trained"


def _two_sets(train: int, test: int, seed: int) -> tuple[Tensor, ...]:
    N = train + test
    labels = draws(0, 4, N, seed=seed)
    middles = noise(4, 6, seed=seed + 10)
    lengths = torch.linspace(0.2, 4, N)[torch.randperm(
        N, generator=torch.Generator().manual_seed(seed))]  # fmt: skip
    vectors = F.normalize(middles[labels] + 1.2 * noise(N, 6, seed=seed + 20))
    vectors = vectors * lengths[:, None]
    return vectors[:train], labels[:train], vectors[train:], labels[train:]


def _share(similarity: Tensor, train_labels: Tensor, labels: Tensor) -> Tensor:
    """(M, N) similarities -> share of the M whose most similar has their class."""
    return (train_labels[similarity.argmax(dim=1)] == labels).double().mean()


def _angles(x: Tensor, y: Tensor) -> Tensor:
    return F.normalize(y) @ F.normalize(x).T  # (M, N)


def _knn(x: Tensor, x_labels: Tensor, y: Tensor, y_labels: Tensor) -> Tensor:
    return _share(_angles(x, y), x_labels, y_labels)


def _among_test(x: Tensor, x_labels: Tensor, y: Tensor, y_labels: Tensor) -> Tensor:
    both, labels = torch.cat([x, y]), torch.cat([x_labels, y_labels])
    similarity = _angles(both, y)
    own = torch.arange(len(y))
    similarity[own, len(x) + own] = -torch.inf
    return _share(similarity, labels, y_labels)


_KNN_LOOK = (
    "similarities of test with training images are (M, N); the argmax of each row names"
    " the neighbour, whose label is the prediction."
)
_KNN = (
    Mistake(
        "training images were looked up among themselves: each finds itself, and the"
        " accuracy is 1. Look for the neighbours of the test images.",
        lambda x, a, y, b: _share(_angles(x, x), a, a),
    ),
    Mistake(
        "test images were among the neighbours: their labels are not known to whoever"
        " predicts. Look among the training images only.",
        _among_test,
    ),
    Mistake(
        "long vectors win: normalise both sets before the dot product.",
        lambda x, a, y, b: _share(y @ x.T, a, b),
    ),
    Mistake(
        "this is by straight-line distance, in which length counts: normalise first.",
        lambda x, a, y, b: _share(-torch.cdist(y, x), a, b),
    ),
    Mistake(
        "the furthest training image was asked: the largest cosine is the nearest.",
        lambda x, a, y, b: _share(-_angles(x, y), a, b),
    ),
    Mistake(
        "you gave the number of hits: divide by the number of test images.",
        lambda x, a, y, b: _knn(x, a, y, b) * len(y),
    ),
    Mistake(
        "you gave per cent: here, as everywhere in the library, shares are 0 to 1.",
        lambda x, a, y, b: _knn(x, a, y, b) * 100,
    ),
)
