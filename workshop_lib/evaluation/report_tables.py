"""The tables of the report, as rows of text that the page only has to lay out."""

__all__ = [
    "Table",
    "audit_table",
    "cost_table",
    "embedding_table",
    "mistake_table",
    "per_cent",
    "recall_table",
    "score_table",
    "settings_table",
    "split_table",
]

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from workshop_lib.evaluation.report_data import MethodResult, ReportData
from workshop_lib.evaluation.statistics import score_intervals

# Sohn et al. 2020, arXiv 2001.07685, section 4 and appendix B (CIFAR-10)
_PAPER: dict[str, Any] = {
    "threshold": 0.95,
    "alignment": False,
    "lambda_u": 1.0,
    "mu": 7,
    "batch_size": 64,
    "steps": 2**20,
    "optimizer": "sgd",
    "lr": 0.03,
    "weight_decay": 5e-4,
    "warmup_steps": 0,
    "ema_decay": 0.999,
    "model": "wrn-28-2",
    "size": 32,
}
_MEANING = {
    "threshold": "confidence a pseudo-label needs to be used",
    "alignment": "pseudo-labels are pulled towards equal use of the classes",
    "lambda_u": "weight of the loss on unlabelled images",
    "mu": "unlabelled images per labelled one in a step",
    "batch_size": "labelled images in a step",
    "steps": "optimiser steps",
    "optimizer": "optimiser",
    "lr": "peak learning rate",
    "weight_decay": "weight decay",
    "warmup_steps": "steps of linear warm-up",
    "ema_decay": "decay of the averaged weights that are evaluated",
    "model": "network",
    "size": "side of the images (pixels)",
}


@dataclass(frozen=True)
class Table:
    """A table as text; the first cell of a row is its heading."""

    caption: str
    header: list[str]
    rows: list[list[str]]


def per_cent(value: float, digits: int = 1) -> str:
    """Write a share as per cent; a dash where there is nothing to tell (NaN)."""
    # A no-break space: the sign must not slip into the next line alone
    return "–" if math.isnan(value) else f"{100 * value:.{digits}f}\N{NO-BREAK SPACE}%"


def score_table(data: ReportData) -> Table:
    """What each method reached on the test images."""
    header = ["method", "accuracy", "95 % interval", f"top-{data.main.scores.k}"]
    header += ["mean F1", "95 % interval", "kappa"]
    rows = []
    for result in data.results:
        scores = result.scores
        low, high = scores.interval()
        f1 = score_intervals(scores)["macro_f1"]
        rows.append(
            [
                result.title,
                per_cent(scores.accuracy),
                f"{100 * low:.1f}–{per_cent(high)}",
                per_cent(math.nan if scores.top_k is None else scores.top_k),
                per_cent(f1.value),
                f"{100 * f1.low:.1f}–{per_cent(f1.high)}",
                "–" if math.isnan(scores.kappa) else f"{scores.kappa:.3f}",
            ]
        )
    return Table("What each method reached on the test images", header, rows)


def split_table(data: ReportData) -> Table | None:
    """How many images of each class are in each part of the split."""
    parts = list(data.class_counts)
    if not parts:
        return None
    rows = [
        [name, *(f"{data.class_counts[part][k]:,}" for part in parts)]
        for k, name in enumerate(data.class_names)
    ]
    rows.append(["all images", *(f"{data.split_counts[part]:,}" for part in parts)])
    return Table("Images of each class in the parts", ["class", *parts], rows)


def audit_table(data: ReportData) -> Table | None:
    """What the audit of the split found, worst first; None if nothing."""
    if data.audit is None or not data.audit.findings:
        return None
    rows = [
        [f.severity, f.kind.replace("_", " "), f.message] for f in data.audit.findings
    ]
    return Table("What the audit found", ["how bad", "what", "where"], rows)


def cost_table(data: ReportData) -> Table:
    """What each training cost: labels, steps, time, memory, size."""
    header = ["method", "labels", "mu", "batch", "steps", "minutes"]
    header += ["peak memory (MiB)", "parameters"]
    rows = []
    for result in data.results:
        recipe, peak = result.recipe, result.peak_memory
        semi = result.role == "semi-supervised"
        rows.append(
            [
                result.title,
                f"{result.labels:,}",
                str(recipe.get("mu", "–")) if semi else "–",
                str(recipe.get("batch_size", "–")),
                f"{result.steps:,}",
                _minutes(result.seconds),
                "–" if peak is None else f"{peak / 2**20:,.0f}",
                f"{result.parameters:,}",
            ]
        )
    return Table("What each training cost", header, rows)


def mistake_table(result: MethodResult, most: int = 8) -> Table | None:
    """The most frequent mistakes of a method; None if it made none."""
    counts, names = result.scores.confusion, result.scores.class_names
    wrong = counts - np.diag(np.diag(counts))  # (K, K)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    rows = []
    for true, predicted in zip(*np.unravel_index(order, wrong.shape), strict=True):
        found = int(wrong[true, predicted])
        if found:
            share = found / int(result.scores.support[true])
            row = [names[true], names[predicted], f"{found:,}", per_cent(share, 0)]
            rows.append(row)
    header = ["true class", "predicted", "images", "of that class"]
    caption = f"Most frequent mistakes of {result.title}"
    return Table(caption, header, rows) if rows else None


def embedding_table(data: ReportData) -> Table | None:
    """How well the classes lie apart in each network's features."""
    rows = [
        [
            result.title,
            f"{result.embedded.drawn.vectors.shape[1]:,}",
            per_cent(result.embedded.knn),
            _number(result.embedded.silhouette),
        ]
        for result in data.results
        if result.embedded is not None
    ]
    header = ["method", "numbers per image", "kNN accuracy", "silhouette"]
    return Table("How well the classes lie apart", header, rows) if rows else None


def recall_table(data: ReportData) -> Table:
    """The recall of each class with each method, and the gain over the baseline.

    Where there is one method only, its precision and F1 too.
    """
    if len(data.results) == 1:
        return _class_table(data)
    compare = data.baseline if data.baseline is not data.main else None
    header = ["class", "test images", *(r.title for r in data.results)]
    if compare:
        header.append("gain (points)")
    rows = []
    for k, name in enumerate(data.class_names):
        row = [name, f"{int(data.main.scores.support[k]):,}"]
        row += [per_cent(float(r.scores.recall[k]), 0) for r in data.results]
        if compare:
            row.append(_points(data.main.scores.recall[k] - compare.scores.recall[k]))
        rows.append(row)
    mean = ["mean of the classes", f"{int(np.sum(data.main.scores.support)):,}"]
    mean += [per_cent(r.scores.macro_recall, 0) for r in data.results]
    if compare:
        mean.append(
            _points(data.main.scores.macro_recall - compare.scores.macro_recall)
        )
    rows.append(mean)
    return Table("Recall: of the images of a class, how many were found", header, rows)


def _class_table(data: ReportData) -> Table:
    scores = data.main.scores
    rows = [
        [
            name,
            f"{int(scores.support[k]):,}",
            *(per_cent(float(v[k]), 0) for v in (scores.recall, scores.precision)),
            per_cent(float(scores.f1[k]), 0),
        ]
        for k, name in enumerate(data.class_names)
    ]
    means = (scores.macro_recall, scores.macro_precision, scores.macro_f1)
    total = f"{int(np.sum(scores.support)):,}"
    rows.append(["mean of the classes", total, *(per_cent(v, 0) for v in means)])
    header = ["class", "test images", "recall", "precision", "F1"]
    return Table(f"Class by class: {data.main.title}", header, rows)


def settings_table(result: MethodResult) -> Table | None:
    """FixMatch's settings beside the paper's; None for another method."""
    if result.recipe.get("method") != "fixmatch":
        return None
    rows = []
    for knob, paper in _PAPER.items():
        here = result.recipe.get(knob, "–")
        if here is None:  # left at the method's own value, which is the paper's
            here = paper
        mark = "" if here == paper else "differs"
        rows.append([knob, _MEANING[knob], _plain(here), _plain(paper), mark])
    header = ["knob", "meaning", "here", "paper", "note"]
    return Table("FixMatch's settings here and in the paper (CIFAR-10)", header, rows)


def _points(gain: float) -> str:
    if math.isnan(gain):
        return "–"
    return f"{100 * gain:+.0f}".replace("-", "\N{MINUS SIGN}")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.2f}" if seconds < 60 else f"{seconds / 60:.1f}"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value}"
