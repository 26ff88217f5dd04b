"""Embeddings: one vector per image, and nearest neighbours by angle among them.

Classes that a network has learnt to distinguish lie apart, before any classifier.
"""

__all__ = [
    "Embeddings",
    "export_embeddings",
    "knn_accuracy",
    "nearest",
    "silhouette",
]

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import silhouette_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from workshop_lib.errors import WorkshopError
from workshop_lib.files import UNREADABLE, write_or_explain, write_text

Vectors = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Embeddings:
    """One vector per image, with the images' labels and names.

    Args:
        vectors: (N, D) float32.
        labels: (N,) true classes, 0 to K-1.
        names: N names of the images.
        class_names: K names.

    Raises:
        WorkshopError: lengths that differ, no image, or values that are not finite.
    """

    vectors: Vectors
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        shape, N = self.vectors.shape, len(self.names)
        if len(shape) != 2 or shape[0] != N or self.labels.shape != (N,) or N == 0:
            raise WorkshopError(
                f"vectors of shape {shape}, labels of shape {self.labels.shape} and"
                f" {N} names: give (N, D), (N,) and N, of at least one image."
            )
        if not np.isfinite(self.vectors).all():
            raise WorkshopError(
                "some vectors hold NaN or infinity: the network that made them is"
                " broken; train it again with a lower learning rate."
            )

    def __len__(self) -> int:
        return len(self.vectors)

    @classmethod
    def load(cls, path: Path | str) -> "Embeddings":
        """Read the `.npz` that `export_embeddings` wrote.

        Raises:
            WorkshopError: it is missing, damaged or something else.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(
                    vectors=file["vectors"],
                    labels=file["labels"],
                    names=tuple(file["names"].tolist()),
                    class_names=tuple(file["class_names"].tolist()),
                )
        except WorkshopError:
            raise
        except UNREADABLE as error:
            raise WorkshopError(
                f"cannot read {path} as embeddings ({type(error).__name__}): give the"
                " embeddings.npz that `workshop embed` wrote."
            ) from error


def knn_accuracy(memory: Embeddings, queries: Embeddings, k: int = 1) -> float:
    """Classify queries by their nearest labelled images; return the accuracy.

    It needs no trained classifier, so it measures the embedding itself (Wu et al. 2018,
    "Unsupervised Feature Learning via Non-Parametric Instance Discrimination", section
    3.4, where k is 200 of a million labels). Neighbours vote by 1 / cosine distance.
    Queries that are also in the memory are left out: they would find themselves.

    Args:
        memory: labelled images.
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
    """Measure how much closer images are to their own class than to the next one.

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
    """Find the images whose vectors have the smallest angle to a query's.

    Args:
        vectors: (N, D).
        queries: (Q,) indices into the N; an image is not its own neighbour.
        k: neighbours of each, 1 to N - 1.

    Returns:
        (Q, k) indices, nearest first, and (Q, k) cosine similarities, -1 to 1.

    Raises:
        WorkshopError: k or an index out of range.
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


def export_embeddings(
    folder: Path | str,
    embeddings: Embeddings,
    maps: Mapping[str, NDArray[Any]] | None = None,
) -> list[Path]:
    """Write embeddings for numpy and for TensorBoard's projector.

    `embeddings.npz` holds vectors, labels, names, class_names and the maps.
    `vectors.tsv` and `metadata.tsv` are the two files that projector.tensorflow.org
    (or TensorBoard's tab) loads; nothing is sent anywhere by writing them.

    Args:
        folder: created if it does not exist.
        embeddings: to write.
        maps: more arrays by name, such as the t-SNE points.

    Returns:
        The three paths.

    Raises:
        WorkshopError: a map's name is taken, or nothing can be written there.
    """
    folder = Path(folder)
    arrays: dict[str, NDArray[Any]] = {
        "vectors": embeddings.vectors,
        "labels": embeddings.labels,
        "names": np.array(embeddings.names),
        "class_names": np.array(embeddings.class_names),
    }
    taken = sorted(set(arrays) & set(maps or {}))
    if taken:
        raise WorkshopError(
            f"a map is called {taken[0]!r}, which is taken: use another name than"
            f" {', '.join(arrays)}."
        )
    arrays.update(maps or {})
    paths = [folder / n for n in ("embeddings.npz", "vectors.tsv", "metadata.tsv")]
    write_or_explain(paths[0], lambda temporary: _save_npz(temporary, arrays))
    table = pd.DataFrame(embeddings.vectors)
    write_or_explain(paths[1], lambda temporary: _save_tsv(temporary, table))
    write_text(paths[2], _metadata(embeddings))
    return paths


def _save_npz(path: Path, arrays: Mapping[str, Any]) -> None:
    with path.open("wb") as file:  # given a path, numpy would add .npz to its name
        np.savez_compressed(file, **arrays)


def _save_tsv(path: Path, table: pd.DataFrame) -> None:
    table.to_csv(
        path, sep="\t", header=False, index=False, float_format="%.6g",
        lineterminator="\n",
    )  # fmt: skip


def _metadata(embeddings: Embeddings) -> str:
    """One line per vector. The projector knows no quotes: a tab would be a column."""
    rows = [("name", "class")]
    rows += [
        (name.replace("\t", " "), embeddings.class_names[k].replace("\t", " "))
        for name, k in zip(embeddings.names, embeddings.labels.tolist(), strict=True)
    ]
    return "".join(f"{name}\t{class_name}\n" for name, class_name in rows)
