"""The test images: touched once, never for a run that was trained on them."""

import json
from dataclasses import replace

import pytest
import torch

from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.calibration import fit_temperature
from workshop_lib.evaluation.evaluate import evaluate, summary
from workshop_lib.evaluation.predictions import Predictions
from workshop_lib.ladder import CONTROLS, LADDER, ladder_recipe
from workshop_lib.models.predict import predict
from workshop_lib.recipe import Recipe
from workshop_lib.training.loop import train

SMALL = Recipe(size=8, steps=8, eval_every=4, batch_size=4, mu=2, precision="fp32")


@pytest.fixture
def scenes() -> Scenes:
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 3
    images = (
        torch.rand(60, 4, 8, 8, generator=g) * 0.2 + labels[:, None, None, None] * 0.2
    )
    return Scenes(
        images=images,
        labels=labels,
        class_names=("dark", "middle", "bright"),
        names=tuple(f"{k:02d}" for k in range(60)),
        bands=("B02", "B03", "B04", "B08"),
    )


@pytest.fixture
def split(scenes) -> Split:
    return Split.random(scenes, labels_per_class=3)


@pytest.fixture
def run(scenes, split, tmp_path):
    return train(SMALL, scenes, split, folder=tmp_path / "run", verbose=False)


def test_the_figure_is_that_of_the_best_averaged_weights(run, scenes, split):
    result = evaluate(run, scenes, split)
    model, normalize = run.load_model("best", "ema")
    probs = predict(model, normalize, scenes.images[split.test])
    right = (probs.argmax(1) == scenes.labels[split.test]).double().mean()
    assert result.scores.accuracy == pytest.approx(float(right))
    torch.testing.assert_close(result.probs, probs)
    saved = json.loads((run.folder / "evaluation.json").read_text())
    assert saved["scores"]["accuracy"] == result.scores.accuracy
    assert int(result.scores.support.sum()) == len(split.test)


def test_a_second_look_gives_the_same_or_complains(run, scenes, split):
    first = evaluate(run, scenes, split)
    assert evaluate(run, scenes, split).scores.accuracy == first.scores.accuracy
    path = run.folder / "evaluation.json"
    path.write_text(path.read_text().replace(f"{first.scores.accuracy}", "0.123"))
    with pytest.raises(WorkshopError, match="have changed since"):
        evaluate(run, scenes, split)
    path.write_text('{"accuracy": 0.5}')
    with pytest.raises(WorkshopError, match="holds no scores"):
        evaluate(run, scenes, split)
    other = replace(scenes, images=scenes.images.flip(0))
    with pytest.raises(WorkshopError, match="other images"):
        evaluate(run, other, split)


def test_all_four_sets_of_weights_are_shown(run, scenes, split):
    result = evaluate(run, scenes, split)
    truth = scenes.labels[split.test]
    found = {(one.which, one.weights): one for one in result.checkpoints}
    assert len(found) == 4
    log = run.log.set_index("step")
    for (which, weights), one in found.items():
        model, normalize = run.load_model(which, weights)
        probs = predict(model, normalize, scenes.images[split.test])
        right = (probs.argmax(1) == truth).double().mean()
        assert one.test_accuracy == pytest.approx(float(right))
        column = "val_accuracy" if weights == "ema" else "val_accuracy_online"
        assert one.val_accuracy == log.loc[one.step, column]
    assert found["last", "ema"].step == 8
    assert found["best", "ema"].val_accuracy == run.log["val_accuracy"].max()
    assert found["best", "ema"].test_accuracy == result.scores.accuracy


def test_the_temperature_comes_from_validation_alone(run, scenes, split):
    result = evaluate(run, scenes, split)
    model, normalize = run.load_model()
    val = predict(model, normalize, scenes.images[split.val])
    expected = fit_temperature(val, scenes.labels[split.val])
    assert result.calibration.temperature == pytest.approx(expected)
    assert result.calibration.before.count.sum() == len(split.test)
    saved = json.loads((run.folder / "evaluation.json").read_text())
    assert saved == json.loads(json.dumps(result.to_dict()))
    assert saved["calibration"]["ece"] == result.calibration.before.ece
    assert saved["intervals"]["accuracy"] == list(result.scores.interval())
    assert len(saved["checkpoints"]) == 4


def test_what_was_predicted_is_kept_image_by_image(run, scenes, split):
    result = evaluate(run, scenes, split)
    kept = Predictions.load(run.folder / "predictions.npz")
    assert kept.names == tuple(scenes.names[i] for i in split.test.tolist())
    assert torch.equal(kept.probs, result.probs)
    assert torch.equal(kept.truth, scenes.labels[split.test])
    assert kept.class_names == scenes.class_names
    assert float(kept.right.double().mean()) == result.scores.accuracy
    assert not list(run.folder.glob("*.tmp"))


def test_an_evaluation_of_an_older_version_is_completed(run, scenes, split):
    now = evaluate(run, scenes, split).to_dict()
    path = run.folder / "evaluation.json"
    old = {"weights": now["weights"], "last_accuracy": 0.5, "scores": now["scores"]}
    path.write_text(json.dumps(old))
    (run.folder / "predictions.npz").unlink()
    evaluate(run, scenes, split)
    assert json.loads(path.read_text()) == json.loads(json.dumps(now))
    assert (run.folder / "predictions.npz").exists()


def test_training_anew_forgets_the_old_evaluation(run, scenes, split):
    evaluate(run, scenes, split)
    train(SMALL, scenes, split, folder=run.folder, resume=False, verbose=False)
    assert not (run.folder / "evaluation.json").exists()
    assert not (run.folder / "predictions.npz").exists()


def test_the_summary_says_it_all(run, scenes, split):
    text = summary(evaluate(run, scenes, split))
    for words in ("recall", "middle", "95 % interval", "kappa", "top-3", "ECE"):
        assert words in text
    for row in ("best, averaged", "best, online", "last, averaged", "last, online"):
        assert text.count(row) == 1
    assert "temperature" in text


def test_another_split_other_bands_or_classes_are_refused(run, scenes, split):
    with pytest.raises(WorkshopError, match="another split"):
        evaluate(run, scenes, Split.random(scenes, labels_per_class=3, seed=9))
    with pytest.raises(WorkshopError, match="bands"):
        evaluate(run, replace(scenes, bands=("a", "b", "c", "d")), split)
    with pytest.raises(WorkshopError, match="class_names"):
        evaluate(run, replace(scenes, class_names=("x", "y", "z")), split)
    assert not (run.folder / "evaluation.json").exists()


def test_every_rung_takes_the_same_number_of_steps_on_the_same_split():
    base = Recipe(steps=123, split_seed=4)
    for name in (*LADDER, *CONTROLS):
        recipe = ladder_recipe(name, base)
        assert recipe.steps == 123
        assert recipe.split_seed == 4
    few = [n for n in (*LADDER, *CONTROLS) if n != "supervised_all"]
    assert all(ladder_recipe(name, base).labels_per_class == 4 for name in few)
    assert ladder_recipe("fixmatch_labelled_only", base).pool == "labeled"
    paper = ladder_recipe("fixmatch_paper", base)
    assert (paper.threshold, paper.alignment) == (0.95, False)
    with pytest.raises(WorkshopError, match="Did you mean 'fixmatch'"):
        ladder_recipe("fixmach", base)
