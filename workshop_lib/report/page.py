"""The report: one HTML file about trained methods, to read, keep, print and send."""

__all__ = ["ladder_bars", "render_page", "report_runs", "train_command", "write_report"]

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from workshop_lib import plots
from workshop_lib.data.load import load_dataset
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.evaluate import evaluate
from workshop_lib.evaluation.projection import maps_2d
from workshop_lib.files import write_text
from workshop_lib.methods import METHODS
from workshop_lib.plots import AccessibleFigure, Bar
from workshop_lib.plots.style import svg
from workshop_lib.recipe import Recipe
from workshop_lib.report import pictures, tables
from workshop_lib.report.data import (
    MethodResult,
    ReportData,
    collect_page,
    method_result,
)
from workshop_lib.training.run import Run, train_flags


def write_report(path: Path | str, data: ReportData) -> Path:
    """Write everything about a comparison of methods into one HTML file.

    The file needs no network and no other file, can be read on a phone, in dark mode
    and on paper, and has alt text for every picture. It is written under another name
    first and then renamed: a report is either complete or not there.

    Args:
        path: the file, usually `runs/NAME/report.html`; its folder is created.
        data: to show.

    Returns:
        The path.

    Raises:
        WorkshopError: the file cannot be written; says why and what to do.
    """
    path = Path(path)
    write_text(path, _render(data))
    return path


def report_runs(folders: Sequence[Path], path: Path) -> None:
    """Write one page about finished runs that share data and split seed.

    Raises:
        WorkshopError: a folder holds no finished run, or the runs' test images differ.
    """
    runs = [Run.load(folder) for folder in folders]
    first = runs[0].recipe
    scenes = load_dataset(first)
    splits = [Split.load(run.folder / "split", scenes) for run in runs]
    for run, split in zip(runs, splits, strict=True):
        same_images = (run.recipe.data, run.recipe.size) == (first.data, first.size)
        if not same_images or not split.test.equal(splits[0].test):
            raise WorkshopError(
                f"{run.folder} and {runs[0].folder} were not tested on the same images:"
                " compare runs of one data set, image size and split seed."
            )
    results = [
        method_result(run.folder.name, title, run, evaluate(run, scenes, split))
        for run, split, title in zip(runs, splits, _titles(runs), strict=True)
    ]
    command = "workshop report " + " ".join(str(folder) for folder in folders)
    write_report(path, collect_page(runs, results, scenes, command))


def render_page(template: str, **content: Any) -> str:
    """Fill in a template of this room; text from outside is escaped."""
    environment = Environment(
        loader=PackageLoader("workshop_lib.report", "templates"),
        autoescape=True,  # names of classes and files come from the user's folders
        undefined=StrictUndefined,  # a misspelt name must fail, not leave a gap
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "comma": "{:,}".format,
        "percent": tables.percent,
        "points": lambda value: f"{value:+.1f}".replace("-", "\N{MINUS SIGN}"),
        "json": lambda value: json.dumps(dict(value), indent=1, sort_keys=True),
        "uri": lambda figure: pictures.data_uri(svg(figure), "svg+xml"),
        "alt": plots.describe,
    }
    return environment.get_template(template).render(content)


def train_command(recipe: Mapping[str, Any], split_folder: str = "") -> str:
    """Return the command that trains by a recipe: all that differs from the defaults.

    Args:
        recipe: `dataclasses.asdict` of a Recipe.
        split_folder: of the split, where the recipe does not make it.
    """
    split = ["--split", split_folder] if split_folder else []
    return shlex.join(["workshop", "train", *train_flags(Recipe(**recipe)), *split])


def _render(data: ReportData) -> str:
    results = data.results
    return render_page(
        "report.html",
        data=data,
        main=data.main,
        baseline=data.baseline,
        tables=tables,
        pictures=pictures,
        ladder=_ladder(data),
        curves=_curves(data),
        pseudo_labels=_pseudo_labels(data),
        confusions=[
            plots.confusion_matrix(r.scores.confusion, data.class_names, title=r.title)
            for r in (data.baseline, data.main)
            if r is not None
        ],
        reliability=_reliability(data.main),
        map=_map(data.main),
        commands={r.title: train_command(r.recipe, r.split_folder) for r in results},
        steps=sorted({r.steps for r in results}),
        seeds=sorted({r.seed for r in results}),
    )


def _ladder(data: ReportData) -> AccessibleFigure:
    title = "Test accuracy"
    if len(data.results) > 1:
        title = f"{data.main.labels:,} labels: what each step was worth"
    bars = ladder_bars(data.results)
    return plots.baselines(bars, title=title, chance=1 / len(data.class_names))


def ladder_bars(results: Sequence[MethodResult]) -> list[Bar]:
    """Turn results into the bars of the ladder, each with what its gain came from."""
    bars = []
    for r in results:
        worth = "what the unlabelled images were worth"
        if r.role == "ceiling":
            worth = "what all the other labels would add"
        elif r.role == "baseline":
            strong = r.recipe.get("labeled_view") == "strong"
            worth = "what strong augmentation was worth" if strong else ""
        elif r.is_control:
            worth = "what the method was worth without unlabelled images"
        note = f"{r.labels:,} labels"
        note = "" if note in r.title else note  # runs with unlike numbers are named so
        bars.append(Bar(r.title, r.scores.accuracy, note, worth))
    return bars


def _curves(data: ReportData) -> AccessibleFigure | None:
    logs = {r.title: r.log for r in data.results if _holds(r, "val_accuracy")}
    return plots.learning_curves(logs) if logs else None


def _pseudo_labels(
    data: ReportData,
) -> list[tuple[AccessibleFigure, AccessibleFigure | None]]:
    """Plot for each method its pseudo-labels over time, and their bias to classes.

    A method without hard pseudo-labels counts no classes, and has the first plot only.
    """
    found = []
    for r in data.results:
        if not _holds(r, "mask_rate"):
            continue
        over_time = plots.pseudo_labels(r.log, title=f"Pseudo-labels of {r.title}")
        bias = None
        if r.pseudo_labels is not None and len(r.pseudo_labels):
            title = f"Classes that {r.title} favours"
            bias = plots.pseudo_label_bias(r.pseudo_labels, title=title)
        found.append((over_time, bias))
    return found


def _holds(result: MethodResult, column: str) -> bool:
    """Return whether the log has a value in a column."""
    return column in result.log and bool(result.log[column].notna().any())


def _reliability(main: MethodResult) -> AccessibleFigure | None:
    found = main.calibration
    if found is None:
        return None
    curves = {
        "as it is": found.before.table(),
        f"at temperature {found.temperature:.2f}": found.after.table(),
    }
    return plots.reliability(curves, title="Can you trust the confidence?")


def _map(main: MethodResult) -> AccessibleFigure | str:
    """Plot the embedded test images, or return why that is impossible."""
    if main.embedded is None:
        return ""
    drawn = main.embedded.drawn
    title = f"{len(drawn):,} test images in the features of {main.title}"
    try:
        return maps_2d(drawn, title=title)[0]
    except WorkshopError as error:  # too few images, or a collapsed network
        return str(error)


def _titles(runs: Sequence[Run]) -> list[str]:
    """Name each run by its method, and by more where that is not unique."""
    many = len({run.facts["labels"] for run in runs}) > 1
    titles = []
    for run in runs:
        title = METHODS[run.recipe.method].__name__  # "FixMatch", as in the papers
        if run.recipe.method == "supervised":
            title += f", {run.recipe.labeled_view} augmentation"
        titles.append(f"{title}, {run.facts['labels']:,} labels" if many else title)
    return [
        title if titles.count(title) == 1 else f"{title} ({run.folder.name})"
        for title, run in zip(titles, runs, strict=True)
    ]
