"""Predictions per image: of the test images, for comparisons, and of new files."""

__all__ = ["PredictedFiles", "Predictions", "predict_files", "run_temperature"]

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workshop_lib.data.read.decode import PictureReader
from workshop_lib.data.read.folders import find_images
from workshop_lib.data.read.images import OnError, read_images
from workshop_lib.data.read.index import index_files
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.calibration import COLDEST, apply_temperature
from workshop_lib.files import UNREADABLE, read_json, write_or_explain
from workshop_lib.models.predict import predict_mean
from workshop_lib.session import pick_device
from workshop_lib.training.run import Run
from workshop_lib.training.views import model_inputs


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
        """Write everything to one `.npz` file, which `numpy.load` can open too.

        Raises:
            WorkshopError: no space or no permission; an old file is left as it was.
        """

        def write(temporary: Path) -> None:
            with temporary.open(
                "wb"
            ) as file:  # given a path, numpy would add .npz to its name
                np.savez_compressed(
                    file,
                    names=np.array(self.names, dtype=np.str_),
                    truth=self.truth.cpu().numpy(),
                    probs=self.probs.cpu().numpy(),
                    class_names=np.array(self.class_names, dtype=np.str_),
                    source=np.array(self.source, dtype=np.str_),
                )

        write_or_explain(path, write)

    @classmethod
    def load(cls, path: Path) -> "Predictions":
        """Read a file that `save` wrote; nothing in it is ever executed.

        Raises:
            WorkshopError: the file is missing, cut off, or something else.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(
                    names=tuple(file["names"].tolist()),
                    truth=torch.from_numpy(file["truth"]),
                    probs=torch.from_numpy(file["probs"]),
                    class_names=tuple(file["class_names"].tolist()),
                    source=str(file["source"]),
                )
        except UNREADABLE as error:
            raise WorkshopError(
                f"cannot read the predictions in {path} ({type(error).__name__}):"
                " delete the file and run `workshop evaluate` on that run again."
            ) from error

    def in_order_of(self, other: "Predictions") -> "Predictions":
        """Put these predictions into the order of others on the same images.

        Raises:
            WorkshopError: the images, their classes or the names of the classes are
                not the same.
        """
        if self.class_names != other.class_names:
            raise WorkshopError(
                f"predictions for the classes {', '.join(self.class_names)} and"
                f" {', '.join(other.class_names)}: compare runs on the same classes."
            )
        place = {name: i for i, name in enumerate(self.names)}
        shared = [place[name] for name in other.names if name in place]
        rows = torch.tensor(shared, dtype=torch.int64)
        alike = len(shared) == len(self.names) == len(other.names)
        same = alike and self.source == other.source
        if not same or not torch.equal(self.truth[rows], other.truth):
            raise WorkshopError(
                f"predictions on {len(self.names)} and on {len(other.names)} test"
                f" images, {len(shared)} of the same name"
                f" ({self.source or 'no source'}; {other.source or 'no source'}): a"
                " paired comparison needs the same test images. Train both on one data"
                " set with the same split seed."
            )
        names = tuple(self.names[i] for i in shared)
        return Predictions(
            names, self.truth[rows], self.probs[rows], self.class_names, self.source
        )


@dataclass(frozen=True)
class PredictedFiles:
    """Predicted classes of image files.

    Args:
        table: a row per image: image (its name), class, confidence, second_class,
            second_confidence, and raw_confidence, which is before the temperature.
        paths: of the same images, in the same order.
        class_names: all classes of the model.
        temperature: that the confidence was calibrated with; None if uncalibrated.
        note: images that were left out or resized; empty if none.
    """

    table: pd.DataFrame
    paths: tuple[Path, ...]
    class_names: tuple[str, ...]
    temperature: float | None
    note: str


def predict_files(
    run: Run, images: Iterable[Path], on_error: OnError = "raise"
) -> PredictedFiles:
    """Classify image files, with a calibrated confidence.

    The confidence is calibrated with the temperature that `evaluate` fitted on the
    validation images, so that about 80 % of the images at 80 % are right, as long as
    they resemble those that the model was trained on.

    Args:
        run: a training on RGB images, from pixels or on features.
        images: files and folders; folders are searched with their subfolders.
        on_error: "raise" an error that lists every unreadable file, or "skip" them.

    Raises:
        WorkshopError: a model of other bands, no such file or folder, no images, or
            files that cannot be read.
    """
    run.check_task("classify", "make maps with `workshop map`")
    if not run.facts["is_rgb"]:
        raise WorkshopError(
            f"{run.folder} was trained on the bands {', '.join(run.facts['bands'])}:"
            " image files have red, green and blue only. Train on a folder of images"
            " first."
        )
    names = _names(images)
    found = read_images(
        PictureReader(index_files(names)), run.recipe.size, on_error=on_error
    )
    device = pick_device()
    model, normalize = run.load_model()
    inputs = model_inputs(run.recipe, found.images, device)
    probs = predict_mean(model.to(device), normalize, inputs)  # (N, K)
    temperature = run_temperature(run)
    calibrated = (
        apply_temperature(probs, temperature) if temperature else probs.double()
    )
    top, index = calibrated.topk(2, dim=1)  # (N, 2) each
    classes = tuple(run.facts["class_names"])
    paths = tuple(Path(name) for name in found.names)
    table = pd.DataFrame(
        {
            "image": [names[path] for path in paths],
            "class": [classes[k] for k in index[:, 0].tolist()],
            "confidence": top[:, 0].numpy().round(4),
            "second_class": [classes[k] for k in index[:, 1].tolist()],
            "second_confidence": top[:, 1].numpy().round(4),
            "raw_confidence": probs.double().max(dim=1).values.numpy().round(4),
        }
    )
    return PredictedFiles(table, paths, classes, temperature, found.note)


def run_temperature(run: Run) -> float | None:
    """Return the temperature that `evaluate` fitted for a run, if it is usable.

    None if the run was not evaluated, or if every validation image was right: nothing
    then shows how confident is too confident.

    Raises:
        WorkshopError: evaluation.json is damaged.
    """
    path = run.folder / "evaluation.json"
    if not path.exists():
        return None
    fitted = read_json(path).get("calibration", {}).get("temperature")
    return float(fitted) if fitted and fitted > 1.01 * COLDEST else None


def _names(images: Iterable[Path]) -> dict[Path, str]:
    """List the files, each with its name: relative to its folder, or as given."""
    found: dict[Path, str] = {}
    missing = []
    for place in images:
        if place.is_dir():
            inside = find_images(place)
            found.update((p, p.relative_to(place).as_posix()) for p in inside)
        elif place.exists():
            found[place] = place.as_posix()
        else:
            missing.append(str(place))
    if missing:
        raise WorkshopError(
            f"no such image or folder: {', '.join(missing)}. Give image files, or"
            " folders of them."
        )
    if not found:
        raise WorkshopError("give at least one image, or a folder of images.")
    return found
