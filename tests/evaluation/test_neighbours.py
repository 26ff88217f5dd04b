"""Neighbours by cosine, against loops that anyone can follow."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.embeddings import Embeddings
from workshop_lib.evaluation.neighbours import knn_accuracy, nearest, silhouette


def cosine(a, b) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def cloud(seed: int, count: int, width: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


def embeddings(vectors, labels, start: str = "a", classes: int = 3) -> Embeddings:
    names = tuple(f"{start}{i}" for i in range(len(vectors)))
    return Embeddings(
        np.asarray(vectors, dtype=np.float32),
        np.asarray(labels),
        names,
        tuple("ABCDEFGH"[:classes]),
    )


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), count=st.integers(2, 12), data=st.data())
def test_nearest_equals_its_loop_twin(seed, count, data):
    k = data.draw(st.integers(1, count - 1))
    vectors = cloud(seed, count)
    queries = np.arange(count)
    found, similarity = nearest(vectors, queries, k)
    assert found.shape == similarity.shape == (count, k)
    for q in queries:
        others = [i for i in queries if i != q]
        others.sort(key=lambda i: -cosine(vectors[q], vectors[i]))
        expected = [cosine(vectors[q], vectors[i]) for i in others[:k]]
        np.testing.assert_allclose(similarity[q], expected, atol=1e-5)
        assert q not in found[q]
        assert len(set(found[q].tolist())) == k


def test_twins_of_an_image_do_not_hide_it_from_being_left_out():
    vectors = np.ones((6, 3), dtype=np.float32)  # all the same
    found, similarity = nearest(vectors, np.arange(6), 3)
    for q in range(6):
        assert q not in found[q] and len(set(found[q].tolist())) == 3
    np.testing.assert_allclose(similarity, 1, atol=1e-6)


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), k=st.integers(1, 4))
def test_knn_equals_its_loop_twin(seed, k):
    rng = np.random.default_rng(seed)
    memory = embeddings(cloud(seed, 7), rng.integers(0, 3, 7), "m")
    queries = embeddings(cloud(seed + 1, 9), rng.integers(0, 3, 9), "q")
    right = 0
    for vector, label in zip(queries.vectors, queries.labels, strict=True):
        distances = [1 - cosine(vector, other) for other in memory.vectors]
        votes = np.zeros(3)
        for i in np.argsort(distances)[:k]:
            votes[memory.labels[i]] += 1 / distances[i]
        right += int(votes.argmax() == label)
    assert knn_accuracy(memory, queries, k) == pytest.approx(right / 9)


def test_length_and_order_do_not_matter_to_neighbours():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 20)
    vectors = cloud(0, 20)
    memory = embeddings(vectors[:8], labels[:8], "m")
    plain = knn_accuracy(memory, embeddings(vectors[8:], labels[8:], "q"))
    scaled = vectors * rng.uniform(0.1, 10, (20, 1)).astype(np.float32)
    order = rng.permutation(8)
    shuffled = embeddings(scaled[:8][order], labels[:8][order], "m")
    assert knn_accuracy(shuffled, embeddings(scaled[8:], labels[8:], "q")) == plain
    assert silhouette(scaled, labels) == pytest.approx(silhouette(vectors, labels))


def test_images_of_the_memory_are_no_queries():
    memory = embeddings([[1, 0], [0, 1]], [0, 1], "m")
    both = Embeddings(
        np.array([[1, 0], [0, 1], [1, 0.1]], np.float32),
        np.array([0, 1, 1]),
        ("m0", "m1", "q"),
        memory.class_names,
    )
    assert knn_accuracy(memory, both) == 0  # q alone counts, and is wrong
    with pytest.raises(WorkshopError, match="itself"):
        knn_accuracy(memory, memory)


def test_a_zero_vector_is_no_accident():
    memory = embeddings([[1, 0], [0, 0]], [0, 1], "m")
    queries = embeddings([[2, 0], [0, 0]], [0, 0], "q")
    assert 0.5 <= knn_accuracy(memory, queries, k=2) <= 1
    assert np.isfinite(nearest(queries.vectors, np.array([1]), 1)[1]).all()


def test_silhouette_equals_its_loop_twin():
    vectors, labels = cloud(3, 15), np.arange(15) % 3
    values = []
    for i in range(15):
        mean = [
            np.mean(
                [
                    1 - cosine(vectors[i], vectors[j])
                    for j in range(15)
                    if j != i and labels[j] == k
                ]
            )
            for k in range(3)
        ]
        a = mean[labels[i]]
        b = min(mean[k] for k in range(3) if k != labels[i])
        values.append((b - a) / max(a, b))
    assert silhouette(vectors, labels) == pytest.approx(np.mean(values), abs=1e-5)


def test_silhouette_tells_apart_from_mixed():
    apart = np.repeat(np.eye(3, dtype=np.float32), 5, axis=0) + 0.01 * cloud(0, 15, 3)
    assert silhouette(apart, np.repeat(np.arange(3), 5)) > 0.9
    assert silhouette(apart, np.arange(15) % 3) < 0


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2]])
def test_no_silhouette_of_one_class_or_of_single_images(labels):
    with pytest.raises(WorkshopError, match="two classes"):
        silhouette(cloud(0, 3), np.array(labels))


def test_wrong_numbers_are_told():
    vectors = cloud(0, 4)
    for k in (0, 4):
        with pytest.raises(WorkshopError, match="use 1 to 3"):
            nearest(vectors, np.array([0]), k)
    for queries in ([], [4], [-1]):
        with pytest.raises(WorkshopError, match="0 to 3"):
            nearest(vectors, np.array(queries, dtype=np.int64), 1)
    one = embeddings(vectors, [0, 1, 2, 0])
    with pytest.raises(WorkshopError, match="k=0"):
        knn_accuracy(one, one, 0)
    with pytest.raises(WorkshopError, match="same run"):
        knn_accuracy(one, embeddings(cloud(0, 4, 6), [0, 1, 2, 0], "q"))
