"""The report: one HTML file that a learner can read, keep, print and send."""

__all__ = ["MethodResult", "ReportData", "write_report"]

import json
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from workshop_lib import plots
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.projection import maps_2d
from workshop_lib.evaluation.report_data import MethodResult, ReportData
from workshop_lib.evaluation.report_pictures import (
    data_uri,
    galleries,
    labeled_gallery,
)
from workshop_lib.evaluation.report_sure import (
    calibration_table,
    difference_table,
    is_it_real,
    weights_table,
)
from workshop_lib.evaluation.report_tables import (
    audit_table,
    cost_table,
    embedding_table,
    mistake_table,
    recall_table,
    score_table,
    settings_table,
    split_table,
)
from workshop_lib.evaluation.report_text import (
    headline,
    rungs,
    train_command,
    what_was_done,
)
from workshop_lib.files import write_text
from workshop_lib.plots.style import svg


@dataclass(frozen=True)
class _Image:
    """A figure as the page needs it."""

    uri: str
    alt: str


def write_report(path: Path | str, data: ReportData) -> Path:
    """Write everything about a comparison of methods into one HTML file.

    The file needs no network and no other file, reads on a phone, in the dark and on
    paper, and has alt text for every picture. It is written under another name first
    and then renamed: a report is either whole or not there.

    Args:
        path: the file to write, usually `runs/NAME/report.html`; its folder is made.
        data: what to show.

    Returns:
        The path.

    Raises:
        WorkshopError: the file cannot be written; says why and what to do.
    """
    path = Path(path)
    page = _render(data)
    write_text(path, page)
    return path


def _render(data: ReportData) -> str:
    results = data.results
    environment = Environment(
        loader=PackageLoader("workshop_lib.evaluation", "templates"),
        autoescape=True,  # class and file names come from the user's folders
        undefined=StrictUndefined,  # a misspelt name must fail, not leave a gap
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(
        data=data,
        headline=headline(data),
        done=what_was_done(data),
        ladder=_image(
            plots.baselines(
                rungs(data), title=_ladder_title(data), chance=1 / len(data.class_names)
            )
        ),
        curves=_curves(data),
        pseudo=_pseudo(data),
        confusions=_confusions(data),
        mistakes=mistake_table(data.main),
        labeled=labeled_gallery(data),
        galleries=galleries(data),
        parts=split_table(data),
        audit=audit_table(data),
        recalls=recall_table(data),
        reached=score_table(data),
        real=is_it_real(data),
        differences=difference_table(data),
        weights=weights_table(data),
        calibration=calibration_table(data),
        reliability=_reliability(data.main),
        embedded=embedding_table(data),
        map=_map(data.main),
        costs=cost_table(data),
        settings=settings_table(data.main),
        recipes=_recipes(data),
        commands=[(r.title, train_command(r.recipe, r.split_folder)) for r in results],
        seeds=sorted({r.seed for r in results}),
    )


def _ladder_title(data: ReportData) -> str:
    if len(data.results) == 1:
        return "Test accuracy"
    return f"{data.main.labels:,} labels: what else was worth how much"


def _curves(data: ReportData) -> _Image | None:
    logs = {r.title: r.log for r in data.results if _holds(r, "val_accuracy")}
    return _image(plots.learning_curves(logs)) if logs else None


def _pseudo(data: ReportData) -> list[tuple[_Image, _Image | None]]:
    """Draw for each method its pseudo-labels over time, and which classes they favour.

    A method that counts no classes (one without hard pseudo-labels) has the first only.
    """
    found = []
    for r in data.results:
        if not _holds(r, "mask_rate"):
            continue
        over_time = plots.pseudo_labels(r.log, title=f"Pseudo-labels of {r.title}")
        bias = None
        if r.pseudo_labels is not None and len(r.pseudo_labels):
            title = f"Classes that {r.title} favours"
            bias = _image(plots.pseudo_label_bias(r.pseudo_labels, title=title))
        found.append((_image(over_time), bias))
    return found


def _reliability(main: MethodResult) -> _Image | None:
    found = main.calibration
    if found is None:
        return None
    tables = {
        "as it is": found.before.table(),
        f"at temperature {found.temperature:.2f}": found.after.table(),
    }
    return _image(plots.reliability(tables))


def _map(main: MethodResult) -> _Image | str:
    """Draw where the network puts the test images; or say why that cannot be drawn."""
    if main.embedded is None:
        return ""
    drawn = main.embedded.drawn
    title = f"{len(drawn):,} test images in the features of {main.title}"
    try:
        return _image(maps_2d(drawn, title=title)[0])
    except WorkshopError as error:  # too few images, or a network that has collapsed
        return str(error)


def _confusions(data: ReportData) -> list[_Image]:
    """Draw the baseline's matrix and the main method's, the two that are compared."""
    chosen = (
        [data.baseline, data.main] if data.baseline is not data.main else [data.main]
    )
    return [
        _image(
            plots.confusion_matrix(r.scores.confusion, data.class_names, title=r.title)
        )
        for r in chosen
        if r is not None
    ]


def _recipes(data: ReportData) -> list[tuple[str, str]]:
    return [
        (r.title, json.dumps(dict(r.recipe), indent=1, sort_keys=True))
        for r in data.results
    ]


def _holds(result: MethodResult, column: str) -> bool:
    """Tell whether the log has a value in a column."""
    return column in result.log.columns and bool(result.log[column].notna().any())


def _image(figure: Figure) -> _Image:
    return _Image(data_uri(svg(figure), "svg+xml"), plots.describe(figure))
