"""Projections of embeddings to two or three dimensions, t-SNE and PCA, and their plots.

Both are given unit vectors: only the direction of an embedding matters, as for the
neighbours. PCA is a linear projection, the same every time; clusters may hide behind
each other. t-SNE keeps neighbours together at any price: trust which points are close,
but not how far apart groups are, nor how large and dense they look (Wattenberg et al.
2016, "How to Use t-SNE Effectively").
"""

__all__ = ["draw_neighbours", "embedding_maps", "pca", "sample_per_class", "tsne"]

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.preprocessing import normalize

from workshop_lib import plots
from workshop_lib.data.dataset import Dataset
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.embeddings import Embeddings, nearest
from workshop_lib.plots import AccessibleFigure, Panel

Points = NDArray[np.float32]
Arrays = dict[str, NDArray[Any]]  # the points drawn, by name, for the export


def pca(vectors: Points, dims: int = 2) -> tuple[Points, NDArray[np.float64]]:
    """Project onto the directions of largest variance.

    Args:
        vectors: (N, D); their lengths do not matter.
        dims: 2 or 3.

    Returns:
        (N, dims) points, and (dims,) the fraction of the variance along each axis.

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
) -> Points:
    """Arrange images so that near neighbours stay near (van der Maaten & Hinton 2008).

    Starts from the principal components, which makes the large-scale layout less
    arbitrary (Kobak & Berens 2019) and the result the same for the same seed. 2,000
    images take 10 to 20 s in 2-D on two CPU cores and three times that in 3-D.

    Args:
        vectors: (N, D); their lengths do not matter.
        dims: 2 or 3; 3 is a map of its own, not the 2-D one with depth added.
        seed: of its random choices.
        perplexity: neighbours that an image attends to, 5 to 50; lowered to a third of
            the images where there are few.

    Returns:
        (N, dims) points; their unit has no meaning.

    Raises:
        WorkshopError: too few images or dimensions, or all vectors are equal.
    """
    unit = _unit(vectors, dims)
    fitted = TSNE(
        dims,
        perplexity=min(perplexity, (len(unit) - 1) / 3),
        # scikit-learn's own choice, but for its lower limit of 50: that throws small
        # sets in 3-D apart. Belkina et al. 2019: N / 12, which counts as N / 48 here.
        learning_rate=max(len(unit) / 48, 1.0),
        init="pca",
        random_state=seed,
    )
    return fitted.fit_transform(unit).astype(np.float32)


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
        (min(N, most),) indices in increasing order.

    Raises:
        WorkshopError: `most` is below 1.
    """
    if most < 1:
        raise WorkshopError(f"most={most} images to draw: give at least 1.")
    order = np.random.default_rng(seed).permutation(len(labels))
    # Deal like cards: every class its first image, then every class its second, ...
    shuffled = pd.Series(labels[order])
    turn = shuffled.groupby(shuffled).cumcount()
    return np.sort(order[np.argsort(turn, kind="stable")][:most])


def _unit(vectors: Points, dims: int) -> Points:
    """Scale each vector to length 1; raise if no map can be drawn of them."""
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


def embedding_maps(
    embeddings: Embeddings,
    dims: int = 2,
    *,
    title: str = "Where the network puts the images",
    note: str = "",
    most: int = 2000,
    seed: int = 0,
) -> tuple[AccessibleFigure, Arrays]:
    """Draw t-SNE and PCA: in 3-D each from two sides, as one hides the depth.

    Args:
        embeddings: to draw.
        dims: 2 or 3.
        title: heading of the figure.
        note: a line below the t-SNE, such as the kNN accuracy.
        most: images drawn; with more, evenly from all classes (`sample_per_class`).
        seed: of the choice and of t-SNE.

    Returns:
        The figure; and "drawn" (n,) indices, "tsne_2d" and "pca_2d" (n, 2), or
        "tsne_3d" and "pca_3d" (n, 3).
    """
    drawn = sample_per_class(embeddings.labels, most, seed)
    vectors, labels = embeddings.vectors[drawn], embeddings.labels[drawn]
    linear, fractions = pca(vectors, dims)
    points = tsne(vectors, dims, seed=seed)
    arrays: Arrays = {"drawn": drawn, f"tsne_{dims}d": points, f"pca_{dims}d": linear}
    percents = [f"{100 * fraction:.0f}" for fraction in fractions.tolist()]
    if dims == 2:
        names = tuple(f"PC {i}: {p} % of variance" for i, p in enumerate(percents, 1))
        panels = [
            Panel("t-SNE", points, labels, note=note),
            Panel("PCA", linear, labels, names),
        ]
    else:
        words = f"axes show {', '.join(percents)} % of the variance"
        panels = [
            Panel(f"{name}, from {side}", xyz, labels, note=said, azimuth=azimuth)
            for name, xyz, said in (("t-SNE", points, note), ("PCA", linear, words))
            for side, azimuth in (("one side", -60.0), ("another", 30.0))
        ]
    names = embeddings.class_names
    return plots.embedding_grid(panels, names, title=title, columns=2), arrays


def draw_neighbours(
    embeddings: Embeddings, scenes: Dataset, queries: NDArray[np.int64]
) -> AccessibleFigure:
    """Show images, and beside each its five nearest neighbours by cosine.

    Args:
        embeddings: where to look for neighbours.
        scenes: the images they were made of.
        queries: (Q,) indices into the embeddings.
    """
    few = min(5, len(embeddings) - 1)
    found, similarity = nearest(embeddings.vectors, queries, few)
    where = {name: i for i, name in enumerate(scenes.names)}
    place = np.array([where[name] for name in embeddings.names])
    return plots.neighbours(scenes, place[queries], place[found], similarity)
