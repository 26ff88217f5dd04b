"""The page of predictions: new images by the class they were given, doubtful first."""

__all__ = ["write_prediction_page"]

import io
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from workshop_lib.data.read.images import decode_images
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.predictions import PredictedFiles
from workshop_lib.evaluation.report_pictures import Picture, data_uri
from workshop_lib.evaluation.report_tables import Table, per_cent
from workshop_lib.files import write_text

DOUBTFUL = 0.7  # below this confidence a person should look
_SIDE = 128  # of the thumbnails, in pixels


@dataclass(frozen=True)
class _Group:
    """The images that were given one class."""

    name: str
    total: int
    pictures: list[Picture]


def write_prediction_page(
    path: Path | str, found: PredictedFiles, title: str, most: int = 12
) -> None:
    """Write thumbnails by predicted class into one HTML file that needs no other.

    The least sure come first: they are the ones to check, and the ones whose label
    would teach the model most.

    Args:
        path: the file; it is either whole or not written.
        found: what `predict_files` returned.
        title: the heading.
        most: thumbnails of each class, at least 1; the page says how many there are.

    Raises:
        WorkshopError: `most` below 1; an image has gone since, or no space.
    """
    if most < 1:
        raise WorkshopError(f"most={most}: show at least 1 image of each class.")
    environment = Environment(
        loader=PackageLoader("workshop_lib.evaluation", "templates"),
        autoescape=True,  # names of classes and files come from the user's folders
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("predictions.html").render(
        title=title,
        headline=_headline(found.table),
        found=found,
        doubtful=per_cent(DOUBTFUL, 0),
        totals=_totals(found),
        groups=_groups(found, most),
    )
    write_text(Path(path), page)


def _headline(table: pd.DataFrame) -> list[str]:
    doubtful = int((table["confidence"] < DOUBTFUL).sum())
    return [
        f"{len(table):,} images, {table['class'].nunique()} classes.",
        f"Going by the confidence, about {table['confidence'].sum():,.0f} of"
        f" {len(table):,} are right.",
        f"{doubtful:,} below {per_cent(DOUBTFUL, 0)}: look at these first."
        if doubtful
        else f"None below {per_cent(DOUBTFUL, 0)}.",
    ]


def _totals(found: PredictedFiles) -> Table:
    """Count images per class, also where there are none."""
    confidence = found.table.groupby("class")["confidence"]
    rows = []
    for name in found.class_names:
        if name not in confidence.groups:
            rows.append([name, "0", "", "", ""])
            continue
        values = confidence.get_group(name)
        share = per_cent(len(values) / len(found.table))
        doubtful = f"{int((values < DOUBTFUL).sum()):,}"
        mean = per_cent(float(values.mean()))
        rows.append([name, f"{len(values):,}", share, mean, doubtful])
    header = ["class", "images", "share", "mean confidence", "doubtful"]
    return Table("Images of each predicted class", header, rows)


def _groups(found: PredictedFiles, most: int) -> list[_Group]:
    # A stable sort: equally sure images stay in the order of their names
    rows = found.table.sort_values("confidence", kind="stable")
    groups = []
    for name in found.class_names:
        chosen = rows[rows["class"] == name]
        if len(chosen):
            pictures = _pictures(found, chosen.head(most))
            groups.append(_Group(name, len(chosen), pictures))
    return groups


def _pictures(found: PredictedFiles, rows: pd.DataFrame) -> list[Picture]:
    """Make thumbnails from the files, not from what the model saw, which is smaller."""
    small = decode_images([found.paths[i] for i in rows.index], size=_SIDE)
    pictures = []
    for pixels, (_, row) in zip(small, rows.iterrows(), strict=True):
        sure = row["confidence"] >= DOUBTFUL
        said = f"{row['class']} {per_cent(row['confidence'], 0)}"
        second = f"{row['second_class']} {per_cent(row['second_confidence'], 0)}"
        lines = [row["image"], said if sure else f"? {said}, or {second}"]
        alt = f"{row['image']}: predicted {said}, then {second}"
        buffer = io.BytesIO()
        image = Image.fromarray(pixels.permute(1, 2, 0).numpy())  # (H, W, 3)
        image.save(buffer, format="jpeg", quality=80)
        uri = data_uri(buffer.getvalue(), "jpeg")
        pictures.append(Picture(uri, alt, lines, "" if sure else "wrong"))
    return pictures
