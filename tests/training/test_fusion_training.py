"""Fused inputs through a whole training: resumed, opened again, with gaps."""

import math
from dataclasses import replace

import pytest
import torch

from workshop_lib.augment.normalize import Normalize
from workshop_lib.data.load import describe_bands, describe_data, make_split
from workshop_lib.data.mini_eo import mini_eo
from workshop_lib.data.modalities import pack
from workshop_lib.data.scenes import Scenes
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.evaluate import evaluate
from workshop_lib.models.predict import predict
from workshop_lib.recipe import Recipe
from workshop_lib.training.loop import train
from workshop_lib.training.run import Run

RECIPE = Recipe(
    modalities=("s2", "s1", "season"),
    fusion="late",
    modality_dropout=0.3,
    steps=4,
    eval_every=2,
    batch_size=4,
    mu=2,
    precision="fp32",
)


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    """Patches of which every seventh lacks radar and every ninth its season."""
    found = mini_eo(200, seed=7)
    has, season = torch.ones(200), found.metadata["season"].clone()
    has[::7], season[::9] = 0, math.nan
    facts = {**found.metadata, "has_s1": has, "season": season}
    return pack(replace(found, metadata=facts), RECIPE.modalities)


def weights(run: Run) -> list[torch.Tensor]:
    model, normalize = run.load_model("last", "online")
    return [*model.state_dict().values(), *normalize.state_dict().values()]


@pytest.mark.parametrize("fusion", ["early", "late"])
def test_an_interrupted_training_ends_the_same_to_the_last_bit(
    scenes, tmp_path, fusion
):
    recipe = RECIPE.with_(fusion=fusion)
    split = make_split(recipe, scenes)
    whole = train(recipe, scenes, split, folder=tmp_path / "whole", verbose=False)

    def stop(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(
            recipe, scenes, split, folder=tmp_path / "cut", verbose=False, on_log=stop
        )
    cut = train(recipe, scenes, split, folder=tmp_path / "cut", verbose=False)
    assert all(
        torch.equal(a, b) for a, b in zip(weights(whole), weights(cut), strict=True)
    )


@pytest.mark.parametrize("fusion", ["early", "middle", "late", "shared"])
def test_a_run_with_gaps_is_trained_scored_and_opened_again(scenes, tmp_path, fusion):
    recipe = RECIPE.with_(fusion=fusion)
    split = make_split(recipe, scenes)
    run = train(recipe, scenes, split, folder=tmp_path, verbose=False)
    found = evaluate(run, scenes, split)
    assert found.probs.isfinite().all()
    opened = Run.load(tmp_path)
    assert opened.recipe == recipe and opened.recipe.modalities == recipe.modalities
    model, normalize = opened.load_model()
    again = predict(model, normalize, scenes.images, index=split.test)
    torch.testing.assert_close(again, found.probs)


def test_the_statistics_are_those_of_the_training_part_and_of_what_is_there(
    scenes, tmp_path
):
    split = make_split(RECIPE, scenes)
    run = train(RECIPE, scenes, split, folder=tmp_path, verbose=False)
    _, normalize = run.load_model()
    radar = scenes.images[split.unlabeled][:, 4:6]
    there = radar[~radar.isnan().flatten(1).any(1)].double()
    mean = there.mean((0, 2, 3)).float()
    torch.testing.assert_close(normalize.mean[4:6], mean)
    assert isinstance(normalize, Normalize) and (normalize.std > 0).all()


def test_every_sensor_may_be_missing_at_prediction(scenes, tmp_path):
    split = make_split(RECIPE, scenes)
    run = train(RECIPE, scenes, split, folder=tmp_path, verbose=False)
    model, normalize = run.load_model()
    nothing = torch.full_like(scenes.images[:3], math.nan)
    probs = predict(model, normalize, nothing)
    assert probs.isfinite().all() and torch.equal(probs[0], probs[1])


def test_a_recipe_says_its_channels_beforehand():
    bands = describe_bands(RECIPE)
    assert bands[-3:] == ("s1:VV", "s1:VH", "season=summer") and len(bands) == 7
    assert describe_data(RECIPE)[1] == 7
    assert describe_bands(Recipe()) == ()


def test_recipes_that_make_no_sense_are_refused():
    with pytest.raises(WorkshopError, match="features"):
        RECIPE.with_(features="resnet18", model="linear")
    with pytest.raises(WorkshopError, match="modality_dropout=1"):
        RECIPE.with_(modality_dropout=1)
    with pytest.raises(WorkshopError, match="'cover'"):
        RECIPE.with_(task="segment", model="unet-8", modalities=("s2", "cover"))
    assert Recipe.from_json(RECIPE.to_json()) == RECIPE
