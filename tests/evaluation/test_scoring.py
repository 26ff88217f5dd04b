"""Scores of runs on the test images, for every kind of head; their text and tables."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.training.tiny import parts, short, tiny
from workshop_lib.commands.training import _headline as headline
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.calibration import calibrate
from workshop_lib.evaluation.head_metrics import score_multilabel, score_regression
from workshop_lib.evaluation.metrics import score, scores_from_confusion
from workshop_lib.evaluation.predictions import Predictions
from workshop_lib.evaluation.scoring import CheckpointScores, Evaluation, evaluate
from workshop_lib.files import read_json, write_text
from workshop_lib.training.loop import train

KINDS = {
    "categorical": (("scene",), "small_cnn", False, "accuracy"),
    "dense": (("cover",), "unet-4", False, "miou"),
    "multilabel": (("scene",), "small_cnn", True, "f1_micro"),
    "regression": (("elevation",), "small_cnn", False, "r2"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_head_is_scored_once(kind, tmp_path):
    heads, encoder, several, metric = KINDS[kind]
    scenes = tiny(several=several)
    config = short(method="supervised", heads=heads, encoder=encoder, steps=30)
    split = parts(scenes)
    run = train(config, scenes, split, folder=tmp_path / "run", verbose=False)
    result = evaluate(run, scenes, split)
    assert (result.kind, result.metric) == (kind, metric)
    assert len(result.predicted) == len(split.test)
    assert [(c.which, c.weights) for c in result.checkpoints] == [
        ("best", "ema"), ("best", "online"), ("last", "ema"), ("last", "online"),
    ]  # fmt: skip
    best = run.log.set_index("step").loc[result.checkpoints[0].step]
    assert result.checkpoints[0].val == pytest.approx(best[f"val_{metric}"])
    written = read_json(run.folder / "evaluation.json")
    assert written["value"] == pytest.approx(result.value)
    if kind == "categorical":
        kept = Predictions.load(run.folder / "predictions.npz")
        assert torch.equal(kept.truth, scenes.labels[split.test])
        assert result.value == pytest.approx(float(kept.right.double().mean()))
    again = evaluate(run, scenes, split)
    assert torch.equal(again.predicted, result.predicted)
    write_text(run.folder / "evaluation.json", '{"value": -9.0}')
    with pytest.raises(WorkshopError, match="have changed since"):
        evaluate(run, scenes, split)


def test_other_heads_are_scored_beside_the_main_one(tmp_path):
    scenes = tiny()
    split = parts(scenes)
    config = short(
        method="supervised", heads=("scene", "cover", "elevation"),
        encoder="unet-small_cnn",
    )  # fmt: skip
    run = train(config, scenes, split, folder=tmp_path / "run", verbose=False)
    others = evaluate(run, scenes, split).others
    assert read_json(run.folder / "evaluation.json")["others"] == others
    model, normalize = run.load_model()
    with torch.no_grad():
        out = model(normalize({"s2": scenes.images[split.test]}))
    truth, found = scenes.masks[split.test], out["cover"].argmax(1)
    rates, right = [], (found == truth).sum() / (truth != 255).sum()
    for k in range(3):
        both = ((found == k) & (truth == k)).sum()
        either = ((found == k) | (truth == k)) & (truth != 255)
        rates.append(float(both / either.sum()))
    assert others["cover"]["mean IoU"] == pytest.approx(sum(rates) / 3, rel=1e-5)
    assert others["cover"]["accuracy"] == pytest.approx(float(right), rel=1e-5)
    height = scenes.metadata["elevation"][split.test]
    error = (out["elevation"] - height)[~height.isnan()]
    assert others["elevation"]["MAE"] == pytest.approx(float(error.abs().mean()))
    spread = height[~height.isnan()].var(correction=0)
    r2 = 1 - float(error.square().mean() / spread)
    assert others["elevation"]["R²"] == pytest.approx(r2, rel=1e-4)
    assert "; cover: mean IoU" in headline(evaluate(run, scenes, split))


def test_other_data_than_the_runs_are_refused(tmp_path):
    scenes = tiny()
    split = parts(scenes)
    run = train(short(), scenes, split, folder=tmp_path / "run", verbose=False)
    with pytest.raises(WorkshopError, match="trained on other images"):
        evaluate(run, tiny(seed=1), split)
    moved = type(split)(split.labeled, split.unlabeled, split.test, split.val, seed=1)
    with pytest.raises(WorkshopError, match="another split"):
        evaluate(run, scenes, moved)


CLASSES = ("lake", "river", "swamp")  # no test image is "swamp"
FOUR = (
    CheckpointScores("best", "ema", 400, 0.7123, 0.6),
    CheckpointScores("best", "online", 400, 0.7, 0.6),
    CheckpointScores("last", "ema", 500, math.nan, 0.5),
    CheckpointScores("last", "online", 500, 0.5, 0.5),
)
TRUTH = torch.tensor([0, 0, 0, 1, 1])
PROBS = torch.tensor(
    [[0.9, 0.1, 0], [0.8, 0.2, 0], [0.3, 0.7, 0], [0.1, 0.9, 0], [0.2, 0.8, 0]]
)


def categorical() -> Evaluation:
    scores = score(PROBS, TRUTH, CLASSES, k=2)
    return Evaluation(
        "categorical", "accuracy", scores, PROBS, FOUR,
        intervals={"accuracy": (0.376, 0.964)},
        others={"cover": {"mean IoU": 0.25, "kappa": 0.5}},
        calibration=calibrate(PROBS, TRUTH, PROBS, TRUTH),
    )  # fmt: skip


def dense() -> Evaluation:
    counts = [[30, 10, 0], [0, 60, 0], [0, 0, 0]]
    scores = scores_from_confusion(counts, CLASSES)
    maps = torch.zeros(2, 7, 7, dtype=torch.uint8)
    return Evaluation(
        "dense", "miou", scores, maps, FOUR, beside_borders=0.75, inside=0.95
    )


def several() -> Evaluation:
    labels = torch.tensor([[1, 0, 0], [1, 1, 0]])
    probs = torch.tensor([[0.9, 0.2, 0.1], [0.8, 0.4, 0.6]])
    scores = score_multilabel(probs, labels, CLASSES)
    return Evaluation("multilabel", "f1_micro", scores, probs, FOUR)


def number() -> Evaluation:
    scores = score_regression(torch.tensor([1.0, 2, 4]), torch.tensor([1.0, 2, 3]))
    return Evaluation("regression", "r2", scores, torch.tensor([1.0, 2, 4]), FOUR)


def test_text_of_classes_has_every_figure():
    text = categorical().summary()
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    assert lines["lake"].split() == ["lake", "3", "0.667", "1.000", "0.8"]
    assert lines["swamp"].split() == ["swamp", "0", "-", "-", "-"]
    expected = "accuracy  0.800  (95 % interval over images 0.376 to 0.964)"
    assert lines["accuracy"] == expected
    assert lines["top-2"].split() == ["top-2", "1.000"]
    assert "confidence 0.820 on average, right 0.800" in text
    assert "cover: mean IoU 0.250, kappa 0.500" in text


@pytest.mark.parametrize(
    ("result", "columns", "overall"),
    [
        (
            categorical(),
            ["images", "recall", "precision", "F1"],
            {"accuracy": 0.8, "top-2": 1.0},
        ),
        (
            dense(),
            ["pixels", "recall", "precision", "F1", "IoU"],
            {"mean IoU": (30 / 40 + 60 / 70) / 2, "accuracy": 0.9, "inside": 0.95},
        ),
        (
            several(),
            ["images", "recall", "precision", "F1", "average precision"],
            {"micro F1": 2 / 3, "all labels right": 0.5, "Hamming loss": 1 / 3},
        ),
        (number(), [], {"R²": 0.5, "MAE": 1 / 3, "RMSE": 3**-0.5}),
    ],
)
def test_every_kind_of_head_has_its_scores(result, columns, overall):
    table = result.by_class()
    assert list(table.columns) == columns
    if columns:
        assert list(table.index) == list(CLASSES)
        assert np.isnan(table.loc["swamp", "recall"])
    found = result.overall()
    for name, value in overall.items():
        assert found[name] == pytest.approx(value)
    text = result.summary()
    for name, value in found.items():
        assert any(
            line.startswith(name) and f" {value:.3f}" in line
            for line in text.splitlines()
        )


@pytest.mark.parametrize("result", [categorical(), dense(), several(), number()])
def test_what_the_test_cannot_tell_is_said(result):
    n, kind = len(result.predicted), "pixels" if result.kind == "dense" else "images"
    assert f"{n} test images are few" in result.caution
    absent = f"no test {kind} of swamp: left out of means"
    assert (absent in result.caution) == (result.kind != "regression")
    if result.kind == "categorical":
        one = score(torch.rand(9, 3), torch.zeros(9, dtype=torch.int64), CLASSES)
        caution = replace(result, scores=one).caution
        assert "test images of one class only: no kappa, no means" in caution
    assert result.caution in result.summary()
    assert result.to_dict()["caution"] == result.caution


@pytest.mark.parametrize("result", [categorical(), dense(), several(), number()])
def test_all_four_checkpoints_are_named_with_their_steps(result):
    text = result.summary().splitlines()
    rows = [line.split() for line in text[-5:-1]]
    assert rows[0] == ["best,", "averaged", "400", "0.712", "0.6"]
    assert rows[2] == ["last,", "averaged", "500", "-", "0.5"]
    assert "choose on the test images" in text[-1]
