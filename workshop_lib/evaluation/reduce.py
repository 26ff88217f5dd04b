"""From many dimensions to the two or three that can be drawn: t-SNE and PCA.

Both are given unit vectors: what counts in an embedding is the direction, as for the
neighbours. PCA is a shadow: straight, the same every time, and blind to what lies
behind. t-SNE keeps neighbours together at any price: which points are close is to be
trusted; how far groups lie apart, how large and how dense they are, is not (Wattenberg
et al. 2016, "How to Use t-SNE Effectively").
"""

__all__ = ["pca", "sample_per_class", "tsne"]

import inspect

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.preprocessing import normalize

from workshop_lib.errors import WorkshopError

Points = NDArray[np.float32]


def _iterations(kind: type) -> str:
    """Name the argument: scikit-learn 1.5 renamed it, and 1.7 forgot the old name."""
    known = inspect.signature(kind).parameters
    return "max_iter" if "max_iter" in known else "n_iter"


def pca(vectors: Points, dims: int = 2) -> tuple[Points, NDArray[np.float64]]:
    """Project onto the directions in which the vectors differ most.

    Args:
        vectors: (N, D); their lengths do not matter.
        dims: 2 or 3.

    Returns:
        (N, dims) points, and (dims,) the share of the variance that each axis shows.

    Raises:
        WorkshopError: too few images or dimensions, or all vectors are equal.
    """
    unit = _unit(vectors, dims)
    fitted = PCA(dims, svd_solver="full").fit(unit)
    points = fitted.transform(unit).astype(np.float32)
    return points, fitted.explained_variance_ratio_.astype(np.float64)


def tsne(
    vectors: Points,
    dims: int = 2,
    *,
    seed: int = 0,
    perplexity: float = 30.0,
    max_iter: int = 1000,
) -> Points:
    """Arrange images so that near neighbours stay near (van der Maaten & Hinton 2008).

    Starts from the principal components, which makes the large-scale order less
    arbitrary (Kobak & Berens 2019) and the result the same for the same seed. 2,000
    images take 10 to 20 s in 2-D on two CPU cores and three times that in 3-D.

    Args:
        vectors: (N, D); their lengths do not matter.
        dims: 2 or 3; 3 is a map of its own, not the 2-D one with depth added.
        seed: of what is random in it.
        perplexity: neighbours that an image attends to, 5 to 50; lowered to a third of
            the images where there are few.
        max_iter: steps of gradient descent, at least 250.

    Returns:
        (N, dims) points; their unit means nothing.

    Raises:
        WorkshopError: too few images or dimensions, all vectors are equal, or a setting
            out of range.
    """
    unit = _unit(vectors, dims)
    if perplexity <= 0 or max_iter < 250:
        raise WorkshopError(
            f"perplexity={perplexity}, max_iter={max_iter}: use 5 to 50 neighbours and"
            " at least 250 steps."
        )
    fitted = TSNE(
        dims,
        perplexity=min(perplexity, (len(unit) - 1) / 3),
        # scikit-learn's own choice, but for its lower limit of 50: that throws small
        # sets in 3-D apart. Belkina et al. 2019: N / 12, which counts as N / 48 here.
        learning_rate=max(len(unit) / 48, 1.0),
        init="pca",
        random_state=seed,
        **{_iterations(TSNE): max_iter},
    )
    points: Points = fitted.fit_transform(unit).astype(np.float32)
    return points


def sample_per_class(
    labels: NDArray[np.int64], most: int = 2000, seed: int = 0
) -> NDArray[np.int64]:
    """Choose at most `most` images, as evenly over the classes as their numbers allow.

    Rare classes keep all their images; the common ones share what is left.

    Args:
        labels: (N,) classes.
        most: at least 1.
        seed: another seed, other images.

    Returns:
        (min(N, most),) positions in increasing order.

    Raises:
        WorkshopError: `most` is below 1.
    """
    if most < 1:
        raise WorkshopError(f"most={most} images to draw: give at least 1.")
    order = np.random.default_rng(seed).permutation(len(labels))
    # Deal like cards: every class its first image, then every class its second, ...
    turn = np.empty(len(labels), dtype=np.int64)
    for k in np.unique(labels):
        members = order[labels[order] == k]
        turn[members] = np.arange(len(members))
    dealt = order[np.argsort(turn[order], kind="stable")]
    return np.sort(dealt[:most])


def _unit(vectors: Points, dims: int) -> Points:
    """Scale each vector to length 1; refuse what no map can be drawn of."""
    if dims not in (2, 3):
        raise WorkshopError(f"dims={dims}: a map has 2 or 3 dimensions.")
    N, D = vectors.shape
    if min(N - 1, D) < dims:
        raise WorkshopError(
            f"{N} vectors of {D} numbers cannot be drawn in {dims} dimensions: give at"
            f" least {dims + 1} images and {dims} numbers each."
        )
    unit: Points = normalize(vectors)
    if np.ptp(unit, axis=0).max() < 1e-6:
        raise WorkshopError(
            f"all {N} vectors point the same way: the network gives every image the"
            " same embedding (it has collapsed), so there is nothing to draw."
        )
    return unit
