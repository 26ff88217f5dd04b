"""The pages: a report of trained methods, and predictions of new images.

Each is one HTML file, to read, keep, print and send.
"""

__all__ = ["report_runs", "train_command", "write_prediction_page", "write_report"]

import json
import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from workshop_lib import __version__, plots
from workshop_lib.config import Config
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.read.geotiff import read_pictures
from workshop_lib.data.read.index import index_files
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.predictions import PredictedFiles
from workshop_lib.files import fill_template, write_text
from workshop_lib.methods import METHODS
from workshop_lib.plots.style import svg
from workshop_lib.presets import train_flags
from workshop_lib.report import pictures, tables
from workshop_lib.report.data import ReportData, collect
from workshop_lib.report.pictures import THUMBNAIL, Picture, thumbnail
from workshop_lib.report.tables import percent
from workshop_lib.training.run import Run

_TEMPLATES = Path(__file__).parent / "templates"
_FACTS = ("python", "torch", "device", "threads", "precision")
DOUBTFUL = 0.7  # below this confidence a person should look


def write_report(path: Path | str, data: ReportData) -> Path:
    """Write everything about a comparison of methods into one HTML file.

    The file needs no network and no other file, can be read on a phone, in dark mode
    and on paper, and has alt text for every picture. It is written under another name
    first and then renamed: a report is either complete or not there.

    Args:
        path: the file, usually `runs/NAME/report.html`; its folder is created.
        data: to show; see `collect`.

    Returns:
        The path.

    Raises:
        WorkshopError: the file cannot be written; says why and what to do.
    """
    results, main = data.results, data.main
    page = _page(
        "report.html",
        data=data,
        main=main,
        baseline=data.baseline,
        tables=tables,
        pictures=pictures,
        plots=plots,
        measure=main.evaluation.measure,
        commands={r.title: train_command(r.config, r.split_folder) for r in results},
        steps=sorted({int(r.run.facts["steps"]) for r in results}),
        seeds=sorted({r.config.data.split_seed for r in results}),
        # Of the training, which may have been on another machine than the page
        versions={"workshop_lib": __version__}
        | {name: main.run.facts[name] for name in _FACTS if name in main.run.facts},
    )
    write_text(Path(path), page)
    return Path(path)


def report_runs(
    runs: Sequence[Run | Path | str],
    path: Path | str | None = None,
    *,
    scenes: Dataset | None = None,
    titles: Sequence[str] = (),
    command: str = "",
) -> Path:
    """Write one page about finished runs that share data and test images.

    Runs whose main head predicts pixels, several labels or a number get a page with the
    figures that exist for them.

    Args:
        runs: or their folders, weakest first.
        path: of the page; default report.html in the first run's folder.
        scenes: images of the runs; None loads the data set that their config names.
        titles: one for each run; default the name of its method.
        command: that the page names as its origin; default `workshop report ...`.

    Raises:
        WorkshopError: a folder holds no finished run, or the runs' test images differ.
    """
    opened = [run if isinstance(run, Run) else Run.load(run) for run in runs]
    own = shlex.join(["workshop", "report", *(str(run.folder) for run in opened)])
    data = collect(opened, command or own, scenes, titles)
    return write_report(path or opened[0].folder / "report.html", data)


def _page(template: str, **content: Any) -> str:
    """Fill in a template of this room."""
    return fill_template(
        _TEMPLATES / template,
        content,
        comma="{:,}".format,
        number=tables.number,
        percent=tables.percent,
        metric=tables.metric_text,
        gain=tables.gain_text,
        json=lambda value: json.dumps(dict(value), indent=1, sort_keys=True),
        uri=lambda figure: pictures.data_uri(svg(figure), "svg+xml"),
        alt=plots.describe,
    )


def train_command(config: Config, split_folder: str = "") -> str:
    """Return the command that trains by a config, whatever preset is set.

    Args:
        config: of a run.
        split_folder: of the split, where the config does not draw it.

    Returns:
        The command; "" for a method of one's own, which no command knows.
    """
    if config.method_name not in METHODS:
        return ""
    split = ["--split-folder", split_folder] if split_folder else []
    return shlex.join(["workshop", "train", *train_flags(config), *split])


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
    shown = {name: found.images_of(name) for name in found.class_names}
    if found.several:
        shown["no label"] = found.table[found.table["labels"] == ""]
    page = _page(
        "predictions.html",
        title=title,
        found=found,
        threshold=DOUBTFUL,
        # A stable sort: equally confident images stay in the order of their names
        groups={
            name: images.sort_values("confidence", kind="stable")
            for name, images in shown.items()
            if len(images)
        },
        most=most,
        thumbnails=partial(_pictures, found),
    )
    write_text(Path(path), page)


def _pictures(found: PredictedFiles, rows: pd.DataFrame) -> list[Picture]:
    """Make thumbnails from the files: the model's input is smaller."""
    files = index_files(found.paths[i] for i in rows.index)
    small = read_pictures(files, THUMBNAIL).images
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
