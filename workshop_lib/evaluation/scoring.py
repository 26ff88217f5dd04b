"""Scores of a run on the test images, computed once, for whatever its head predicts."""

__all__ = ["INTERVALS", "CheckpointScores", "Evaluation", "evaluate"]

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd
from torch import Tensor

from workshop_lib.data.dataset import Dataset
from workshop_lib.data.samples import targets_of
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError, listed
from workshop_lib.evaluation.calibration import Calibration, calibrate
from workshop_lib.evaluation.head_metrics import AnyScores, border_accuracy, score_head
from workshop_lib.evaluation.inference import check_fits, predict_heads, stored_views
from workshop_lib.evaluation.metrics import Scores, plain
from workshop_lib.evaluation.predictions import Predictions
from workshop_lib.evaluation.statistics import FEWEST, score_intervals
from workshop_lib.files import read_json, write_text
from workshop_lib.sample import Sample
from workshop_lib.training.checkpoint import load_checkpoint
from workshop_lib.training.run import Run

Which = Literal["best", "last"]  # checkpoint: best by validation, or the last step
Weights = Literal["ema", "online"]  # averaged, or as the optimiser left them
INTERVALS = {"accuracy": "accuracy", "mean F1": "macro_f1", "kappa": "kappa"}
# Headings of the tables, and the attribute of the scores below each; by kind of head
_RATES = {"recall": "recall", "precision": "precision", "F1": "f1"}
_IMAGES = {"images": "support", **_RATES}
_BY_CLASS = {
    "categorical": _IMAGES,
    "dense": {"pixels": "support", **_RATES, "IoU": "iou"},
    "multilabel": {**_IMAGES, "average precision": "average_precision"},
    "regression": {},
}
_OVERALL = {  # the main metric first
    "categorical": INTERVALS,
    "dense": {"mean IoU": "mean_iou", **INTERVALS},
    "multilabel": {
        "micro F1": "micro_f1",
        "mean F1": "macro_f1",
        "mAP": "mean_average_precision",
        "all labels right": "exact_match",
        "Hamming loss": "hamming_loss",
    },
    "regression": {"R²": "r2", "MAE": "mae", "RMSE": "rmse"},
}


@dataclass(frozen=True)
class CheckpointScores:
    """The main metric of one of the four sets of weights that a run ends with."""

    which: Which
    weights: Weights
    step: int
    val: float  # as in the log
    test: float


@dataclass(frozen=True)
class Evaluation:
    """Test scores of a run, and the predictions that they were computed from.

    Everything but `checkpoints` belongs to the averaged weights that were best on
    validation: the figures to report. `checkpoints` has the main metric of all four
    sets of weights, for information only: do not choose by it.

    Args:
        kind: of the main head: "categorical", "dense", "multilabel" or "regression".
        metric: the main one: accuracy, miou, f1_micro or r2.
        scores: of the test images; of a dense head of their pixels.
        predicted: (N, K) probabilities; of a dense head (N, H, W) uint8 classes; of a
            regression (N,) numbers.
        checkpoints: four sets of weights.
        intervals: 95 %, over the test images; of a class per scene only.
        calibration: likewise.
        beside_borders, inside: accuracy of pixels that have a neighbour of another
            class, and of all others; of a dense head.
        others: the scores of the other heads, by head and score, as `overall`.
    """

    kind: str
    metric: str
    scores: AnyScores
    predicted: Tensor
    checkpoints: tuple[CheckpointScores, ...]
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    calibration: Calibration | None = None
    beside_borders: float = math.nan
    inside: float = math.nan
    others: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def probs(self) -> Tensor:
        """Class probabilities of the test images, (N, K)."""
        return self.predicted

    @property
    def measure(self) -> str:
        """The main metric's name as people read it."""
        return next(iter(_OVERALL[self.kind]))

    @property
    def value(self) -> float:
        """The main metric on the test images."""
        return self.checkpoints[0].test

    def to_dict(self) -> dict[str, Any]:
        """Return the content of `evaluation.json`: plain numbers and lists."""
        found: dict[str, Any] = {
            "kind": self.kind,
            "metric": self.metric,
            "value": self.value,
            "weights": "best by validation, averaged",
            "scores": vars(self.scores),
            "intervals": self.intervals,
            "checkpoints": [vars(one) for one in self.checkpoints],
            "others": self.others,
            "caution": self.caution,
        }
        if self.calibration is not None:
            found["calibration"] = self.calibration.to_dict()
        if self.kind == "dense":
            found["accuracy_beside_borders"] = self.beside_borders
            found["accuracy_inside"] = self.inside
        return plain(found)

    def by_class(self) -> pd.DataFrame:
        """Tabulate the scores of each class; the table of a number is empty.

        Returns:
            A row per class: images (of maps: pixels), recall, precision, F1; of maps
            IoU as well, of several labels the average precision; NaN where undefined.
        """
        columns = _BY_CLASS[self.kind].items()
        names = pd.Index(getattr(self.scores, "class_names", ()), name="class")
        found = {heading: getattr(self.scores, name) for heading, name in columns}
        return pd.DataFrame(found, index=names)

    def overall(self) -> dict[str, float]:
        """Return the scores over all test images by name, the main metric first."""
        found = _overall(self.kind, self.scores)
        if self.kind == "dense":
            found |= {"right at borders": self.beside_borders, "inside": self.inside}
        elif isinstance(self.scores, Scores) and self.scores.top_k is not None:
            found[f"top-{self.scores.k}"] = self.scores.top_k
        return found

    @property
    def caution(self) -> str:
        """Say what the test images cannot tell: absent classes, few images; or ""."""
        n, classes, said = len(self.predicted), self.by_class(), []
        if n < FEWEST:
            said.append(f"{n} test images are few: scores may be chance")
        for kind, support in classes.iloc[:, :1].items():  # how many of each
            absent = [str(name) for name, count in support.items() if not count]
            if len(absent) == len(support) - 1:
                said.append(f"test {kind} of one class only: no kappa, no means")
            elif absent:
                said.append(f"no test {kind} of {listed(absent)}: left out of means")
        return "; ".join(said)

    def summary(self) -> str:
        """Format everything in several lines, for any kind of head."""
        classes, overall = self.by_class(), self.overall()
        parts = [classes.round(3).to_string(na_rep="-")] if len(classes) else []
        width, lines = max(map(len, overall)) + 2, []
        for name, value in overall.items():
            lines.append(f"{name:{width}s}{value:.3f}")
            if ends := self.intervals.get(INTERVALS.get(name, "")):
                low, high = ends
                lines[-1] += f"  (95 % interval over images {low:.3f} to {high:.3f})"
        parts.append("\n".join([*lines, *filter(None, [self.caution])]))
        if self.calibration is not None:
            parts.append(self.calibration.summary())
        for head, found in self.others.items():
            scores = ", ".join(f"{name} {value:.3f}" for name, value in found.items())
            parts.append(f"{head}: {scores}")
        weights = {"ema": "averaged", "online": "online"}
        rows = [
            (f"{c.which}, {weights[c.weights]}", c.step, c.val, c.test)
            for c in self.checkpoints
        ]
        table = pd.DataFrame(rows, columns=["weights", "step", "validation", "test"])
        parts.append(
            f"{self.measure} with each set of weights\n"
            f"{table.round(3).to_string(index=False, na_rep='-')}\n"
            "The first row is the figure to report: to choose by the test column is to"
            " choose on the test images."
        )
        return "\n\n".join(parts)


def evaluate(run: Run, scenes: Dataset, split: Split) -> Evaluation:
    """Score a run on the test images, and write the scores to its folder.

    `evaluation.json` is written once, of a class per scene with `predictions.npz` (see
    `Predictions`). A later call predicts again and checks that nothing has changed.

    Raises:
        WorkshopError: the run was trained without labels, on other classes, sensors,
            images or another split, or the scores differ from those written before.
    """
    run.check_head()
    check_fits(run, scenes, split)
    views = stored_views(run, scenes)
    targets = targets_of(scenes, tuple(run.facts["heads"]))
    truths = {name: values[split.test] for name, values in targets.items()}
    checkpoints, predicted = _all_checkpoints(run, views, truths, split.test)
    main, names = run.main_head, run.class_names
    found, truth, more = predicted.pop(main), truths[main], dict[str, Any]()
    heads = run.facts["heads"]
    kind = heads[main]["kind"]
    scores = score_head(heads[main], found, truth)
    if isinstance(scores, Scores) and kind == "categorical":
        ends = {k: (v.low, v.high) for k, v in score_intervals(scores).items()}
        more["intervals"] = {k: v for k, v in ends.items() if v[0] < v[1]}  # no NaN
        model, normalize = run.load_model()
        val = predict_heads(run, model, normalize, views, split.val)[main]
        more["calibration"] = calibrate(val, targets[main][split.val], found, truth)
        images = tuple(scenes.names[i] for i in split.test.tolist())
        source, path = run.config.data.name, run.folder / "predictions.npz"
        if not path.exists():
            Predictions(images, truth, found, names, Path(source).name).save(path)
    elif kind == "dense":
        more["beside_borders"], more["inside"] = border_accuracy(truth, found)
    others = {
        k: _overall(heads[k]["kind"], score_head(heads[k], values, truths[k]))
        for k, values in predicted.items()
    }
    result = Evaluation(
        kind, run.metric, scores, found, checkpoints, others=others, **more
    )
    _write(run, result)
    return result


def _all_checkpoints(
    run: Run, views: list[Sample], truths: dict[str, Tensor], index: Tensor
) -> tuple[tuple[CheckpointScores, ...], dict[str, Tensor]]:
    """Predict with best and last, averaged and online weights.

    Returns:
        All four scores, and the predictions of the best averaged weights by head.
    """
    log, found = run.log.set_index("step"), []
    done: dict[tuple[int, str], dict[str, Tensor]] = {}  # best may be last
    main = run.main_head
    for which in get_args(Which):
        path = run.folder / f"{which}.pt"
        step = int(load_checkpoint(path, needs=("step",))["step"])
        for weights in get_args(Weights):
            if (step, weights) not in done:
                model, normalize = run.load_model(which, weights)
                done[step, weights] = predict_heads(run, model, normalize, views, index)
            suffix = "" if weights == "ema" else "_online"
            column = f"val_{run.metric}{suffix}"
            val = float(log[column].get(step, math.nan))
            about = run.facts["heads"][main]
            scores = score_head(about, done[step, weights][main], truths[main])
            test = next(iter(_overall(about["kind"], scores).values()))
            found.append(CheckpointScores(which, weights, step, val, test))
    return tuple(found), done[found[0].step, "ema"]


def _overall(kind: str, scores: AnyScores) -> dict[str, float]:
    """Return the scores over all images of a head by name, the main one first."""
    return {k: float(getattr(scores, name)) for k, name in _OVERALL[kind].items()}


def _write(run: Run, result: Evaluation) -> None:
    """Write evaluation.json; an existing one must agree with the result."""
    path, now = run.folder / "evaluation.json", plain(result.value)
    if not path.exists():
        write_text(path, json.dumps(result.to_dict(), indent=1))
        return
    before = read_json(path, {"value": (int, float, type(None))})["value"]
    nothing = None in (before, now)  # NaN, as JSON holds it
    if before != now if nothing else abs(before - now) > 0.005:
        raise WorkshopError(
            f"{path} says {result.metric} {before}, now it is {now}: the images or the"
            " checkpoint have changed since. Train again in a new folder."
        )
