"""Several sensors and metadata through a whole training: gaps, resumed, reopened."""

import math
from dataclasses import replace

import pytest
import torch

from tests.training.tiny import parts, short, tiny
from workshop_lib.data.dataset import sample_of
from workshop_lib.data.scenes import Scenes
from workshop_lib.training.loop import train
from workshop_lib.training.run import Run

CONFIG = short(
    sensors=("s2", "s1"), metadata=("date",), fusion="late", modality_dropout=0.3
)


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    """Images of which every seventh lacks radar and every ninth its date."""
    found = tiny()
    has, day = torch.ones(len(found)), found.metadata["day_of_year"].clone()
    has[::7], day[::9] = 0, math.nan
    facts = {**found.metadata, "has_s1": has, "day_of_year": day}
    return replace(found, metadata=facts)


def run_in(folder, scenes, config=CONFIG, **more) -> Run:
    where = {"folder": folder, "verbose": False}
    return train(config, scenes, parts(scenes), **where, **more)


@pytest.mark.parametrize("fusion", ["early", "middle", "late", "shared"])
def test_interrupted_with_gaps_it_ends_the_same_and_opens_again(
    scenes, tmp_path, fusion
):
    config = CONFIG.replace(fusion=fusion)
    whole = run_in(tmp_path / "whole", scenes, config)

    def stop(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_in(tmp_path / "cut", scenes, config, on_log=stop)
    run_in(tmp_path / "cut", scenes, config)
    found = []
    sample = sample_of(scenes, ("s2", "s1"), ("date",))
    for folder in (whole.folder, tmp_path / "cut"):
        run = Run.load(folder)
        assert run.config == config
        model, normalize = run.load_model("last", "online")
        with torch.no_grad():
            scores = model(normalize(sample))["scene"]
        assert scores.isfinite().all()
        state = [*model.state_dict().values(), *normalize.state_dict().values()]
        found.append([scores, *state])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_the_statistics_are_those_of_the_training_part_and_of_what_is_there(
    scenes, tmp_path
):
    _, normalize = run_in(tmp_path, scenes).load_model()
    there = parts(scenes).unlabeled
    there = there[scenes.metadata["has_s1"][there] > 0]
    radar = scenes.modalities["s1"][there].double()
    mean = normalize.state_dict()["bands.s1.mean"]
    torch.testing.assert_close(mean.flatten(), radar.mean((0, 2, 3)).float())


def test_every_sensor_may_be_missing_at_prediction(scenes, tmp_path):
    model, normalize = run_in(tmp_path, scenes).load_model()
    sample = sample_of(scenes, ("s2", "s1"), ("date",))
    nothing = {k: torch.full_like(v[:3], math.nan) for k, v in sample.items()}
    with torch.no_grad():
        gaps = model(normalize(nothing))["scene"]
        absent = model(normalize({"s2": nothing["s2"]}))["scene"]
    assert gaps.isfinite().all() and torch.equal(gaps[0], gaps[1])
    assert absent.isfinite().all()
