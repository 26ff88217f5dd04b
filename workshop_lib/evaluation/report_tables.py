"""The tables of the report, as rows of text that the page only has to lay out."""

__all__ = [
    "Table",
    "cost_table",
    "per_cent",
    "recall_table",
    "score_table",
    "settings_table",
]

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from workshop_lib.evaluation.report_data import MethodResult, ReportData

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
    header += ["mean F1", "kappa"]
    rows = []
    for result in data.results:
        scores = result.scores
        low, high = scores.interval()
        rows.append(
            [
                result.title,
                per_cent(scores.accuracy),
                f"{100 * low:.1f}–{per_cent(high)}",
                per_cent(math.nan if scores.top_k is None else scores.top_k),
                per_cent(scores.macro_f1),
                "–" if math.isnan(scores.kappa) else f"{scores.kappa:.3f}",
            ]
        )
    return Table("What each method reached on the test images", header, rows)


def cost_table(data: ReportData) -> Table:
    """What each training cost: labels, steps, time, size."""
    header = ["method", "labels", "steps", "seconds", "parameters", "B", "mu"]
    rows = []
    for result in data.results:
        recipe = result.recipe
        semi = result.role == "semi-supervised"
        rows.append(
            [
                result.title,
                f"{result.labels:,}",
                f"{result.steps:,}",
                f"{result.seconds:.0f}",
                f"{result.parameters:,}",
                str(recipe.get("batch_size", "–")),
                str(recipe.get("mu", "–")) if semi else "–",
            ]
        )
    return Table("What each training cost", header, rows)


def recall_table(data: ReportData) -> Table:
    """The recall of each class with each method, and the gain over the baseline."""
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


def settings_table(result: MethodResult) -> Table | None:
    """FixMatch's settings beside the paper's; None for another method."""
    if result.recipe.get("method") != "fixmatch":
        return None
    rows = []
    for knob, paper in _PAPER.items():
        here = result.recipe.get(knob, "–")
        mark = "" if here == paper else "differs"
        rows.append([knob, _MEANING[knob], _plain(here), _plain(paper), mark])
    header = ["knob", "meaning", "here", "paper", "note"]
    return Table("FixMatch's settings here and in the paper (CIFAR-10)", header, rows)


def _points(gain: float) -> str:
    if math.isnan(gain):
        return "–"
    return f"{100 * gain:+.0f}".replace("-", "\N{MINUS SIGN}")


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value}"
