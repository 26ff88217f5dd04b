"""Tables of the report that take computing, as DataFrames of text.

The first column heads each row. Tables that only list what a run holds are laid out in
the template itself.
"""

__all__ = [
    "class_table",
    "gain_text",
    "metric_text",
    "mistake_table",
    "number",
    "percent",
    "score_table",
    "settings_table",
    "split_table",
]

import math
from typing import Any

import numpy as np
import pandas as pd

from workshop_lib.evaluation.metrics import Scores, mean_of_known
from workshop_lib.evaluation.scoring import INTERVALS
from workshop_lib.report.data import MethodResult, ReportData

_DASH, _MINUS, _SPACE = "\N{EN DASH}", "\N{MINUS SIGN}", "\N{NO-BREAK SPACE}"
_OF_CLASS = {"categorical": "recall", "dense": "IoU", "multilabel": "F1"}
# Of FixMatch on CIFAR-10: Sohn et al. 2020, arXiv 2001.07685, section 4, appendix B
_PAPER: dict[str, Any] = {
    **{"threshold": 0.95, "alignment": False, "lambda_u": 1.0, "mu": 7},
    **{"batch_size": 64, "steps": 2**20, "optimizer": "sgd", "lr": 0.03},
    **{"weight_decay": 5e-4, "warmup_steps": 0, "ema_decay": 0.999},
    **{"encoder": "wrn-28-2", "size": 32},
}
_NOT_PERCENT = ("kappa", "R²", "MAE", "RMSE")


def number(value: float, spec: str, unit: str = "") -> str:
    """Format a number with a true minus sign; a dash for NaN."""
    if math.isnan(value):
        return _DASH
    return f"{value:{spec}}{unit}".replace("-", _MINUS)


def percent(value: float, digits: int = 1) -> str:
    """Format a fraction as per cent; a dash for NaN.

    The space before the sign does not break: the sign must not start a line.
    """
    return number(100 * value, f".{digits}f", f"{_SPACE}%")


def metric_text(value: float, metric: str) -> str:
    """Format a main metric: R² as a number, any other as per cent."""
    return number(value, ".3f") if metric == "r2" else percent(value)


def gain_text(value: float, metric: str) -> str:
    """Format a difference of main metrics: in points, of R² as a number."""
    scale, spec, unit = (1, ".3f", "") if metric == "r2" else (100, ".1f", " points")
    return number(scale * value, spec, unit)


def score_table(data: ReportData) -> pd.DataFrame:
    """Tabulate the test scores of each method, with their intervals."""
    rows = []
    for result in data.results:
        row = {"method": result.title}
        for name, value in result.evaluation.overall().items():
            if name in _NOT_PERCENT:
                row[name] = number(value, ",.3f")
                continue
            row[name] = percent(value)
            if ends := result.evaluation.intervals.get(INTERVALS.get(name, "")):
                text = f"{100 * ends[0]:.1f}{_DASH}{percent(ends[1])}"
                row[f"95 % interval of {name}"] = text
        rows.append(row)
    return pd.DataFrame(rows)


def split_table(data: ReportData) -> pd.DataFrame:
    """Count the images in each part of the split, of each class where they have one."""
    table = pd.DataFrame()
    for part, total in data.split.counts().items():
        labels = data.labels[getattr(data.split, part)]
        counts: list[int] = []
        if data.kind == "categorical":  # -1: unknown
            known = labels[labels >= 0]
            counts = known.bincount(minlength=len(data.class_names)).tolist()
        elif data.kind == "multilabel":
            counts = (labels == 1).sum(dim=0).tolist()
        table[part] = [f"{n:,}" for n in (*counts, total)]
    names = data.class_names if len(table) > 1 else ()
    table.insert(0, "class", [*names, "all images"])
    return table


def class_table(data: ReportData) -> pd.DataFrame:
    """Tabulate one score of each class with each method, and the gain.

    Recall, of maps IoU, of several labels F1; the gain is that over the baseline. For a
    single method: all scores. Empty for a number.
    """
    found = {r.title: r.evaluation.by_class() for r in data.results}
    mine = found[data.main.title]
    if mine.empty:
        return mine
    support = mine.iloc[:, 0]
    columns = {name: mine[name] for name in mine.columns[1:]}
    if len(found) > 1:
        column = _OF_CLASS[data.kind]
        columns = {title: one[column] for title, one in found.items()}
    table = pd.DataFrame({"class": [*mine.index, "mean of the classes"]})
    table[f"test {support.name}"] = [f"{n:,}" for n in [*support, support.sum()]]
    means = {k: np.append(v, mean_of_known(v.to_numpy())) for k, v in columns.items()}
    for title, values in means.items():
        table[title] = [percent(v, 0) for v in values]
    if data.baseline:
        gain = 100 * (means[data.main.title] - means[data.baseline.title])
        table["gain (points)"] = [number(v, "+.0f") for v in gain]
    return table


def mistake_table(result: MethodResult, most: int = 8) -> pd.DataFrame:
    """List a method's most frequent confusions; empty if it made no mistake."""
    scores = result.evaluation.scores
    if not isinstance(scores, Scores):
        return pd.DataFrame()
    wrong = scores.confusion - np.diag(np.diag(scores.confusion))  # (K, K)
    of_class = wrong / np.maximum(scores.support, 1)[:, None]
    rows = []
    for cell in np.argsort(-wrong, axis=None, kind="stable")[:most]:
        k, j = divmod(int(cell), len(wrong))
        if wrong[k, j]:
            of_two = scores.class_names[k], scores.class_names[j]
            rows.append((*of_two, f"{wrong[k, j]:,}", percent(of_class[k, j], 0)))
    what = "pixels" if result.evaluation.kind == "dense" else "images"
    columns = ["true class", "predicted", what, "of that class"]
    return pd.DataFrame(rows, columns=columns)


def settings_table(data: ReportData) -> pd.DataFrame:
    """Tabulate the settings that any method changes from its defaults.

    Those of FixMatch stand beside its paper's, where they differ from these, too. A
    dash: the method has no such setting.
    """
    columns, changed = {}, set()
    for result in data.results:
        sections = result.config.to_dict()
        sections["method"].pop("name")  # the title says it; "name" is the data set
        columns[result.title] = {k: v for s in sections.values() for k, v in s.items()}
        changed |= {k for one in result.config.changes().values() for k in one}
    if data.main.config.method_name == "fixmatch":
        mine = columns[data.main.title]
        columns["FixMatch\N{RIGHT SINGLE QUOTATION MARK}s paper"] = _PAPER
        changed |= {name for name, value in _PAPER.items() if mine[name] != value}
    shown = {
        title: {name: _setting(value) for name, value in one.items() if name in changed}
        for title, one in columns.items()
    }
    table = pd.DataFrame(shown, dtype=object).fillna(_DASH)
    return table.rename_axis("setting").reset_index()


def _setting(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else f"{value}"
