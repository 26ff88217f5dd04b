"""Embeddings: one vector per image, and nearest neighbours by angle among them.

Classes that a network has learnt to distinguish lie apart, before any classifier.
"""

__all__ = [
    "Embeddings",
    "embed",
    "embed_run",
    "export_embeddings",
    "knn_accuracy",
    "nearest",
    "silhouette",
]

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import silhouette_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from torch import Tensor

from workshop_lib.data.dataset import Dataset
from workshop_lib.data.split import PARTS, Split
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.evaluation.inference import check_fits, stored_views
from workshop_lib.evaluation.inference import embed as embed_images
from workshop_lib.files import write_npz, write_or_explain, write_text
from workshop_lib.session import pick_device
from workshop_lib.training.run import Run

Vectors = NDArray[np.float32]
Which = Literal["features", "projection"]
Checkpoint = Literal["best", "last", "initial"]


@dataclass(frozen=True, eq=False)
class Embeddings:
    """One vector per image, with the images' labels and names."""

    vectors: Vectors  # (N, D)
    labels: NDArray[np.int64]  # (N,) true classes, 0 to K-1
    names: tuple[str, ...]  # N, of the images
    class_names: tuple[str, ...]  # K

    def __len__(self) -> int:
        return len(self.vectors)


def embed_run(
    run: Run,
    scenes: Dataset,
    split: Split,
    part: str = "test",
    which: Which = "features",
    checkpoint: Checkpoint = "best",
) -> Embeddings:
    """Embed one part of a run's images with its network.

    Looking at the test images is fine as long as nothing is changed because of what you
    see; to choose among runs or settings, look at "val".

    Args:
        run, scenes, split: a finished run and the data it was trained on.
        part: "labeled", "unlabeled", "val" or "test".
        which: "features" are the classifier's input; "projection" the unit vectors of
            the projection head, where the model has one.
        checkpoint: "best" by validation, "last", or "initial": before training.

    Raises:
        WorkshopError: other data than the run's, an unknown name, or a model without a
            projection.
    """
    if part not in PARTS:
        raise unknown_name("part", part, PARTS)
    check_fits(run, scenes, split)
    return embed(run, scenes, getattr(split, part), which, checkpoint)


def embed(
    run: Run,
    scenes: Dataset,
    index: Tensor,
    which: Which = "features",
    checkpoint: Checkpoint = "best",
) -> Embeddings:
    """Embed some images with the network of a run.

    Args:
        run: a finished run with one class per image.
        scenes: images of the same sensors.
        index: (n,) positions of the images, such as `split.test`.
        which, checkpoint: as of `embed_run`.

    Raises:
        WorkshopError: images with several labels each, or a model without a projection.
    """
    if scenes.multi_label:
        raise WorkshopError(
            "images with several labels each have no single class to mark a point by:"
            " embed a run with one class per image."
        )
    model, normalize = run.load_model(checkpoint)
    plain = stored_views(run, scenes)[0]
    network = model.to(pick_device())
    vectors = embed_images(network, plain, normalize, which, index=index)  # (n, D)
    labels = scenes.labels[index].cpu().numpy()
    names = tuple(scenes.names[i] for i in index.tolist())
    return Embeddings(vectors.numpy(), labels, names, scenes.class_names)


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
        WorkshopError: no query lies outside the memory, or none may vote.
    """
    if k < 1:
        raise WorkshopError(f"k={k} neighbours: at least 1 must vote.")
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
    """
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
        WorkshopError: nothing can be written there.
    """
    files = ("embeddings.npz", "vectors.tsv", "metadata.tsv")
    paths, vectors = [Path(folder) / name for name in files], embeddings.vectors
    arrays = {name: np.asarray(value) for name, value in vars(embeddings).items()}
    write_npz(paths[0], **arrays, **(maps or {}))
    table = {"fmt": "%.6g", "delimiter": "\t"}
    write_or_explain(paths[1], lambda part: np.savetxt(part, vectors, **table))
    classes = [embeddings.class_names[k] for k in embeddings.labels]
    rows = [("name", "class"), *zip(embeddings.names, classes, strict=True)]
    # The projector knows no quotes: a tab would begin another column
    lines = ["\t".join(cell.replace("\t", " ") for cell in row) for row in rows]
    write_text(paths[2], "\n".join([*lines, ""]))
    return paths
