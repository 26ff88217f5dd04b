"""Unit 06: unit vectors and neighbours, as a learner would write them."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from workshop_lib.course import checks
from workshop_lib.evaluation.embeddings import nearest


def unit(x):
    return x / x.norm(dim=1, keepdim=True).clamp(min=1e-12)


def neighbours(x, query, k, own=-2):
    similarity = unit(x) @ unit(x)[query]
    similarity[query] = own
    return similarity.topk(k).indices


def all_but_the_query(x, query, k):
    order = (-unit(x) @ unit(x)[query]).argsort().tolist()
    return [i for i in order if i != query][:k]


def librarys(x, query, k):
    return nearest(x.numpy(), np.array([query]), k)[0][0]


def knn(x, a, y, b):
    return (a[(unit(y) @ unit(x).T).argmax(1)] == b).float().mean()


def knn_by_sklearn(x, a, y, b):
    voters = KNeighborsClassifier(1, metric="cosine", algorithm="brute")
    return voters.fit(x.numpy(), a.numpy()).score(y.numpy(), b.numpy())


RIGHT = {
    "l2_normalize": [
        unit,
        torch.nn.functional.normalize,
        lambda x: [row / max(float(row.norm()), 1e-12) for row in x],
        lambda x: x.numpy() / np.maximum(np.linalg.norm(x, axis=1)[:, None], 1e-9),
        lambda x: x / (x.norm(dim=1, keepdim=True) + 1e-8),
    ],
    "nearest_neighbours": [
        neighbours,
        all_but_the_query,
        librarys,
        lambda x, q, k: (unit(x) - unit(x)[q]).norm(dim=1).argsort()[1 : k + 1],
    ],
    "knn_accuracy": [knn, knn_by_sklearn],
}


@pytest.mark.parametrize(
    ("name", "right"), [(name, right) for name in RIGHT for right in RIGHT[name]]
)
def test_right(name, right):
    getattr(checks, name)(right)


def without(similarity, query):
    similarity[query] = -torch.inf
    return similarity


def after_deletion(x, query, k):
    others = torch.cat([x[:query], x[query + 1 :]])
    return (unit(others) @ unit(x)[query]).topk(k).indices


WRONG = {
    "l2_normalize": [
        (lambda x: x / x.norm(dim=1, keepdim=True), "a row of zeros gave NaN"),
        (lambda x: x / x.norm(dim=0), "each column has length 1"),
        (
            lambda x: x / (x**2).sum(1, keepdim=True).clamp(min=1e-12),
            "the length is its square root",
        ),
        (lambda x: x / x.abs().sum(1, keepdim=True).clamp(min=1e-12), "the L1 norm"),
        (lambda x: x / x.norm(), "divided by one number"),
        (lambda x: x.div_(2), "changed its argument"),
        (lambda x: x, "the root of the sum of its squares"),
        (lambda x: x / x.norm(dim=1), "two shapes do not fit"),
    ],
    "nearest_neighbours": [
        (lambda x, q, k: (unit(x) @ unit(x)[q]).topk(k).indices, "the query itself"),
        (lambda x, q, k: neighbours(x, q, k, own=0), "counts as similarity 0"),
        (
            lambda x, q, k: (unit(x) @ unit(x)[q]).topk(k, largest=False).indices,
            "you took the least similar",
        ),
        (lambda x, q, k: without(x @ x[q], q).topk(k).indices, "long vectors win"),
        (after_deletion, "was deleted before ranking"),
        (lambda x, q, k: [0] * k, "print the cosine"),
    ],
    "knn_accuracy": [
        (lambda x, a, y, b: knn(x, a, x, a), "looked up among themselves"),
        (
            lambda x, a, y, b: ((unit(y) @ unit(x).T).argmax(1) == b).float().mean(),
            "look up the neighbour's label",
        ),
        (
            lambda x, a, y, b: (a[(y @ x.T).argmax(1)] == b).float().mean(),
            "long vectors win",
        ),
        (
            lambda x, a, y, b: (a[torch.cdist(y, x).argmin(1)] == b).float().mean(),
            "by Euclidean distance",
        ),
        (lambda x, a, y, b: 0.3, "the argmax of each row"),
    ],
}


@pytest.mark.parametrize(
    ("name", "wrong", "hint"), [(name, *row) for name in WRONG for row in WRONG[name]]
)
def test_wrong(name, wrong, hint, refusal):
    assert hint in refusal(getattr(checks, name), wrong)
