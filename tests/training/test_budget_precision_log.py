"""Precision and log: choices that are told, rows that are means."""

import time

import pytest
import torch

from workshop_lib.errors import WorkshopError
from workshop_lib.recipe import PRESETS, Recipe, preset
from workshop_lib.training import log
from workshop_lib.training.log import RunningMeans
from workshop_lib.training.precision import choose_precision

CPU = torch.device("cpu")


def test_bf16_runs_and_keeps_losses_in_float32():
    from workshop_lib.methods import Batch, FixMatch
    from workshop_lib.models import build_model

    torch.manual_seed(0)
    model = build_model("small_cnn", in_channels=4, num_classes=3)
    method = FixMatch(num_classes=3, threshold=0.0)
    views = tuple(torch.rand(6, 4, 16, 16) for _ in range(2))
    batch = Batch((torch.rand(3, 4, 16, 16),), torch.tensor([0, 1, 2]), views)
    with choose_precision("bf16", CPU).autocast():
        terms = method(model, batch)
    assert terms.total.dtype == torch.float32
    terms.total.backward()
    assert all(p.grad is not None for p in model.parameters())


def test_running_means_average_over_the_steps_since_the_last_row():
    means = RunningMeans()
    for loss in (1.0, 3.0):
        means.add({"loss": torch.tensor(loss)})
    assert means.flush() == {"loss": 2.0}
    means.add({"loss": torch.tensor(5.0)})
    assert means.flush() == {"loss": 5.0}


def test_a_bar_only_where_somebody_watches(monkeypatch, capsys):
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(log.sys.stderr, "isatty", lambda: True, raising=False)
    assert log.someone_watches()
    bar = log.ProgressLog(total=10, start=0, label="fixmatch", verbose=True)
    for _ in range(10):
        bar.tick()
        time.sleep(0.06)
    bar.close()
    assert "fixmatch" in capsys.readouterr().err
    monkeypatch.setenv("CI", "true")
    assert not log.someone_watches()


def test_presets_come_from_one_variable(monkeypatch):
    monkeypatch.delenv("WORKSHOP_PRESET", raising=False)
    assert preset() == Recipe()
    monkeypatch.setenv("WORKSHOP_PRESET", "ci")
    assert preset().steps == PRESETS["ci"]["steps"]
    assert preset("home").model == "wrn-28-2"
    with pytest.raises(WorkshopError, match="known are ci, class, features, home"):
        preset("weekend")


def test_recipes_survive_json_and_refuse_unknown_knobs():
    recipe = Recipe(lr=0.1, method="supervised")
    assert Recipe.from_json(recipe.to_json()) == recipe
    with pytest.raises(WorkshopError, match="Did you mean 'threshold'"):
        recipe.with_(treshold=0.9)
    for wrong in ({"steps": 0}, {"threshold": 1.2}, {"labels_per_class": -1}):
        with pytest.raises(WorkshopError):
            recipe.with_(**wrong)
