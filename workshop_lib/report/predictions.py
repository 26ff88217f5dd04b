"""Classes for new image files, as a table and as a page, the doubtful ones first."""

__all__ = [
    "PredictedFiles",
    "predict_files",
    "run_temperature",
    "write_prediction_page",
]

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from workshop_lib.data.read.decode import PictureReader
from workshop_lib.data.read.folders import find_images
from workshop_lib.data.read.images import OnError, decode_images, read_images
from workshop_lib.data.read.index import index_files
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.calibration import COLDEST, apply_temperature
from workshop_lib.files import read_json, write_text
from workshop_lib.models.predict import predict_mean
from workshop_lib.report.page import render_page
from workshop_lib.report.pictures import THUMBNAIL, Picture, thumbnail
from workshop_lib.report.tables import percent
from workshop_lib.session import pick_device
from workshop_lib.training.run import Run
from workshop_lib.training.views import model_inputs

DOUBTFUL = 0.7  # below this confidence a person should look


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


def write_prediction_page(
    path: Path | str, found: PredictedFiles, title: str, most: int = 12
) -> None:
    """Write thumbnails by predicted class into one HTML file that needs no other.

    The least confident come first: they are the ones to check, and those whose label
    would teach the model most.

    Args:
        path: the file; it is either complete or not written.
        found: the result of `predict_files`.
        title: the heading.
        most: thumbnails of each class, at least 1; the page says how many there are.

    Raises:
        WorkshopError: `most` below 1; an image has gone since, or no space.
    """
    if most < 1:
        raise WorkshopError(f"most={most}: show at least 1 image of each class.")
    # A stable sort: equally confident images stay in the order of their names
    rows = found.table.sort_values("confidence", kind="stable")
    by_class = {name: rows[rows["class"] == name] for name in found.class_names}
    page = render_page(
        "predictions.html",
        title=title,
        found=found,
        threshold=DOUBTFUL,
        totals=pd.DataFrame(
            _total(name, images, len(rows)) for name, images in by_class.items()
        ),
        groups=[
            (name, len(images), _pictures(found, images.head(most)))
            for name, images in by_class.items()
            if len(images)
        ],
    )
    write_text(Path(path), page)


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


def _total(name: str, images: pd.DataFrame, total: int) -> dict[str, str]:
    """Return a row of the table of classes; classes without images have one too."""
    confidence, some = images["confidence"], len(images) > 0
    return {
        "class": name,
        "images": f"{len(images):,}",
        "share": percent(len(images) / total) if some else "",
        "mean confidence": percent(confidence.mean()) if some else "",
        "doubtful": f"{(confidence < DOUBTFUL).sum():,}" if some else "",
    }


def _pictures(found: PredictedFiles, rows: pd.DataFrame) -> list[Picture]:
    """Make thumbnails from the files: the model's input is smaller."""
    small = decode_images([found.paths[i] for i in rows.index], size=THUMBNAIL)
    pictures = []
    for pixels, (_, row) in zip(small, rows.iterrows(), strict=True):
        confident = row["confidence"] >= DOUBTFUL
        said = f"{row['class']} {percent(row['confidence'], 0)}"
        second = f"{row['second_class']} {percent(row['second_confidence'], 0)}"
        pictures.append(
            Picture(
                thumbnail(pixels.permute(1, 2, 0).numpy()),  # (H, W, 3)
                f"{row['image']}: predicted {said}, then {second}",
                [row["image"], said if confident else f"? {said}, or {second}"],
                "" if confident else "wrong",
            )
        )
    return pictures
