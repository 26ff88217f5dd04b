"""A trained model and image files that nobody has named yet: a class for each."""

__all__ = ["PredictedFiles", "predict_files", "run_temperature"]

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from workshop_lib.data.images.decode import Pictures
from workshop_lib.data.images.listing import find_images, list_files
from workshop_lib.data.images.reading import OnError, read_images
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.calibration import COLDEST, apply_temperature
from workshop_lib.files import read_json
from workshop_lib.models.predict import predict_mean
from workshop_lib.session import pick_device
from workshop_lib.training.run import Run
from workshop_lib.training.views import model_inputs


@dataclass(frozen=True)
class PredictedFiles:
    """What a model says of image files.

    Args:
        table: a row per image: image (its name), class, confidence, second_class,
            second_confidence, and raw_confidence, which is before the temperature.
        paths: of the same images, in the same order.
        class_names: all that the model can say.
        temperature: what the confidence was calibrated with; None if it is as the
            model gave it.
        note: what was left out or resized; empty if nothing was.
    """

    table: pd.DataFrame
    paths: tuple[Path, ...]
    class_names: tuple[str, ...]
    temperature: float | None
    note: str


def predict_files(
    run: Run, images: Iterable[Path], on_error: OnError = "raise"
) -> PredictedFiles:
    """Name the class of every image, with a confidence that may be believed.

    The confidence is calibrated with the temperature that `evaluate` fitted on the
    validation images, so that of the images at 80 % about 80 % are right, as long as
    they are like those that the model has learnt from.

    Args:
        run: a training on RGB images, from pixels or on features.
        images: files, and folders, which are searched with all that is in them.
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
    found = read_images(Pictures(list_files(names)), run.recipe.size, on_error=on_error)
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
    """Return the temperature that `evaluate` fitted for a run, if it can be used.

    None where the run was not evaluated; and where every validation image was right,
    because nothing then says how sure is too sure.

    Raises:
        WorkshopError: evaluation.json is damaged.
    """
    path = run.folder / "evaluation.json"
    if not path.exists():
        return None
    fitted = read_json(path).get("calibration", {}).get("temperature")
    return float(fitted) if fitted and fitted > 1.01 * COLDEST else None


def _names(images: Iterable[Path]) -> dict[Path, str]:
    """List the files, each with the name that it has in its folder, or its own."""
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
