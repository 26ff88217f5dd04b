"""Predictions of a run: kept for each test image, and made of new image files."""

__all__ = ["PredictedFiles", "Predictions", "predict_files", "run_temperature"]

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workshop_lib.data.read.geotiff import read_pictures
from workshop_lib.data.read.images import OnError
from workshop_lib.data.read.index import find_images, index_files
from workshop_lib.errors import WorkshopError, readable
from workshop_lib.evaluation.calibration import apply_temperature
from workshop_lib.evaluation.inference import predict_run
from workshop_lib.files import read_json, read_npz, write_npz
from workshop_lib.training.run import Run

PRESENT = 0.5  # of several labels: probability from which an image has the label


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predicted probabilities and true classes, with the names of the images.

    Args:
        names: of the N images.
        truth: (N,) true classes.
        probs: (N, K) probabilities.
        class_names: K names.
        source: name of the data set; two may use the same names for other images.
    """

    names: tuple[str, ...]
    truth: Tensor
    probs: Tensor
    class_names: tuple[str, ...]
    source: str = ""

    @property
    def right(self) -> Tensor:
        """Which images are predicted correctly, (N,) bool."""
        return self.probs.argmax(dim=1) == self.truth

    def save(self, path: Path) -> None:
        """Write everything to one `.npz` file.

        Raises:
            WorkshopError: no space or no permission; an old file is left as it was.
        """
        write_npz(
            path, **{name: np.asarray(value) for name, value in vars(self).items()}
        )

    @classmethod
    def load(cls, path: Path) -> "Predictions":
        """Read a file that `save` wrote.

        Raises:
            WorkshopError: the file is missing, cut off, or something else.
        """
        advice = "run `workshop evaluate` on that run (delete a damaged file before)."
        found = read_npz(path, [one.name for one in fields(cls)], advice)
        names, classes = (tuple(found[k].tolist()) for k in (0, 3))
        truth, probs = map(torch.from_numpy, found[1:3])
        return cls(names, truth, probs, classes, str(found[4]))

    def in_order_of(self, other: "Predictions") -> "Predictions":
        """Put these predictions into the order of others on the same images.

        Raises:
            WorkshopError: the images, their classes or the names of the classes are
                not the same.
        """
        rows = torch.from_numpy(pd.Index(self.names).get_indexer(list(other.names)))
        shared = int((rows >= 0).sum())
        same = shared == len(self.names) == len(other.names)
        same &= (self.source, self.class_names) == (other.source, other.class_names)
        if not same or not torch.equal(self.truth[rows], other.truth):
            raise WorkshopError(
                f"predictions on {len(self.names)} and on {len(other.names)} test"
                f" images of {self.source!r} and {other.source!r}, {shared} of the same"
                " name: compare runs on the same test images and the same classes."
                " Train both on one data set with the same split seed."
            )
        return replace(other, probs=self.probs[rows])


@dataclass(frozen=True)
class PredictedFiles:
    """Predicted classes of N image files.

    Args:
        table: a row per image. Of one class per image: image (its name), class,
            confidence, second_class, second_confidence, and raw_confidence, which is
            before the temperature. Of several labels: image, labels and their
            probabilities (each separated by "; "; only those above 0.5), and
            confidence: how certain the least certain of the K answers is, 0.5 to 1.
        paths: of the same images, in the same order.
        probs: (N, K), calibrated; of several labels each 0 to 1 by itself.
        class_names: all K classes of the model.
        several: whether an image may have several labels, or none.
        temperature: that the confidence was calibrated with; None if uncalibrated.
        note: images that were left out or resized; empty if none.
    """

    table: pd.DataFrame
    paths: tuple[Path, ...]
    probs: Tensor
    class_names: tuple[str, ...]
    several: bool = False
    temperature: float | None = None
    note: str = ""

    def images_of(self, name: str) -> pd.DataFrame:
        """Return the rows of the images that were given a class, or a label."""
        k = self.class_names.index(name)
        if self.several:
            return self.table[(self.probs[:, k] >= PRESENT).numpy()]
        return self.table[self.table["class"] == name]


def predict_files(
    run: Run, images: Iterable[Path], on_error: OnError = "raise"
) -> PredictedFiles:
    """Classify image files, with a calibrated confidence.

    The confidence is calibrated with the temperature that `evaluate` fitted on the
    validation images, so that about 80 % of the images at 80 % are right, as long as
    they resemble those that the model was trained on. The probabilities of several
    labels per image are not calibrated.

    Args:
        run: a training on RGB images, from pixels or on features, whose main head
            predicts one class per image, or several labels.
        images: files and folders; folders are searched with their subfolders.
        on_error: "raise" an error that lists every unreadable file, or "skip" them.

    Raises:
        WorkshopError: a model that needs more than red, green and blue, or predicts
            something else; no such file or folder, no images, or files that cannot be
            read.
    """
    several, names = _check(run), _names(images)
    found = read_pictures(index_files(names), run.config.data.size, on_error)
    if found.images.dtype != torch.uint8:
        raise WorkshopError(f"{run.folder} is about 8-bit pictures: give such images.")
    probs = predict_run(run, {"rgb": found.images}).double()
    place_of = {readable(str(path)): path for path in names}
    paths, temperature = tuple(place_of[name] for name in found.names), None
    if several:
        probs = probs[:, 1]  # (N, K)
        columns = _label_columns(probs, run.class_names)
    else:
        raw, temperature = probs, run_temperature(run)  # (N, K)
        probs = apply_temperature(raw, temperature) if temperature else raw
        columns = _class_columns(raw, probs, run.class_names)
    table = pd.DataFrame({"image": [names[path] for path in paths], **columns})
    return PredictedFiles(
        table, paths, probs, run.class_names, several, temperature, found.note
    )


def run_temperature(run: Run) -> float | None:
    """Return the temperature that `evaluate` fitted for a run.

    None if the run was not evaluated, or if its validation images could not tell; see
    `calibrate`.

    Raises:
        WorkshopError: evaluation.json is damaged.
    """
    path = run.folder / "evaluation.json"
    if not path.exists():
        return None
    if "calibration" not in read_json(path):  # of another head than a class
        return None
    like = {"calibration": {"temperature": (int, float, type(None))}}
    fitted: float | None = read_json(path, like)["calibration"]["temperature"]
    return fitted


def _check(run: Run) -> bool:
    """Return whether the run predicts several labels; refuse what files cannot give."""
    kind = run.facts["heads"][run.main_head]["kind"]
    others = {
        "dense": "a class per pixel: make maps with `workshop map`",
        "regression": f"the number {run.main_head!r}, not classes: load the images as a"
        " Dataset and use `predict_run`",
    }
    if kind in others:
        raise WorkshopError(f"{run.folder} predicts {others[kind]}.")
    inputs = [*run.facts["sensors"], *run.metadata]
    if not run.facts["is_rgb"] or inputs not in (["rgb"], ["features"]):
        needs = inputs if run.facts["is_rgb"] else run.facts["bands"]
        raise WorkshopError(
            f"{run.folder} was trained on {', '.join(needs)}: image files have red,"
            " green and blue only. Train on a folder of images first."
        )
    return bool(kind == "multilabel")


def _class_columns(
    raw: Tensor, probs: Tensor, classes: tuple[str, ...]
) -> dict[str, Any]:
    top, index = probs.topk(2, dim=1)  # (N, 2) each
    return {
        "class": [classes[k] for k in index[:, 0].tolist()],
        "confidence": top[:, 0].numpy().round(4),
        "second_class": [classes[k] for k in index[:, 1].tolist()],
        "second_confidence": top[:, 1].numpy().round(4),
        "raw_confidence": raw.max(dim=1).values.numpy().round(4),
    }


def _label_columns(probs: Tensor, classes: tuple[str, ...]) -> dict[str, Any]:
    likeliest = probs.argsort(dim=1, descending=True).tolist()
    present = [
        [(classes[k], float(values[k])) for k in order if values[k] >= PRESENT]
        for values, order in zip(probs, likeliest, strict=True)
    ]
    return {
        "labels": ["; ".join(name for name, _ in one) for one in present],
        "probabilities": ["; ".join(f"{p:.4f}" for _, p in one) for one in present],
        "confidence": probs.maximum(1 - probs).amin(dim=1).numpy().round(4),
    }


def _names(images: Iterable[Path]) -> dict[Path, str]:
    """List the files, each with its name: relative to its folder, or as given.

    Where two would have the same name, all are named with their folder.
    """
    found, missing = dict[Path, str](), list[str]()
    for place in images:
        missing += [str(place)] * (not place.exists())
        for path in find_images(place) if place.is_dir() else [place]:
            name = path.relative_to(place) if place.is_dir() else path
            found[path] = readable(name.as_posix())
    if missing:
        raise WorkshopError(
            f"no such image or folder: {', '.join(missing)}. Give image files, or"
            " folders of them."
        )
    if not found:
        raise WorkshopError("give at least one image, or a folder of images.")
    if len(set(found.values())) < len(found):
        found = {path: readable(path.as_posix()) for path in found}
    return found
