"""Every method on every head, several sensors with gaps: learned, resumed, reopened."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.tiny import (
    compare,
    parts,
    quietly,
    short,
    tiny,
    until_first_validation,
)
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.samples import sample_of
from workshop_lib.errors import WorkshopError
from workshop_lib.methods import METHODS
from workshop_lib.training.run import Run

HEADS = {
    "scene": (("scene",), "small_cnn", False),
    "maps": (("cover",), "unet-4", False),
    "several labels": (("scene",), "small_cnn", True),
    "a number": (("elevation",), "small_cnn", False),
    "three heads": (("scene", "cover", "elevation"), "unet-small_cnn", False),
}
CONTRASTIVE = ("comatch", "ccssl", "ccssl_comatch")
SENSORS = short(
    sensors=("s2", "s1"), metadata=("date",), fusion="late", modality_dropout=0.3
)


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("method", METHODS)
def test_method_trains_head(method: str, kind: str, tmp_path: Path) -> None:
    heads, encoder, several = HEADS[kind]
    scenes = tiny(several=several)
    config = short(method=method, heads=heads, encoder=encoder)
    if method in CONTRASTIVE and kind not in ("scene", "three heads"):
        with pytest.raises(WorkshopError, match="use FixMatch or one of its relatives"):
            quietly(tmp_path, config, scenes)
        return
    if method in CONTRASTIVE and kind == "three heads":
        pytest.skip("a contrastive view has no pixels to compare")
    run = quietly(tmp_path, config, scenes)
    assert list(run.log["step"]) == [3, 6]
    assert run.log["loss"].notna().all()
    model, normalize = run.load_model()
    with torch.no_grad():
        out = model(normalize({"s2": scenes.images[:2]}))
    assert set(out) - {"projection"} == set(heads)
    assert all(values.isfinite().all() for values in out.values())


@pytest.mark.parametrize("method", METHODS)
def test_a_run_resumes_bit_for_bit(method: str, tmp_path: Path) -> None:
    config = short(method=method)
    quietly(tmp_path / "whole", config)
    until_first_validation(tmp_path / "cut", config)
    quietly(tmp_path / "cut", config)
    assert compare(tmp_path / "whole", tmp_path / "cut") == []


@pytest.fixture(scope="module")
def scenes() -> Dataset:
    """Images of which every seventh lacks radar and every ninth its date."""
    found = tiny()
    has, day = torch.ones(len(found)), found.metadata["day_of_year"].clone()
    has[::7], day[::9] = 0, math.nan
    facts = {**found.metadata, "has_s1": has, "day_of_year": day}
    return replace(found, metadata=facts)


@pytest.mark.parametrize("fusion", ["early", "middle", "late", "shared"])
def test_interrupted_with_gaps_it_ends_the_same_and_opens_again(
    scenes, tmp_path, fusion
):
    config = SENSORS.replace(fusion=fusion)
    quietly(tmp_path / "whole", config, scenes)
    until_first_validation(tmp_path / "cut", config, scenes)
    quietly(tmp_path / "cut", config, scenes)
    assert compare(tmp_path / "whole", tmp_path / "cut") == []
    run = Run.load(tmp_path / "cut")
    assert run.config == config
    model, normalize = run.load_model("last", "online")
    with torch.no_grad():
        sample = sample_of(scenes, ("s2", "s1"), ("date",))
        assert model(normalize(sample))["scene"].isfinite().all()


def test_statistics_are_those_of_the_training_part_and_any_sensor_may_be_missing(
    scenes, tmp_path
):
    model, normalize = quietly(tmp_path, SENSORS, scenes).load_model()
    there = parts(scenes).unlabeled
    there = there[scenes.metadata["has_s1"][there] > 0]
    radar = scenes.modalities["s1"][there].double()
    mean = normalize.state_dict()["bands.s1.mean"]
    torch.testing.assert_close(mean.flatten(), radar.mean((0, 2, 3)).float())
    sample = sample_of(scenes, ("s2", "s1"), ("date",))
    nothing = {k: torch.full_like(v[:3], math.nan) for k, v in sample.items()}
    with torch.no_grad():
        gaps = model(normalize(nothing))["scene"]
        absent = model(normalize({"s2": nothing["s2"]}))["scene"]
    assert gaps.isfinite().all() and torch.equal(gaps[0], gaps[1])
    assert absent.isfinite().all()
