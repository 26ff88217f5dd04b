"""The tables of the report, as DataFrames of text; the first column heads each row."""

__all__ = [
    "audit_table",
    "calibration_table",
    "class_table",
    "cost_table",
    "difference_table",
    "embedding_table",
    "mistake_table",
    "percent",
    "score_table",
    "settings_table",
    "split_table",
    "weights_table",
]

import math
from typing import Any

import numpy as np
import pandas as pd

from workshop_lib.evaluation.metrics import mean_of_known
from workshop_lib.evaluation.statistics import score_intervals
from workshop_lib.report.data import MethodResult, ReportData

_DASH, _MINUS, _SPACE = "\N{EN DASH}", "\N{MINUS SIGN}", "\N{NO-BREAK SPACE}"
_WEIGHTS = {"ema": "averaged", "online": "online"}

# Sohn et al. 2020, arXiv 2001.07685, section 4 and appendix B (CIFAR-10)
_PAPER: dict[str, tuple[Any, str]] = {
    "threshold": (0.95, "confidence a pseudo-label needs to be used"),
    "alignment": (False, "pseudo-labels are pulled towards equal use of the classes"),
    "lambda_u": (1.0, "weight of the loss on unlabelled images"),
    "mu": (7, "unlabelled images per labelled one in a step"),
    "batch_size": (64, "labelled images in a step"),
    "steps": (2**20, "optimiser steps"),
    "optimizer": ("sgd", "optimiser"),
    "lr": (0.03, "peak learning rate"),
    "weight_decay": (5e-4, "weight decay"),
    "warmup_steps": (0, "steps of linear warm-up"),
    "ema_decay": (0.999, "decay of the averaged weights that are evaluated"),
    "model": ("wrn-28-2", "network"),
    "size": (32, "side of the images (pixels)"),
}


def percent(value: float, digits: int = 1) -> str:
    """Format a fraction as per cent; a dash for NaN.

    The space before the sign does not break: the sign must not start a line.
    """
    return _number(100 * value, f".{digits}f", f"{_SPACE}%")


def score_table(data: ReportData) -> pd.DataFrame:
    """Tabulate the test scores of each method, with their intervals."""
    rows = []
    for result in data.results:
        scores, f1 = result.scores, score_intervals(result.scores)["macro_f1"]
        top_k = math.nan if scores.top_k is None else scores.top_k
        rows.append(
            {
                "method": result.title,
                "accuracy": percent(scores.accuracy),
                "95 % interval": _range(*scores.interval()),
                f"top-{data.main.scores.k}": percent(top_k),
                "mean F1": percent(f1.value),
                "95 % interval of F1": _range(f1.low, f1.high),
                "kappa": _number(scores.kappa, ".3f"),
            }
        )
    return pd.DataFrame(rows)


def split_table(data: ReportData) -> pd.DataFrame:
    """Count the images of each class in each part of the split."""
    counts = pd.DataFrame(data.class_counts)
    if not counts.empty:
        counts.loc[len(counts)] = {part: data.split_counts[part] for part in counts}
        counts = counts.apply(lambda column: column.map("{:,}".format))
        counts.insert(0, "class", [*data.class_names, "all images"])
    return counts


def audit_table(data: ReportData) -> pd.DataFrame:
    """List the findings of the split's audit, worst first."""
    findings = data.audit.findings if data.audit else ()
    rows = [(f.severity, f.kind.replace("_", " "), f.message) for f in findings]
    return pd.DataFrame(rows, columns=["severity", "finding", "where"])


def class_table(data: ReportData) -> pd.DataFrame:
    """Tabulate the recall of each class with each method, and the gain.

    The gain is that over the baseline. For a single method: recall, precision and F1.
    """
    scores = data.main.scores
    columns = {r.title: r.scores.recall for r in data.results}
    if len(data.results) == 1:
        columns = {"recall": scores.recall, "precision": scores.precision}
        columns["F1"] = scores.f1
    support = [*scores.support, scores.support.sum()]
    table = pd.DataFrame({"class": [*data.class_names, "mean of the classes"]})
    table["test images"] = [f"{n:,}" for n in support]
    means = {k: np.append(v, mean_of_known(v)) for k, v in columns.items()}
    for title, values in means.items():
        table[title] = [percent(v, 0) for v in values]
    if data.baseline:
        gain = 100 * (means[data.main.title] - means[data.baseline.title])
        table["gain (points)"] = [_number(v, "+.0f") for v in gain]
    return table


def mistake_table(result: MethodResult, most: int = 8) -> pd.DataFrame:
    """List a method's most frequent confusions; empty if it made no mistake."""
    scores, names = result.scores, result.scores.class_names
    wrong = scores.confusion - np.diag(np.diag(scores.confusion))  # (K, K)
    of_class = wrong / np.maximum(scores.support, 1)[:, None]
    table = pd.DataFrame(
        {
            "true class": np.repeat(names, len(names)),
            "predicted": np.tile(names, len(names)),
            "images": wrong.ravel(),
            "of that class": [percent(v, 0) for v in of_class.ravel()],
        }
    )
    table = table[table["images"] > 0]
    table = table.sort_values("images", ascending=False, kind="stable").head(most)
    return table.assign(images=table["images"].map("{:,}".format))


def difference_table(data: ReportData) -> pd.DataFrame:
    """Compare the main method with each other one by McNemar's test."""
    rows = []
    for other in (r for r in data.results if r is not data.main):
        test = data.compare(other)
        low, high = (_number(100 * end, "+.1f") for end in test.interval())
        rows.append(
            {
                "compared with": other.title,
                "difference (points)": _number(100 * test.difference, "+.1f"),
                "95 % interval": f"{low} to {high}",
                "right here only": f"{test.only_a:,}",
                "right there only": f"{test.only_b:,}",
                "p": "< 0.0001" if test.p_value < 1e-4 else f"{test.p_value:.4f}",
                "real?": "yes" if test.significant else "cannot tell",
            }
        )
    return pd.DataFrame(rows)


def weights_table(data: ReportData) -> pd.DataFrame:
    """Tabulate the four sets of weights that each training ended with."""
    return pd.DataFrame(
        {
            "method": result.title,
            "weights": f"{found.which}, {_WEIGHTS[found.weights]}",
            "step": f"{found.step:,}",
            "validation": percent(found.val_accuracy),
            "test": percent(found.test_accuracy),
        }
        for result in data.results
        for found in result.checkpoints
    )


def calibration_table(data: ReportData) -> pd.DataFrame:
    """Compare confidence and accuracy of each method, before and after scaling."""
    rows = []
    for result in data.results:
        if found := result.calibration:
            confidence, accuracy = found.before.means()
            rows.append(
                {
                    "method": result.title,
                    "mean confidence": percent(confidence),
                    "right": percent(accuracy),
                    "error (points)": _number(100 * found.before.ece, ".1f"),
                    "temperature": _number(found.temperature, ".2f"),
                    "error then (points)": _number(100 * found.after.ece, ".1f"),
                }
            )
    return pd.DataFrame(rows)


def embedding_table(data: ReportData) -> pd.DataFrame:
    """Measure how well the classes are separated in each network's features."""
    return pd.DataFrame(
        {
            "method": result.title,
            "numbers per image": f"{result.embedded.drawn.vectors.shape[1]:,}",
            "kNN accuracy": percent(result.embedded.knn),
            "silhouette": _number(result.embedded.silhouette, ".2f"),
        }
        for result in data.results
        if result.embedded
    )


def cost_table(data: ReportData) -> pd.DataFrame:
    """Tabulate the cost of each training: labels, steps, time, memory, size."""
    rows = []
    for result in data.results:
        semi, minutes = result.role == "semi-supervised", result.seconds / 60
        peak = math.nan if result.peak_memory is None else result.peak_memory / 2**20
        rows.append(
            {
                "method": result.title,
                "labels": f"{result.labels:,}",
                "mu": str(result.recipe.get("mu", _DASH)) if semi else _DASH,
                "batch": str(result.recipe.get("batch_size", _DASH)),
                "steps": f"{result.steps:,}",
                "minutes": _number(minutes, ".2f" if minutes < 1 else ".1f"),
                "peak memory (MiB)": _number(peak, ",.0f"),
                "parameters": f"{result.parameters:,}",
            }
        )
    return pd.DataFrame(rows)


def settings_table(result: MethodResult) -> pd.DataFrame:
    """Compare FixMatch's settings with the paper's; empty for another method."""
    rows = []
    for name, (paper, meaning) in _PAPER.items():
        here = result.recipe.get(name, _DASH)
        if here is None:  # left at the method's own value, which is the paper's
            here = paper
        rows.append(
            {
                "setting": name,
                "meaning": meaning,
                "here": _setting(here),
                "paper": _setting(paper),
                "note": "" if here == paper else "differs",
            }
        )
    return pd.DataFrame(rows if result.recipe.get("method") == "fixmatch" else [])


def _number(value: float, spec: str, unit: str = "") -> str:
    """Format a number with a true minus sign; a dash for NaN."""
    if math.isnan(value):
        return _DASH
    return f"{value:{spec}}{unit}".replace("-", _MINUS)


def _range(low: float, high: float) -> str:
    return f"{100 * low:.1f}{_DASH}{percent(high)}"


def _setting(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value}"
