"""Unit 06: unit vectors and neighbours, written as a learner would."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from workshop_lib.course import checks


def unit(x):
    return x / x.norm(dim=1, keepdim=True).clamp(min=1e-12)


@pytest.mark.parametrize(
    "right",
    [
        unit,
        torch.nn.functional.normalize,
        lambda x: [row / max(float(row.norm()), 1e-12) for row in x],
        lambda x: x.numpy() / np.maximum(np.linalg.norm(x, axis=1)[:, None], 1e-9),
        lambda x: x / (x.norm(dim=1, keepdim=True) + 1e-8),
    ],
)
def test_normalize_right(right):
    checks.l2_normalize(right)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda x: x / x.norm(dim=1, keepdim=True), "a row of zeros gave NaN"),
        (lambda x: x / x.norm(dim=0), "each column has length 1"),
        (
            lambda x: x / (x**2).sum(1, keepdim=True).clamp(min=1e-12),
            "the length is its square root",
        ),
        (lambda x: x / x.abs().sum(1, keepdim=True).clamp(min=1e-12), "the L1 norm"),
        (lambda x: x / x.norm(), "divided by one number"),
        (lambda x: x.div_(x.norm(dim=1, keepdim=True)), "changed its argument"),
        (lambda x: x, "the root of the sum of its squares"),
        (lambda x: x / x.norm(dim=1), "two shapes do not fit"),
    ],
)
def test_normalize_wrong(wrong, hint, refusal):
    assert hint in refusal(checks.l2_normalize, wrong)


def neighbours(x, query, k):
    similarity = unit(x) @ unit(x)[query]
    similarity[query] = -2
    return similarity.topk(k).indices


@pytest.mark.parametrize(
    "right",
    [
        neighbours,
        lambda x, q, k: [
            i for i in (-unit(x) @ unit(x)[q]).argsort().tolist() if i != q
        ][:k],
        lambda x, q, k: (unit(x) - unit(x)[q]).norm(dim=1).argsort()[1 : k + 1],
    ],
)  # fmt: skip
def test_neighbours_right(right):
    checks.nearest_neighbours(right)


def without(similarity, query):
    similarity[query] = -torch.inf
    return similarity


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda x, q, k: (unit(x) @ unit(x)[q]).topk(k).indices, "the query itself"),
        (
            lambda x, q, k: (unit(x) @ unit(x)[q]).topk(k, largest=False).indices,
            "you took the least similar: cosine",
        ),
        (
            lambda x, q, k: (unit(x) @ unit(x)[q]).argsort()[:k],
            "sort in descending order",
        ),
        (
            lambda x, q, k: without(unit(x) @ unit(x)[q], q).argsort()[:k],
            "and the query before them",
        ),
        (
            lambda x, q, k: (unit(x) @ unit(x)[q]).argsort()[1 : k + 1],
            "in descending order the query comes first",
        ),
        (lambda x, q, k: (x - x[q]).norm(dim=1).argsort()[1 : k + 1], "straight-line"),
        (lambda x, q, k: neighbours(x, q, k).sort().values, "give the nearest first"),
        (lambda x, q, k: neighbours(x, q, k).flip(0), "turn the order round"),
        (lambda x, q, k: [0] * k, "print the cosine similarity"),
    ],
)
def test_neighbours_wrong(wrong, hint, refusal):
    assert hint in refusal(checks.nearest_neighbours, wrong)


def knn(x, a, y, b):
    return (a[(unit(y) @ unit(x).T).argmax(1)] == b).float().mean()


def knn_by_sklearn(x, a, y, b):
    voters = KNeighborsClassifier(1, metric="cosine", algorithm="brute")
    return voters.fit(x.numpy(), a.numpy()).score(y.numpy(), b.numpy())


@pytest.mark.parametrize("right", [knn, knn_by_sklearn])
def test_knn_right(right):
    checks.knn_accuracy(right)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda x, a, y, b: knn(x, a, x, a), "looked up among themselves"),
        (
            lambda x, a, y, b: (a[(y @ x.T).argmax(1)] == b).float().mean(),
            "long vectors win",
        ),
        (
            lambda x, a, y, b: (a[torch.cdist(y, x).argmin(1)] == b).float().mean(),
            "straight-line distance",
        ),
        (
            lambda x, a, y, b: (a[(unit(y) @ unit(x).T).argmin(1)] == b).float().mean(),
            "the furthest training image",
        ),
        (lambda x, a, y, b: 100 * knn(x, a, y, b), "per cent"),
        (lambda x, a, y, b: 0.3, "the argmax of each row"),
    ],
)
def test_knn_wrong(wrong, hint, refusal):
    assert hint in refusal(checks.knn_accuracy, wrong)
