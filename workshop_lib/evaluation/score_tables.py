"""Scores of an evaluation as tables, and as the text of `workshop evaluate`."""

__all__ = ["INTERVALS", "METRIC_NAMES", "class_scores", "overall_scores", "summary"]

import pandas as pd

from workshop_lib.evaluation.calibration import Calibration
from workshop_lib.evaluation.head_metrics import MultilabelScores, RegressionScores
from workshop_lib.evaluation.metrics import Scores
from workshop_lib.evaluation.scoring import Evaluation

METRIC_NAMES = {
    "accuracy": "accuracy",
    "miou": "mean IoU",
    "f1_micro": "micro F1",
    "r2": "R²",
}
INTERVALS = {"accuracy": "accuracy", "mean F1": "macro_f1", "kappa": "kappa"}
_WEIGHTS = {"ema": "averaged", "online": "online"}


def class_scores(result: Evaluation) -> pd.DataFrame:
    """Tabulate the scores of each class; the table of a number is empty.

    Returns:
        A row per class, in the order of the classes: images (of maps: pixels), recall,
        precision, F1; of maps IoU as well, of several labels the average precision.
        Scores are 0 to 1, NaN where they are undefined.
    """
    scores = result.scores
    if isinstance(scores, RegressionScores):
        return pd.DataFrame()
    columns = {
        "pixels" if result.kind == "dense" else "images": scores.support,
        "recall": scores.recall,
        "precision": scores.precision,
        "F1": scores.f1,
    }
    if isinstance(scores, MultilabelScores):
        columns["average precision"] = scores.average_precision
    elif result.kind == "dense":
        columns["IoU"] = scores.iou
    return pd.DataFrame(columns, index=pd.Index(scores.class_names, name="class"))


def overall_scores(result: Evaluation) -> dict[str, float]:
    """Return the scores over all test images by name, the main metric first."""
    scores = result.scores
    if isinstance(scores, RegressionScores):
        return {"R²": scores.r2, "MAE": scores.mae, "RMSE": scores.rmse}
    if isinstance(scores, MultilabelScores):
        return {
            "micro F1": scores.micro_f1,
            "mean F1": scores.macro_f1,
            "mAP": scores.mean_average_precision,
            "all labels right": scores.exact_match,
            "Hamming loss": scores.hamming_loss,
        }
    found = {
        "accuracy": scores.accuracy,
        "mean F1": scores.macro_f1,
        "kappa": scores.kappa,
    }
    if result.kind == "dense":
        borders = {"right at borders": result.beside_borders, "inside": result.inside}
        return {"mean IoU": scores.mean_iou, **found, **borders}
    return found if scores.top_k is None else {**found, f"top-{scores.k}": scores.top_k}


def summary(result: Evaluation) -> str:
    """Format all scores as text: by class, overall, calibration, all four checkpoints.

    Returns:
        Several lines, for any kind of head.
    """
    parts = []
    classes = class_scores(result)
    if len(classes):
        parts.append(classes.round(3).to_string(na_rep="-"))
    overall = overall_scores(result)
    width = max(map(len, overall)) + 2
    parts.append(
        "\n".join(
            f"{name:{width}s}{value:.3f}{_interval(result, name)}"
            for name, value in overall.items()
        )
    )
    if isinstance(result.scores, Scores) and result.calibration is not None:
        parts.append(_confidence(result.calibration))
    if result.others:
        heads = ", ".join(f"{name} {v:.3f}" for name, v in result.others.items())
        parts.append(f"main metric of the other heads: {heads}")
    parts.append(_checkpoints(result))
    return "\n\n".join(parts)


def _interval(result: Evaluation, name: str) -> str:
    ends = result.intervals.get(INTERVALS.get(name, ""))
    if ends is None:
        return ""
    return f"  (95 % interval over images {ends[0]:.3f} to {ends[1]:.3f})"


def _confidence(found: Calibration) -> str:
    confidence, accuracy = found.before.means()
    return (
        f"confidence {confidence:.3f} on average, right {accuracy:.3f};"
        f" calibration error (ECE) {found.before.ece:.3f}\n"
        f"at temperature {found.temperature:.2f}, fitted on validation, the error is"
        f" {found.after.ece:.3f}"
    )


def _checkpoints(result: Evaluation) -> str:
    rows = [
        {
            "weights": f"{one.which}, {_WEIGHTS[one.weights]}",
            "step": one.step,
            "validation": one.val,
            "test": one.test,
        }
        for one in result.checkpoints
    ]
    table = pd.DataFrame(rows).round(3).to_string(index=False, na_rep="-")
    return (
        f"{METRIC_NAMES[result.metric]} with each set of weights\n{table}\n"
        "The first row is the figure to report: to choose by the test column is to"
        " choose on the test images."
    )
