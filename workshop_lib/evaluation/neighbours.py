"""What lies next to what: nearest neighbours by the angle between two vectors.

Classes that a network has learnt to tell apart lie apart, before any classifier.
"""

__all__ = ["knn_accuracy", "nearest", "silhouette"]

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import silhouette_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.embeddings import Embeddings

Vectors = NDArray[np.float32]


def knn_accuracy(memory: Embeddings, queries: Embeddings, k: int = 1) -> float:
    """Let each query take the class of its nearest labeled images; share that is right.

    It needs no trained classifier, so it tells what the embedding itself is worth (Wu
    et al. 2018, "Unsupervised Feature Learning via Non-Parametric Instance
    Discrimination", section 3.4, where k is 200 of a million labels). Neighbours vote
    by 1 / cosine distance. Queries that are in the memory too are left out: they would
    find themselves.

    Args:
        memory: labeled images.
        queries: other images, with the truth to compare with.
        k: neighbours that vote; 1 where labels are few: with 4 per class a fifth
            neighbour can only be of another class. At most the size of the memory.

    Raises:
        WorkshopError: k is below 1, the two were embedded in different ways, or no
            query lies outside the memory.
    """
    if k < 1:
        raise WorkshopError(f"k={k} neighbours: at least 1 must vote.")
    widths = memory.vectors.shape[1], queries.vectors.shape[1]
    if widths[0] != widths[1] or memory.class_names != queries.class_names:
        raise WorkshopError(
            f"vectors of {widths[0]} and of {widths[1]} numbers, or other classes:"
            " embed memory and queries with the same run."
        )
    known = set(memory.names)
    new = np.array([name not in known for name in queries.names])
    if not new.any():
        raise WorkshopError(
            "every query is in the memory itself and would find itself: embed other"
            " images, such as those of val."
        )
    voters = KNeighborsClassifier(
        min(k, len(memory)), weights="distance", metric="cosine", algorithm="brute"
    )
    voters.fit(memory.vectors, memory.labels)
    return float(voters.score(queries.vectors[new], queries.labels[new]))


def silhouette(vectors: Vectors, labels: NDArray[np.int64]) -> float:
    """Measure how much nearer images lie to their own class than to the next one.

    (b - a) / max(a, b) averaged over images, where a is the mean cosine distance to the
    own class and b that to the nearest other class (Rousseeuw 1987). Time grows with
    the square of N: about a second for 5,000 images.

    Returns:
        -1 (in the wrong class) over 0 (on the border) to 1 (compact and apart).

    Raises:
        WorkshopError: fewer than two classes, or no class with two images.
    """
    classes = len(np.unique(labels))
    if not 2 <= classes < len(vectors):
        raise WorkshopError(
            f"{len(vectors)} images of {classes} classes have no silhouette: give at"
            " least two classes, and two images of some class."
        )
    return float(silhouette_score(vectors, labels, metric="cosine"))


def nearest(
    vectors: Vectors, queries: NDArray[np.int64], k: int = 5
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find the images whose vectors point most nearly the same way as a query's.

    Args:
        vectors: (N, D).
        queries: (Q,) positions among the N; an image is not its own neighbour.
        k: neighbours of each, 1 to N - 1.

    Returns:
        (Q, k) positions, nearest first, and (Q, k) cosine similarities, -1 to 1.

    Raises:
        WorkshopError: k or a position out of range.
    """
    N = len(vectors)
    queries = np.asarray(queries, dtype=np.int64)
    if not 1 <= k < N:
        raise WorkshopError(f"k={k} neighbours among {N} images: use 1 to {N - 1}.")
    if queries.size == 0 or queries.min() < 0 or queries.max() >= N:
        raise WorkshopError(
            f"queries {queries.tolist()[:8]}: give at least one position from 0 to"
            f" {N - 1}."
        )
    index = NearestNeighbors(metric="cosine", algorithm="brute").fit(vectors)
    # One more than asked, as an image is usually found first by itself
    distances, found = index.kneighbors(vectors[queries], k + 1)  # (Q, k+1) each
    own = found == queries[:, None]
    own[~own.any(axis=1), -1] = True  # hidden behind its twins: drop the last instead
    kept = (len(queries), k)
    return found[~own].reshape(kept), (1 - distances[~own]).reshape(kept)
