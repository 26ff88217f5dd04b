"""The report: one HTML file about trained methods, to read, keep, print and send."""

__all__ = ["gain_bars", "render_page", "report_runs", "write_report"]

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from workshop_lib import __version__, plots
from workshop_lib.data.scenes import Scenes
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.metrics import Scores
from workshop_lib.evaluation.projection import maps_2d
from workshop_lib.evaluation.score_tables import METRIC_NAMES
from workshop_lib.files import write_text
from workshop_lib.plots import AccessibleFigure, Bar
from workshop_lib.plots.style import svg
from workshop_lib.report import pictures, settings, tables
from workshop_lib.report.data import MethodResult, ReportData, collect
from workshop_lib.training.run import Run

_FACTS = ("python", "torch", "device", "threads", "precision")
_TILES = 4  # maps of test tiles shown


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
    path = Path(path)
    write_text(path, _render(data))
    return path


def report_runs(
    runs: Sequence[Run | Path | str],
    path: Path | str,
    *,
    scenes: Scenes | None = None,
    titles: Sequence[str] = (),
    command: str = "",
) -> Path:
    """Write one page about finished runs that share data and test images.

    Runs whose main head predicts pixels, several labels or a number get a page with the
    figures that exist for them.

    Args:
        runs: or their folders, weakest first.
        path: of the page.
        scenes: images of the runs; None loads the data set that their config names.
        titles: one for each run; default the name of its method.
        command: that the page names as its origin; default `workshop report ...`.

    Raises:
        WorkshopError: a folder holds no finished run, or the runs' test images differ.
    """
    opened = [run if isinstance(run, Run) else Run.load(run) for run in runs]
    own = shlex.join(["workshop", "report", *(str(run.folder) for run in opened)])
    return write_report(path, collect(opened, command or own, scenes, titles))


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
        "metric": tables.metric_text,
        "gain": tables.gain_text,
        "json": lambda value: json.dumps(dict(value), indent=1, sort_keys=True),
        "uri": lambda figure: pictures.data_uri(svg(figure), "svg+xml"),
        "alt": plots.describe,
        "capital": _capital,
    }
    return environment.get_template(template).render(content)


def _render(data: ReportData) -> str:
    results, main = data.results, data.main
    return render_page(
        "report.html",
        data=data,
        main=main,
        baseline=data.baseline,
        tables=tables,
        pictures=pictures,
        measure=METRIC_NAMES[data.metric],
        bars=_bars(data),
        curves=_curves(data),
        pseudo_labels=_pseudo_labels(data),
        confusions=[
            plots.confusion_matrix(scores.confusion, data.class_names, title=r.title)
            for r in (data.baseline, main)
            if r is not None and isinstance(scores := r.evaluation.scores, Scores)
        ],
        maps=_maps(data),
        reliability=_reliability(main),
        embedding_map=_embedding_map(main),
        commands={
            r.title: settings.train_command(r.config, r.split_folder) for r in results
        },
        settings=settings,
        steps=sorted({int(r.run.facts["steps"]) for r in results}),
        seeds=sorted({r.config.data.split_seed for r in results}),
        # Of the training, which may have been on another machine than the page
        versions={"workshop_lib": __version__}
        | {name: main.run.facts[name] for name in _FACTS if name in main.run.facts},
    )


def _bars(data: ReportData) -> AccessibleFigure | None:
    if data.metric == "r2":  # may be negative: no bar
        return None
    name = METRIC_NAMES[data.metric]
    title = f"Test images: {name}"
    if len(data.results) > 1:
        title = f"{data.main.labels:,} labels: what each step was worth"
    chance = 1 / len(data.class_names) if data.metric == "accuracy" else None
    figure = plots.baselines(gain_bars(data.results), title=title, chance=chance)
    dotted = "; dotted: guessing" if chance else ""
    figure.axes[0].set_xlabel(f"{name} on test images (%){dotted}")
    return figure


def gain_bars(results: Sequence[MethodResult]) -> list[Bar]:
    """Turn results into the bars of the comparison, each with the cause of its gain."""
    bars = []
    for r in results:
        worth = "what the unlabelled images were worth"
        if r.role == "ceiling":
            worth = "what all the other labels would add"
        elif r.role == "baseline":
            strong = r.config.method.labeled_view == "strong"
            worth = "what strong augmentation was worth" if strong else ""
        elif r.is_control:
            worth = "what the method makes of the labelled images alone"
        note = f"{r.labels:,} labels"
        note = "" if note in r.title else note  # runs with unlike numbers are named so
        bars.append(Bar(r.title, r.value, note, worth))
    return bars


def _curves(data: ReportData) -> AccessibleFigure | None:
    column = f"val_{data.metric}"
    logs = {r.title: r.run.log for r in data.results if _holds(r, column)}
    if not logs:
        return None
    title = f"{_capital(METRIC_NAMES[data.metric])} while training"
    return plots.learning_curves(logs, column=column, title=title)


def _capital(text: str) -> str:
    """Start with a capital; `str.capitalize` would turn IoU into iou."""
    return text[:1].upper() + text[1:]


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
        over_time = plots.pseudo_labels(r.run.log, title=f"Pseudo-labels of {r.title}")
        bias = None
        if r.pseudo_labels is not None and len(r.pseudo_labels):
            title = f"Classes that {r.title} favours"
            bias = plots.pseudo_label_bias(r.pseudo_labels, title=title)
        found.append((over_time, bias))
    return found


def _holds(result: MethodResult, column: str) -> bool:
    """Return whether the log has a value in a column."""
    log = result.run.log
    return column in log and bool(log[column].notna().any())


def _maps(data: ReportData) -> AccessibleFigure | None:
    """Draw a few test tiles: the picture, the truth, and each method's map."""
    masks = data.scenes.masks
    if data.kind != "dense" or masks is None:
        return None
    tiles = data.split.test[:_TILES]
    shown = {"truth": masks[tiles].cpu().numpy()}
    for r in (data.baseline, data.main):
        if r is not None:
            heading = r.title.replace(", ", ",\n").replace(" (", "\n(")
            shown[heading] = r.evaluation.predicted[:_TILES].cpu().numpy()
    return plots.mask_grid(
        shown, data.class_names, images=data.scenes.images[tiles].cpu(),
        bands=data.scenes.bands, title="The first test tiles",
    )  # fmt: skip


def _reliability(main: MethodResult) -> AccessibleFigure | None:
    found = main.evaluation.calibration
    if found is None:
        return None
    curves = {
        "as it is": found.before.table(),
        f"at temperature {found.temperature:.2f}": found.after.table(),
    }
    return plots.reliability(curves, title="Can you trust the confidence?")


def _embedding_map(main: MethodResult) -> AccessibleFigure | str:
    """Plot the embedded test images, or return why that is impossible."""
    if main.embedded is None:
        return ""
    drawn = main.embedded.drawn
    title = f"{len(drawn):,} test images in the features of {main.title}"
    try:
        return maps_2d(drawn, title=title)[0]
    except WorkshopError as error:  # too few images, or a collapsed network
        return str(error)
