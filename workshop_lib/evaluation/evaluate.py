"""The one time that the test images are touched."""

__all__ = ["Evaluation", "evaluate"]

import json
from dataclasses import dataclass

import torch
from torch import Tensor

from workshop_lib.data.scenes import Scenes
from workshop_lib.data.splits import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.metrics import Scores, score
from workshop_lib.files import read_json, write_text
from workshop_lib.models.predict import predict
from workshop_lib.session import pick_device
from workshop_lib.training.run import Run, run_identity


@dataclass(frozen=True)
class Evaluation:
    """Test scores of a run, and the probabilities that they were computed from.

    `scores` belongs to the averaged weights that were best on validation: the figure
    to report. `last_accuracy` is that of the last step, for comparison only: to choose
    between the two by their test figures would be choosing on the test images.
    """

    scores: Scores
    last_accuracy: float
    probs: Tensor  # (number of test images, K)


def evaluate(run: Run, scenes: Scenes, split: Split) -> Evaluation:
    """Score a run on the test images, and write the figure beside it.

    The figure in `evaluation.json` is written once; a later call predicts again (the
    galleries need the probabilities) and checks that nothing has changed.

    Raises:
        WorkshopError: the run was trained on other classes, bands or another split, or
            the figures differ from those written before.
    """
    _check_fits(run, scenes, split)
    images, truth = scenes.images[split.test], scenes.labels[split.test]
    probs = {}
    for which in ("best", "last"):
        model, normalize = run.load_model("best" if which == "best" else "last")
        probs[which] = predict(model.to(pick_device()), normalize, images)
    scores = score(probs["best"], truth, scenes.class_names)
    last = float((probs["last"].argmax(1) == truth).double().mean())
    path = run.folder / "evaluation.json"
    if path.exists():
        before = read_json(path)["scores"]["accuracy"]
        if abs(before - scores.accuracy) > 0.005:
            raise WorkshopError(
                f"{path} says {before:.4f}, now it is {scores.accuracy:.4f}: the images"
                " or the checkpoint have changed since. Train again in a new folder."
            )
    else:
        content = {"weights": "best by validation, averaged", "last_accuracy": last}
        write_text(path, json.dumps({**content, "scores": scores.to_dict()}, indent=1))
    return Evaluation(scores, last, probs["best"])


def _check_fits(run: Run, scenes: Scenes, split: Split) -> None:
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
