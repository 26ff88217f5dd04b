"""The one time that the test images are touched."""

__all__ = ["Evaluation", "CheckpointScores", "check_fits", "evaluate"]

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

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
Weights = Literal["ema", "online"]  # averaged, or those that the optimiser moved


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
    validation: the figures to report. `reached` shows these and the three other sets of
    weights side by side, to look at only: to choose among them by their test figures
    would be choosing on the test images.
    """

    scores: Scores
    probs: Tensor  # (number of test images, K)
    calibration: Calibration
    intervals: dict[str, tuple[float, float]]  # 95 %, over the test images
    reached: tuple[CheckpointScores, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give what `evaluation.json` holds: plain numbers and lists."""
        return {
            "weights": "best by validation, averaged",
            "scores": self.scores.to_dict(),
            "intervals": {k: [plain(v) for v in i] for k, i in self.intervals.items()},
            "calibration": self.calibration.to_dict(),
            "reached": [
                {**asdict(r), "val_accuracy": plain(r.val_accuracy)}
                for r in self.reached
            ],
        }


def evaluate(run: Run, scenes: Scenes, split: Split) -> Evaluation:
    """Score a run on the test images, and write the figures beside it.

    The figures in `evaluation.json` are written once, with what was predicted for each
    image in `predictions.npz` (see `Predictions`). A later call predicts again (the
    galleries need the probabilities) and checks that nothing has changed.

    Raises:
        WorkshopError: the run was trained on other classes, bands or another split, or
            the figures differ from those written before.
    """
    check_fits(run, scenes, split)
    truth = scenes.labels[split.test]
    inputs = model_inputs(run.recipe, scenes.images, pick_device())
    probs = _probabilities(run, inputs, split.test)
    best = probs["best", "ema"]
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
        _reached(run, probs, truth),
    )
    names = tuple(scenes.names[i] for i in split.test.tolist())
    source = Path(run.recipe.data).name
    _write(run, result, Predictions(names, truth, best, scores.class_names, source))
    return result


def _probabilities(
    run: Run, views: list[Tensor], index: Tensor
) -> dict[tuple[str, str], Tensor]:
    """Predict with the best and the last, the averaged and the online weights."""
    probs: dict[tuple[str, str], Tensor] = {}
    same = _step(run, "best") == _step(run, "last")
    for which in get_args(Which):
        for weights in get_args(Weights):
            if which == "last" and same:  # one checkpoint under two names
                probs[which, weights] = probs["best", weights]
                continue
            model, normalize = run.load_model(which, weights)
            found = predict_mean(model.to(pick_device()), normalize, views, index=index)
            probs[which, weights] = found
    return probs


def _reached(
    run: Run, probs: dict[tuple[str, str], Tensor], truth: Tensor
) -> tuple[CheckpointScores, ...]:
    log = run.log.set_index("step")
    found = []
    for which in get_args(Which):
        for weights in get_args(Weights):
            step = _step(run, which)
            column = "val_accuracy" if weights == "ema" else "val_accuracy_online"
            right = probs[which, weights].argmax(dim=1) == truth
            test = float(right.double().mean())
            known = column in log.columns and step in log.index
            val = float(log.loc[step, column]) if known else math.nan
            found.append(CheckpointScores(which, weights, step, val, test))
    return tuple(found)


def _step(run: Run, which: str) -> int:
    return int(load_checkpoint(run.folder / f"{which}.pt", needs=("step",))["step"])


def _write(run: Run, result: Evaluation, predictions: Predictions) -> None:
    """Write what is not there yet; what is there must say the same."""
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
    if not {"calibration", "intervals", "reached"} <= set(
        written
    ):  # none, or an old one
        write_text(path, json.dumps(result.to_dict(), indent=1))


def check_fits(run: Run, scenes: Scenes, split: Split) -> None:
    """Refuse images, classes or a split other than those that a run was trained on.

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
