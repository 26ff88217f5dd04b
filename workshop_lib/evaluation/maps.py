"""From embeddings to pictures: t-SNE beside PCA, in 3-D, or several runs together."""

__all__ = ["compare_maps", "draw_neighbours", "maps_2d", "maps_3d"]

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workshop_lib import plots
from workshop_lib.data.scenes import Scenes
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.embeddings import Embeddings
from workshop_lib.evaluation.neighbours import nearest, silhouette
from workshop_lib.evaluation.reduce import pca, sample_per_class, tsne
from workshop_lib.plots import AccessibleFigure, Panel

Arrays = dict[str, NDArray[Any]]  # what is drawn, by name, to be kept in the export


def maps_2d(
    embeddings: Embeddings,
    *,
    title: str = "Where the network puts the images",
    note: str = "",
    most: int = 2000,
    seed: int = 0,
) -> tuple[AccessibleFigure, Arrays]:
    """Draw t-SNE and PCA side by side.

    Args:
        embeddings: what to draw.
        title: heading of the figure.
        note: a line below the t-SNE, such as the kNN accuracy.
        most: images drawn; with more, evenly from all classes (`sample_per_class`).
        seed: of the choice and of t-SNE.

    Returns:
        The figure; and "drawn" (n,) positions, "tsne_2d" and "pca_2d" (n, 2).
    """
    drawn, vectors, labels = _drawn(embeddings, most, seed)
    linear, shares = pca(vectors, 2)
    points = tsne(vectors, 2, seed=seed)
    axis_names = tuple(
        f"PC {i}: {100 * share:.0f} % of variance"
        for i, share in enumerate(shares.tolist(), 1)
    )
    panels = [
        Panel("t-SNE", points, labels, note=note),
        Panel("PCA", linear, labels, axis_names),
    ]
    figure = plots.embedding_grid(panels, embeddings.class_names, title=title)
    return figure, {"drawn": drawn, "tsne_2d": points, "pca_2d": linear}


def maps_3d(
    embeddings: Embeddings,
    *,
    title: str = "Where the network puts the images, in 3-D",
    most: int = 2000,
    seed: int = 0,
) -> tuple[AccessibleFigure, Arrays]:
    """Draw t-SNE and PCA in 3-D, each from two sides, as one side hides its depth.

    Arguments as in `maps_2d`; returns the figure; "drawn", "tsne_3d" and "pca_3d".
    """
    drawn, vectors, labels = _drawn(embeddings, most, seed)
    linear, shares = pca(vectors, 3)
    points = tsne(vectors, 3, seed=seed)
    percents = ", ".join(f"{100 * share:.0f}" for share in shares.tolist())
    note = f"axes show {percents} % of the variance"
    panels = [
        Panel(f"{name}, from {side}", where, labels, note=words, azimuth=azimuth)
        for name, where, words in (("t-SNE", points, ""), ("PCA", linear, note))
        for side, azimuth in (("one side", -60.0), ("another", 30.0))
    ]
    figure = plots.embedding_grid(
        panels, embeddings.class_names, title=title, columns=2
    )
    return figure, {"drawn": drawn, "tsne_3d": points, "pca_3d": linear}


def compare_maps(
    embeddings: Mapping[str, Embeddings],
    *,
    title: str = "The same images, put in place by different networks",
    most: int = 2000,
    seed: int = 0,
    columns: int = 3,
) -> AccessibleFigure:
    """Draw a t-SNE of the same images for each of several networks.

    Such as supervised, FixMatch and CoMatch, or before and after training. Below each
    stands its silhouette, which is of all images and all dimensions: trust it more than
    the look of the map.

    Args:
        embeddings: of the same images, by the title to show.
        title: heading of the figure.
        most, seed: as in `maps_2d`; the same images are drawn in every map.
        columns: maps per row.

    Raises:
        WorkshopError: there is none, or they are not of the same images.
    """
    if not embeddings:
        raise WorkshopError("no embeddings to compare: give at least one.")
    first_name, first = next(iter(embeddings.items()))
    panels = []
    for name, found in embeddings.items():
        if (found.names, found.class_names) != (first.names, first.class_names):
            raise WorkshopError(
                f"{name!r} and {first_name!r} are not of the same images: embed the"
                " same part of runs that share their split."
            )
        _, vectors, labels = _drawn(found, most, seed)
        note = f"silhouette {silhouette(found.vectors, found.labels):.2f}"
        panels.append(Panel(name, tsne(vectors, seed=seed), labels, note=note))
    return plots.embedding_grid(panels, first.class_names, title=title, columns=columns)


def draw_neighbours(
    embeddings: Embeddings,
    scenes: Scenes,
    queries: NDArray[np.int64],
    *,
    k: int = 5,
    title: str = "Nearest neighbours",
) -> AccessibleFigure:
    """Show images and beside each the k that the network puts nearest to it.

    Args:
        embeddings: where to look for neighbours.
        scenes: the images they were made of.
        queries: (Q,) positions in the embeddings.
        k: neighbours of each; fewer if there are not so many images.
        title: heading of the figure.

    Raises:
        WorkshopError: a position out of range, or a name that is not in the scenes.
    """
    found, similarity = nearest(
        embeddings.vectors, queries, min(k, len(embeddings) - 1)
    )
    where = {name: i for i, name in enumerate(scenes.names)}
    shown, inverse = np.unique(np.append(queries, found), return_inverse=True)
    missing = [n for n in (embeddings.names[i] for i in shown) if n not in where]
    if missing:
        raise WorkshopError(
            f"image {missing[0]!r} is not in these scenes: give those that the"
            " embeddings were made of."
        )
    index = [where[embeddings.names[i]] for i in shown]
    inverse = inverse.reshape(-1).astype(np.int64)
    return plots.neighbours(
        scenes.images[index],
        scenes.bands,
        embeddings.labels[shown],
        embeddings.class_names,
        inverse[: len(queries)],
        inverse[len(queries) :].reshape(found.shape),
        similarity,
        title=title,
    )


def _drawn(
    embeddings: Embeddings, most: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    drawn = sample_per_class(embeddings.labels, most, seed)
    return drawn, embeddings.vectors[drawn], embeddings.labels[drawn]
