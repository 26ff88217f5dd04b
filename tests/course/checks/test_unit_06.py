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


@pytest.mark.parametrize(
    ("check", "right"),
    [
        (checks.l2_normalize, unit),
        (checks.l2_normalize, torch.nn.functional.normalize),
        (
            checks.l2_normalize,
            lambda x: [row / max(float(row.norm()), 1e-12) for row in x],
        ),
        (
            checks.l2_normalize,
            lambda x: x.numpy() / np.maximum(np.linalg.norm(x, axis=1)[:, None], 1e-9),
        ),
        (checks.l2_normalize, lambda x: x / (x.norm(dim=1, keepdim=True) + 1e-8)),
        (checks.nearest_neighbours, neighbours),
        (checks.nearest_neighbours, all_but_the_query),
        (checks.nearest_neighbours, librarys),
        (
            checks.nearest_neighbours,
            lambda x, q, k: (unit(x) - unit(x)[q]).norm(dim=1).argsort()[1 : k + 1],
        ),
        (checks.knn_accuracy, knn),
        (checks.knn_accuracy, knn_by_sklearn),
    ],
)
def test_right(check, right):
    check(right)


def without(similarity, query):
    similarity[query] = -torch.inf
    return similarity


def after_deletion(x, query, k):
    others = torch.cat([x[:query], x[query + 1 :]])
    return (unit(others) @ unit(x)[query]).topk(k).indices


@pytest.mark.parametrize(
    ("check", "wrong", "hint"),
    [
        (
            checks.l2_normalize,
            lambda x: x / x.norm(dim=1, keepdim=True),
            "a row of zeros gave NaN",
        ),
        (checks.l2_normalize, lambda x: x / x.norm(dim=0), "each column has length 1"),
        (
            checks.l2_normalize,
            lambda x: x / (x**2).sum(1, keepdim=True).clamp(min=1e-12),
            "the length is its square root",
        ),
        (
            checks.l2_normalize,
            lambda x: x / x.abs().sum(1, keepdim=True).clamp(min=1e-12),
            "the L1 norm",
        ),
        (checks.l2_normalize, lambda x: x / x.norm(), "divided by one number"),
        (checks.l2_normalize, lambda x: x.div_(2), "changed its argument"),
        (checks.l2_normalize, lambda x: x, "the root of the sum of its squares"),
        (checks.l2_normalize, lambda x: x / x.norm(dim=1), "two shapes do not fit"),
        (
            checks.nearest_neighbours,
            lambda x, q, k: (unit(x) @ unit(x)[q]).topk(k).indices,
            "the query itself",
        ),
        (
            checks.nearest_neighbours,
            lambda x, q, k: neighbours(x, q, k, own=0),
            "counts as similarity 0",
        ),
        (
            checks.nearest_neighbours,
            lambda x, q, k: (unit(x) @ unit(x)[q]).topk(k, largest=False).indices,
            "you took the least similar",
        ),
        (
            checks.nearest_neighbours,
            lambda x, q, k: without(x @ x[q], q).topk(k).indices,
            "long vectors win",
        ),
        (checks.nearest_neighbours, after_deletion, "was deleted before ranking"),
        (checks.nearest_neighbours, lambda x, q, k: [0] * k, "print the cosine"),
        (
            checks.knn_accuracy,
            lambda x, a, y, b: knn(x, a, x, a),
            "looked up among themselves",
        ),
        (
            checks.knn_accuracy,
            lambda x, a, y, b: ((unit(y) @ unit(x).T).argmax(1) == b).float().mean(),
            "look up the neighbour's label",
        ),
        (
            checks.knn_accuracy,
            lambda x, a, y, b: (a[(y @ x.T).argmax(1)] == b).float().mean(),
            "long vectors win",
        ),
        (
            checks.knn_accuracy,
            lambda x, a, y, b: (a[torch.cdist(y, x).argmin(1)] == b).float().mean(),
            "by Euclidean distance",
        ),
        (checks.knn_accuracy, lambda x, a, y, b: 0.3, "the argmax of each row"),
    ],
)
def test_wrong(check, wrong, hint, refusal):
    assert hint in refusal(check, wrong)
