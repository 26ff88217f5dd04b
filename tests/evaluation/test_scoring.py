"""Scores of runs on the test images, for every kind of head."""

from pathlib import Path

import pytest
import torch

from tests.training.tiny import parts, short, tiny
from workshop_lib.commands.training import _headline as headline
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.predictions import Predictions
from workshop_lib.evaluation.scoring import evaluate
from workshop_lib.files import read_json, write_text
from workshop_lib.training.loop import train

KINDS = {
    "categorical": (("scene",), "small_cnn", False, "accuracy"),
    "dense": (("cover",), "unet-4", False, "miou"),
    "multilabel": (("scene",), "small_cnn", True, "f1_micro"),
    "regression": (("elevation",), "small_cnn", False, "r2"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_head_is_scored_once(kind: str, tmp_path: Path) -> None:
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


def test_other_heads_are_scored_beside_the_main_one(tmp_path: Path) -> None:
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


def test_other_data_than_the_runs_are_refused(tmp_path: Path) -> None:
    scenes = tiny()
    split = parts(scenes)
    run = train(short(), scenes, split, folder=tmp_path / "run", verbose=False)
    with pytest.raises(WorkshopError, match="trained on other images"):
        evaluate(run, tiny(seed=1), split)
    moved = type(split)(split.labeled, split.unlabeled, split.test, split.val, seed=1)
    with pytest.raises(WorkshopError, match="another split"):
        evaluate(run, scenes, moved)
