"""The command that looks into a trained network: what lies next to what?"""

__all__ = ["embed"]

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from workshop_lib.errors import WorkshopError

if TYPE_CHECKING:  # help would wait for them
    import numpy as np
    from numpy.typing import NDArray

    from workshop_lib.evaluation.embeddings import Embeddings
    from workshop_lib.plots import AccessibleFigure

_QUERIES = 10  # rows of the picture of neighbours


def embed(
    run: tyro.conf.Positional[Path],
    which: Literal["features", "projection"] = "features",
    part: Literal["labeled", "unlabeled", "val", "test"] = "test",
    checkpoint: Literal["best", "last", "initial"] = "best",
    image: str | None = None,
    k: int = 1,
    most: int = 2000,
    three_d: bool = True,
    seed: int = 0,
    out: Path | None = None,
) -> None:
    """Draw where a trained network puts images, and say how well classes lie apart.

    Writes t-SNE and PCA in 2-D and 3-D, nearest neighbours, and the vectors for numpy
    and for TensorBoard's projector. About a minute on two CPU cores, most of it 3-D.

    Example: workshop embed runs/quickstart/fixmatch --part val

    Args:
        run: the folder that `workshop train` printed.
        which: features are what the classifier reads; projection is what contrastive
            losses compare, where the run has a projection head.
        part: which images are drawn; kNN looks them up among the labelled ones.
        checkpoint: best by validation, last, or initial, which is before training.
        image: name of an image whose neighbours are shown; default: one of each class.
        k: labelled neighbours that vote in the kNN accuracy.
        most: images drawn by t-SNE, evenly from all classes; it is slow with more.
        three_d: whether to draw in 3-D as well.
        seed: of t-SNE, and of which images are drawn.
        out: folder for what is written; default RUN/embeddings/WHICH-PART.
    """
    from workshop_lib.data.load import open_data
    from workshop_lib.evaluation.embed import embed_run
    from workshop_lib.evaluation.embeddings import export_embeddings
    from workshop_lib.evaluation.projection import draw_neighbours, maps_2d, maps_3d
    from workshop_lib.training.run import Run

    opened = Run.load(run)
    scenes, split = open_data(opened.config, opened.folder / "split")
    found = embed_run(opened, scenes, split, part, which, checkpoint)
    asked = _queries(found, image)  # a misspelt name should not cost a minute
    before = " before training" if checkpoint == "initial" else ""
    title = f"{which.capitalize()} of {len(found):,} {part} images{before}"
    print(f"{title}: {found.vectors.shape[1]} numbers each")
    if part == "test":
        print("test images: look, but choose nothing by them (to choose: --part val)")
    memory = embed_run(opened, scenes, split, "labeled", which, checkpoint)
    note = _print_figures(found, memory, k)
    if len(found) > most:
        print(f"drawn: {most:,} of them, evenly from all classes (seed {seed})")

    end = "" if checkpoint == "best" else f"-{checkpoint}"
    folder = out or opened.folder / "embeddings" / f"{which}-{part}{end}"
    figure, maps = maps_2d(found, title=title, note=note, most=most, seed=seed)
    pictures = {"maps_2d.png": figure}
    if three_d:
        figure, more = maps_3d(found, title=title, most=most, seed=seed)
        maps.update(more)
        pictures["maps_3d.png"] = figure
    pictures["neighbours.png"] = draw_neighbours(
        found, scenes, asked, title="Nearest neighbours by cosine"
    )
    export_embeddings(folder, found, maps)
    for name, figure in pictures.items():
        _save(folder / name, figure)
    names = ("embeddings.npz", "vectors.tsv", "metadata.tsv", *pictures)
    print(f"written to {folder}: {', '.join(names)}")


def _queries(found: "Embeddings", image: str | None) -> "NDArray[np.int64]":
    """Find the image that was asked for; or the first of each class, ten at most."""
    import numpy as np

    if image is None:
        return np.unique(found.labels, return_index=True)[1][:_QUERIES]
    if image not in found.names:
        nearest = difflib.get_close_matches(image, found.names, n=1, cutoff=0.0)
        raise WorkshopError(
            f"image {image!r} is not among these {len(found):,}; the name most like it"
            f" is {nearest[0]!r}. Give a name of the part that is drawn (--part)."
        )
    return np.array([found.names.index(image)])


def _print_figures(found: "Embeddings", memory: "Embeddings", k: int) -> str:
    """Print kNN accuracy and silhouette; return both in short, for below the map."""
    from workshop_lib.evaluation.embeddings import knn_accuracy, silhouette

    spread = silhouette(found.vectors, found.labels)
    note = f"silhouette {spread:.2f}"
    if not set(found.names) <= set(memory.names):  # those would find themselves
        accuracy = knn_accuracy(memory, found, k)
        nearest = "nearest" if k == 1 else f"{min(k, len(memory))} nearest"
        print(
            f"kNN accuracy {accuracy:.3f} (by the {nearest} of {len(memory):,} labelled"
            " images, cosine)"
        )
        note = f"kNN {100 * accuracy:.1f} %, {note}"
    print(f"silhouette {spread:.3f} (-1 mixed up, 0 on the border, 1 well apart)")
    return note


def _save(path: Path, figure: "AccessibleFigure") -> None:
    from workshop_lib.files import write_or_explain

    write_or_explain(
        path, lambda temporary: figure.savefig(temporary, format="png", dpi=120)
    )
