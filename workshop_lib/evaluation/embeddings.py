"""Where a network puts each image: one vector per image, with its label and name."""

__all__ = ["Embeddings", "embed_run", "export_embeddings"]

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import PARTS, Split
from workshop_lib.errors import WorkshopError, unknown_name
from workshop_lib.evaluation.evaluate import check_fits
from workshop_lib.files import UNREADABLE, write_or_explain, write_text
from workshop_lib.models.predict import embed
from workshop_lib.session import pick_device
from workshop_lib.training.run import Run
from workshop_lib.training.views import model_inputs


@dataclass(frozen=True, eq=False)
class Embeddings:
    """One vector per image, and what is known of the images.

    Args:
        vectors: (N, D) float32.
        labels: (N,) true classes, 0 to K-1.
        names: N names of the images.
        class_names: K names.

    Raises:
        WorkshopError: lengths that differ, no image, or values that are not finite.
    """

    vectors: NDArray[np.float32]
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


def embed_run(
    run: Run,
    scenes: Scenes,
    split: Split,
    part: str = "test",
    which: Literal["features", "projection"] = "features",
    checkpoint: Literal["best", "last", "initial"] = "best",
) -> Embeddings:
    """Embed one part of a run's images with its network.

    To look at where test images lie chooses nothing, as long as nothing is changed
    because of what was seen; to choose among runs or settings, look at "val".

    Args:
        run, scenes, split: a finished run and the data it was trained on.
        part: "labeled", "unlabeled", "val" or "test".
        which: "features" are what the classifier reads; "projection" the unit vectors
            of the projection head, where the recipe has one.
        checkpoint: "best" by validation, "last", or "initial": before training.

    Raises:
        WorkshopError: other data than the run's, an unknown name, an empty part, or a
            model without a projection.
    """
    if part not in PARTS:
        raise unknown_name("part", part, PARTS)
    check_fits(run, scenes, split)
    index = getattr(split, part)
    if len(index) == 0:
        raise WorkshopError(f"the part {part!r} of {run.folder} holds no image.")
    model, normalize = run.load_model(checkpoint)
    device = pick_device()
    inputs = model_inputs(run.recipe, scenes.images, device)
    vectors = embed(model.to(device), normalize, inputs[0][index], which)  # (N, D)
    return Embeddings(
        vectors=vectors.numpy(),
        labels=scenes.labels[index].cpu().numpy(),
        names=tuple(scenes.names[i] for i in index.tolist()),
        class_names=scenes.class_names,
    )


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
        folder: is made if need be.
        embeddings: what to write.
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
        raise WorkshopError(f"a map is called {taken[0]!r}, as the embeddings' own.")
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
