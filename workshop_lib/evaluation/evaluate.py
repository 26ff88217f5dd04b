"""The scores of a run on the test images, computed once."""

__all__ = ["CheckpointScores", "Evaluation", "check_fits", "evaluate", "summary"]

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd
import torch
from torch import Tensor

from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.calibration import Calibration, calibrate
from workshop_lib.evaluation.metrics import Scores, plain, score
from workshop_lib.evaluation.predictions import Predictions
from workshop_lib.evaluation.statistics import score_intervals
from workshop_lib.files import read_json, write_text
from workshop_lib.models.predict import predict_mean
from workshop_lib.session import pick_device
from workshop_lib.training.checkpoint import load_checkpoint
from workshop_lib.training.run import Run, run_identity
from workshop_lib.training.views import model_inputs

Which = Literal["best", "last"]  # checkpoint: best by validation, or the last step
Weights = Literal["ema", "online"]  # averaged, or as the optimiser left them
_WEIGHTS = {"ema": "averaged", "online": "online"}


@dataclass(frozen=True)
class CheckpointScores:
    """The accuracy of one of the four sets of weights that a run ends with."""

    which: Which
    weights: Weights
    step: int
    val_accuracy: float  # as in the log
    test_accuracy: float


@dataclass(frozen=True)
class Evaluation:
    """Test scores of a run, and the probabilities that they were computed from.

    `scores`, `probs` and `calibration` belong to the averaged weights that were best on
    validation: the figures to report. `checkpoints` has these and the three other
    sets of weights, for information only: choosing among them by their test scores
    would be choosing on the test images.
    """

    scores: Scores
    probs: Tensor  # (number of test images, K)
    calibration: Calibration
    intervals: dict[str, tuple[float, float]]  # 95 %, over the test images
    checkpoints: tuple[CheckpointScores, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the content of `evaluation.json`: plain numbers and lists."""
        return {
            "weights": "best by validation, averaged",
            "scores": self.scores.to_dict(),
            "intervals": {k: [plain(v) for v in i] for k, i in self.intervals.items()},
            "calibration": self.calibration.to_dict(),
            "checkpoints": [
                {**asdict(r), "val_accuracy": plain(r.val_accuracy)}
                for r in self.checkpoints
            ],
        }


def evaluate(run: Run, scenes: Scenes, split: Split) -> Evaluation:
    """Score a run on the test images, and write the scores to its folder.

    `evaluation.json` is written once, with the predictions for each image in
    `predictions.npz` (see `Predictions`). A later call predicts again (the galleries
    need the probabilities) and checks that nothing has changed.

    Raises:
        WorkshopError: the run was trained on other classes, bands or another split, or
            the scores differ from those written before.
    """
    check_fits(run, scenes, split)
    truth = scenes.labels[split.test]
    inputs = model_inputs(run.recipe, scenes.images, pick_device())
    best, checkpoints = _score_checkpoints(run, inputs, split.test, truth)
    scores = score(best, truth, scenes.class_names)
    model, normalize = run.load_model()
    val = predict_mean(model.to(pick_device()), normalize, inputs, index=split.val)
    boot = score_intervals(scores)
    intervals = {name: (found.low, found.high) for name, found in boot.items()}
    # Wilson's holds up where all images are right, and a resample could not differ
    intervals["accuracy"] = scores.interval()
    result = Evaluation(
        scores,
        best,
        calibrate(val, scenes.labels[split.val], best, truth),
        intervals,
        checkpoints,
    )
    names = tuple(scenes.names[i] for i in split.test.tolist())
    source = Path(run.recipe.data).name
    _write(run, result, Predictions(names, truth, best, scores.class_names, source))
    return result


def summary(result: Evaluation) -> str:
    """Format scores per class and overall, calibration and all weights as text."""
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
    confidence, accuracy = found.before.means()
    return (
        f"confidence {confidence:.3f} on average, right {accuracy:.3f};"
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
        for one in result.checkpoints
    ]
    table = pd.DataFrame(rows).round(3).to_string(index=False, na_rep="-")
    return (
        f"{table}\nThe first row is the figure to report: to choose by the test column"
        " is to choose on the test images."
    )


def _score_checkpoints(
    run: Run, views: list[Tensor], index: Tensor, truth: Tensor
) -> tuple[Tensor, tuple[CheckpointScores, ...]]:
    """Predict with best and last, averaged and online weights.

    Returns:
        The probabilities of the best averaged weights, (n, K), and all four scores.
    """
    log, found = run.log.set_index("step"), []
    probs: dict[tuple[int, str], Tensor] = {}  # best and last may be one checkpoint
    for which in get_args(Which):
        path = run.folder / f"{which}.pt"
        step = int(load_checkpoint(path, needs=("step",))["step"])
        for weights in get_args(Weights):
            if (step, weights) not in probs:
                model, normalize = run.load_model(which, weights)
                model = model.to(pick_device())
                probs[step, weights] = predict_mean(
                    model, normalize, views, index=index
                )
            column = "val_accuracy" if weights == "ema" else "val_accuracy_online"
            known = column in log.columns and step in log.index
            val = float(log.loc[step, column]) if known else math.nan
            right = probs[step, weights].argmax(dim=1) == truth
            test = float(right.double().mean())
            found.append(CheckpointScores(which, weights, step, val, test))
    return probs[found[0].step, "ema"], tuple(found)


def _write(run: Run, result: Evaluation, predictions: Predictions) -> None:
    """Write missing files; existing ones must agree with the result."""
    path, now = run.folder / "evaluation.json", result.scores.accuracy
    written = read_json(path) if path.exists() else {}
    if written:
        before = written.get("scores", {}).get("accuracy")
        if before is None:
            raise WorkshopError(f"{path} holds no scores: delete it; evaluate again.")
        if abs(before - now) > 0.005:
            raise WorkshopError(
                f"{path} says {before:.4f}, now it is {now:.4f}: the images"
                " or the checkpoint have changed since. Train again in a new folder."
            )
    if not (run.folder / "predictions.npz").exists():
        predictions.save(run.folder / "predictions.npz")
    # No file yet, or one from an older version
    if not {"calibration", "intervals", "checkpoints"} <= set(written):
        write_text(path, json.dumps(result.to_dict(), indent=1))


def check_fits(run: Run, scenes: Scenes, split: Split) -> None:
    """Check that a run was trained on these images, classes and split.

    Raises:
        WorkshopError: what differs, and what to give instead.
    """
    run.check_task("classify", "score its maps with `workshop evaluate`")
    for name in ("class_names", "bands"):
        trained, given = tuple(run.facts[name]), tuple(getattr(scenes, name))
        if trained != given:
            raise WorkshopError(
                f"{run.folder} was trained with {name} {trained}, these images have"
                f" {given}: give the data that the run was trained on."
            )
    then, now = read_json(run.folder / "identity.json"), run_identity(scenes, split)
    if then.get("split") != now["split"]:
        raise WorkshopError(
            f"{run.folder} was trained on another split: what is test here may have"
            " been training there. Use the split saved in its folder (Split.load)."
        )
    if then.get("images") != now["images"]:
        raise WorkshopError(
            f"{run.folder} was trained on other images: give the data, bands and size"
            " that it was trained on."
        )
    if torch.isin(split.test, split.unlabeled).any():
        raise WorkshopError("test images are among the training images: split again.")
