"""A page of predicted images by class, the doubtful ones first."""

__all__ = ["write_prediction_page"]

from pathlib import Path
from typing import Any

import pandas as pd

from workshop_lib.data.read.images import decode_images
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.predictions import PredictedFiles
from workshop_lib.files import write_text
from workshop_lib.report.page import render_page
from workshop_lib.report.pictures import THUMBNAIL, Picture, thumbnail
from workshop_lib.report.tables import percent

DOUBTFUL = 0.7  # below this confidence a person should look


def write_prediction_page(
    path: Path | str, found: PredictedFiles, title: str, most: int = 12
) -> None:
    """Write thumbnails by predicted class into one HTML file that needs no other.

    The least confident come first: they are the ones to check, and those whose label
    would teach the model most. An image with several labels is shown with each of them.

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
    by_class = {
        name: found.images_of(name).sort_values("confidence", kind="stable")
        for name in found.class_names
    }
    total = len(found.table)
    shown = dict(by_class)
    if found.several:
        bare = found.table[found.table["labels"] == ""]
        shown["no label"] = bare.sort_values("confidence", kind="stable")
    page = render_page(
        "predictions.html",
        title=title,
        found=found,
        threshold=DOUBTFUL,
        totals=pd.DataFrame(
            _total(name, images, total) for name, images in by_class.items()
        ),
        groups=[
            (name, len(images), _pictures(found, images.head(most)))
            for name, images in shown.items()
            if len(images)
        ],
    )
    write_text(Path(path), page)


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
        said, alternative = _labels(row) if found.several else _two_classes(row)
        pictures.append(
            Picture(
                thumbnail(pixels.permute(1, 2, 0).numpy()),  # (H, W, 3)
                f"{row['image']}: predicted {said}, {alternative}",
                [row["image"], said if confident else f"? {said}, {alternative}"],
                "" if confident else "wrong",
            )
        )
    return pictures


def _two_classes(row: "pd.Series[Any]") -> tuple[str, str]:
    second = f"{row['second_class']} {percent(row['second_confidence'], 0)}"
    return f"{row['class']} {percent(row['confidence'], 0)}", f"or {second}"


def _labels(row: "pd.Series[Any]") -> tuple[str, str]:
    names, probs = (row[k].split("; ") for k in ("labels", "probabilities"))
    said = [
        f"{name} {percent(float(p), 0)}"
        for name, p in zip(names, probs, strict=True)
        if name
    ]
    doubt = f"least certain answer {percent(row['confidence'], 0)}"
    return ", ".join(said) or "no label", doubt
