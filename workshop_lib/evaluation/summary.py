"""An evaluation as text for the terminal."""

__all__ = ["summary"]

import numpy as np
import pandas as pd

from workshop_lib.evaluation.calibration import Calibration
from workshop_lib.evaluation.evaluate import Evaluation

_WEIGHTS = {"ema": "averaged", "online": "online"}


def summary(result: Evaluation) -> str:
    """Write the scores class by class, the whole, calibration, and all four weights."""
    scores, ends = result.scores, result.intervals
    classes = pd.DataFrame(
        {
            "images": scores.support,
            "recall": scores.recall,
            "precision": scores.precision,
            "F1": scores.f1,
        },
        index=pd.Index(scores.class_names, name="class"),
    )
    figures = [
        f"{label:10s}{value:.3f}{_between(ends.get(key))}"
        for label, key, value in (
            ("accuracy", "accuracy", scores.accuracy),
            ("mean F1", "macro_f1", scores.macro_f1),
            ("kappa", "kappa", scores.kappa),
            (f"top-{scores.k}", "", scores.top_k),
        )
    ]
    return "\n\n".join(
        [
            classes.round(3).to_string(na_rep="-"),
            "\n".join(figures),
            _confidence(result.calibration),
            _four(result),
        ]
    )


def _between(ends: tuple[float, float] | None) -> str:
    if ends is None:
        return ""
    return f"  (95 % interval over images {ends[0]:.3f} to {ends[1]:.3f})"


def _confidence(found: Calibration) -> str:
    sure = np.nansum(found.before.count * found.before.confidence)
    right = np.nansum(found.before.count * found.before.accuracy)
    total = found.before.count.sum()
    return (
        f"confidence {sure / total:.3f} on average, right {right / total:.3f};"
        f" calibration error (ECE) {found.before.ece:.3f}\n"
        f"at temperature {found.temperature:.2f}, fitted on validation, the error is"
        f" {found.after.ece:.3f}"
    )


def _four(result: Evaluation) -> str:
    rows = [
        {
            "weights": f"{one.which}, {_WEIGHTS[one.weights]}",
            "step": one.step,
            "validation": one.val_accuracy,
            "test": one.test_accuracy,
        }
        for one in result.reached
    ]
    table = pd.DataFrame(rows).round(3).to_string(index=False, na_rep="-")
    return (
        f"{table}\nThe first row is the figure to report: to choose by the test column"
        " is to choose on the test images."
    )
