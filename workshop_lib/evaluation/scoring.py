"""Scores of a run on the test images, computed once, for whatever its head predicts."""

__all__ = ["CheckpointScores", "Evaluation", "evaluate"]

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from workshop_lib.augment import Normalize
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.samples import targets_of
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.calibration import Calibration, calibrate
from workshop_lib.evaluation.head_metrics import (
    MultilabelScores,
    RegressionScores,
    border_accuracy,
    score_multilabel,
    score_regression,
)
from workshop_lib.evaluation.inference import check_fits, stored_views
from workshop_lib.evaluation.metrics import Scores, plain, score, scores_from_confusion
from workshop_lib.evaluation.predictions import Predictions
from workshop_lib.evaluation.statistics import score_intervals
from workshop_lib.files import read_json, write_text
from workshop_lib.models import Model
from workshop_lib.models.inference import predict_mean
from workshop_lib.pixels import mean_iou, pixel_confusion
from workshop_lib.sample import Sample
from workshop_lib.session import pick_device
from workshop_lib.training.checkpoint import load_checkpoint
from workshop_lib.training.run import Run

Which = Literal["best", "last"]  # checkpoint: best by validation, or the last step
Weights = Literal["ema", "online"]  # averaged, or as the optimiser left them
_TILES = 256  # whose probabilities are in memory at a time


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
    validation: the figures to report. `checkpoints` has the main metric of these and
    the three other sets of weights, for information only: choosing among them by their
    test scores would be choosing on the test images.

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
        others: the main metric of the other heads, by name.
    """

    kind: str
    metric: str
    scores: Scores | MultilabelScores | RegressionScores
    predicted: Tensor
    checkpoints: tuple[CheckpointScores, ...]
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    calibration: Calibration | None = None
    beside_borders: float = math.nan
    inside: float = math.nan
    others: dict[str, float] = field(default_factory=dict)

    @property
    def probs(self) -> Tensor:
        """Class probabilities of the test images, (N, K)."""
        return self.predicted

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
            "scores": self.scores.to_dict(),
            "intervals": self.intervals,
            "checkpoints": [vars(one) for one in self.checkpoints],
            "others": self.others,
        }
        if self.calibration is not None:
            found["calibration"] = self.calibration.to_dict()
        if self.kind == "dense":
            found["accuracy_beside_borders"] = self.beside_borders
            found["accuracy_inside"] = self.inside
        return plain(found)


def evaluate(run: Run, scenes: Dataset, split: Split) -> Evaluation:
    """Score a run on the test images, and write the scores to its folder.

    `evaluation.json` is written once, of a class per scene with the predictions for
    each image in `predictions.npz` (see `Predictions`). A later call predicts again
    and checks that nothing has changed.

    Raises:
        WorkshopError: the run was trained on other classes, sensors, images or another
            split, or the scores differ from those written before.
    """
    check_fits(run, scenes, split)
    views = stored_views(run, scenes)
    targets = targets_of(scenes, tuple(run.facts["heads"]))
    truths = {name: values[split.test] for name, values in targets.items()}
    checkpoints, predicted = _all_checkpoints(run, views, truths, split.test)
    main, names = run.main_head, run.class_names
    found, truth = predicted.pop(main), truths[main]
    kind = run.facts["heads"][main]["kind"]
    scores: Scores | MultilabelScores | RegressionScores
    more: dict[str, Any] = {}
    match kind:
        case "categorical":
            scores = score(found, truth, names)
            boot = score_intervals(scores)
            intervals = {name: (one.low, one.high) for name, one in boot.items()}
            # Wilson's works even where all images are right: no resample would differ
            more["intervals"] = intervals | {"accuracy": scores.interval()}
            model, normalize = run.load_model()
            val = _predict(run, model, normalize, views, split.val)[main]
            more["calibration"] = calibrate(val, targets[main][split.val], found, truth)
            images = tuple(scenes.names[i] for i in split.test.tolist())
            source, path = run.config.data.name, run.folder / "predictions.npz"
            if not path.exists():
                kept = Predictions(images, truth, found, names, Path(source).name)
                kept.save(path)
        case "dense":
            counts = pixel_confusion(truth, found, len(names))
            scores = scores_from_confusion(counts.numpy(), names)
            more["beside_borders"], more["inside"] = border_accuracy(truth, found)
        case "multilabel":
            scores = score_multilabel(found, truth, names)
        case _:
            scores = score_regression(found, truth)
    others = {k: _metric(run, k, v, truths[k]) for k, v in predicted.items()}
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
                done[step, weights] = _predict(run, model, normalize, views, index)
            suffix = "" if weights == "ema" else "_online"
            column = f"val_{run.metric}{suffix}"
            known = column in log.columns and step in log.index
            val = float(log.loc[step, column]) if known else math.nan
            test = _metric(run, main, done[step, weights][main], truths[main])
            found.append(CheckpointScores(which, weights, step, val, test))
    return tuple(found), done[found[0].step, "ema"]


def _predict(
    run: Run, model: Model, normalize: Normalize, views: list[Sample], index: Tensor
) -> dict[str, Tensor]:
    """Predict a few images at a time; of pixels only the likeliest class is kept."""
    heads, model = run.facts["heads"], model.to(pick_device())
    found: dict[str, list[Tensor]] = {}
    dense = any(about["kind"] == "dense" for about in heads.values())
    for some in index.split(_TILES) if dense else [index]:
        for name, probs in predict_mean(model, views, normalize, index=some).items():
            kind = heads[name]["kind"]
            if kind == "dense":
                probs = probs.argmax(dim=1).to(torch.uint8)  # (n, H, W)
            elif kind == "multilabel":
                probs = probs[:, 1]  # (n, K)
            found.setdefault(name, []).append(probs)
    return {name: torch.cat(parts) for name, parts in found.items()}


def _metric(run: Run, name: str, predicted: Tensor, truth: Tensor) -> float:
    """Compute the main metric of a head."""
    about = run.facts["heads"][name]
    match about["kind"]:
        case "categorical":
            known = truth >= 0
            right = predicted.argmax(dim=1)[known] == truth[known]
            return float(right.double().mean())
        case "dense":
            return mean_iou(pixel_confusion(truth, predicted, about["num_classes"]))
        case "multilabel":
            present, said = truth > 0.5, predicted >= 0.5
            both = 2 * float((present & said).sum())
            return both / max(1.0, float(present.sum() + said.sum()))
        case _:
            return score_regression(predicted, truth).r2


def _write(run: Run, result: Evaluation) -> None:
    """Write evaluation.json; an existing one must agree with the result."""
    path, now = run.folder / "evaluation.json", plain(result.value)
    if not path.exists():
        write_text(path, json.dumps(result.to_dict(), indent=1))
        return
    written = read_json(path)
    if "value" not in written:
        raise WorkshopError(f"{path} holds no scores: delete it; evaluate again.")
    before = written["value"]
    nothing = None in (before, now)  # NaN, as JSON holds it
    same = before == now if nothing else abs(before - now) <= 0.005
    if not same:
        raise WorkshopError(
            f"{path} says {result.metric} {before}, now it is {now}: the images or the"
            " checkpoint have changed since. Train again in a new folder."
        )
