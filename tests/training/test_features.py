"""Training on the stored features of a frozen backbone."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from workshop_lib.augment.normalize import Normalize, to_float
from workshop_lib.augment.policies import get_policy
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.evaluate import evaluate
from workshop_lib.models.pretrained import Backbone
from workshop_lib.recipe import Recipe
from workshop_lib.training import features
from workshop_lib.training.loop import train
from workshop_lib.training.precision import Precision
from workshop_lib.training.views import CachedViews, ImageViews, model_inputs

CPU = torch.device("cpu")


class Means(nn.Module):
    """A backbone for tests: mean and spread of each colour."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean((2, 3)), x.std((2, 3))], dim=1)  # (B, 6)


@pytest.fixture
def looks(monkeypatch, tmp_path) -> list[str]:
    """Put the small backbone in the place of the big one; note how often it loads."""
    loaded: list[str] = []

    def load(name: str) -> Backbone:
        loaded.append(name)
        return Backbone(Means(), 6, (0.5,) * 3, (0.25,) * 3)

    monkeypatch.setattr(features, "pretrained_backbone", load)
    monkeypatch.setenv("WORKSHOP_CACHE", str(tmp_path / "cache"))
    return loaded


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    """Three classes that differ in colour, 20 images each."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(3).repeat_interleave(20)
    noise = torch.randint(0, 80, (60, 3, 32, 32), generator=generator)
    tint = 150 * torch.eye(3, dtype=torch.int64)[labels][:, :, None, None]
    return Scenes(
        images=(noise + tint).byte(),
        labels=labels,
        class_names=("red", "green", "blue"),
        names=tuple(f"{i:03d}.png" for i in range(60)),
    )


RECIPE = Recipe(
    features="efficientnet_lite0",
    feature_size=32,
    feature_views=2,
    model="linear",
    steps=60,
    eval_every=30,
    batch_size=6,
    lr=0.05,
    precision="fp32",
)


def test_the_same_images_give_the_same_features_whatever_format_is_faster_today(
    scenes, looks, monkeypatch
):
    auto = RECIPE.with_(precision="auto")
    found = []
    for name in ("bf16", "fp32"):
        faster = Precision(name, "cpu")
        monkeypatch.setattr(features, "choose_precision", lambda *_, f=faster: f)
        views = features.feature_views(auto, scenes.images, ["weak"], CPU)
        found.append(views["weak"])
    assert found[0].equal(found[1]) and len(looks) == 1


def test_views_are_computed_once_and_a_policy_more_costs_only_itself(scenes, looks):
    first = features.feature_views(RECIPE, scenes.images, ["none", "weak"], CPU)
    assert len(looks) == 1
    assert first["none"].shape == (1, 60, 6) and first["weak"].shape == (2, 60, 6)
    again = features.feature_views(RECIPE, scenes.images, ["none", "weak"], CPU)
    assert len(looks) == 1, "the second time nothing is computed"
    assert again["weak"].equal(first["weak"])
    both = features.feature_views(RECIPE, scenes.images, ["weak", "strong"], CPU)
    assert len(looks) == 2 and both["weak"].equal(first["weak"])
    assert not both["strong"][0].equal(both["strong"][1]), "each view is another one"


@pytest.mark.parametrize(
    "change", [{"feature_size": 48}, {"features": "resnet18"}], ids=str
)
def test_another_size_or_backbone_is_another_entry_of_the_cache(scenes, looks, change):
    features.feature_views(RECIPE, scenes.images, ["none"], CPU)
    features.feature_views(RECIPE.with_(**change), scenes.images, ["none"], CPU)
    assert len(looks) == 2


def test_a_changed_pixel_is_noticed(scenes, looks):
    features.feature_views(RECIPE, scenes.images, ["none"], CPU)
    changed = scenes.images.clone()
    changed[17, 1, 5, 5] += 1
    features.feature_views(RECIPE, changed, ["none"], CPU)
    assert len(looks) == 2


def test_stored_features_are_those_of_the_plain_images(scenes, looks):
    plain, *weak = model_inputs(RECIPE, scenes.images, CPU)
    x = (scenes.images.float() / 255 - 0.5) / 0.25
    assert plain.shape == (60, 6, 1, 1) and len(weak) == RECIPE.feature_views
    torch.testing.assert_close(plain[:, :, 0, 0], Means()(x), atol=2e-3, rtol=2e-3)


def plain(channels: int) -> Normalize:
    return Normalize(torch.zeros(channels), torch.ones(channels))


def test_a_draw_gives_each_image_one_of_its_own_stored_views(scenes, looks):
    views = CachedViews(RECIPE, scenes, ["weak"], CPU)
    index = torch.tensor([3, 3, 50, 7] * 10)
    generator = torch.Generator().manual_seed(0)
    as_it_is = plain(len(views.inputs[0][0]))
    drawn = views.draw(index, "weak", generator, as_it_is)[:, :, 0, 0]
    stored = views.features["weak"].float()  # (2, N, D)
    which = (drawn == stored[:, index]).all(dim=2)  # (2, 40)
    assert which.any(dim=0).all() and which.any(dim=1).all()
    with pytest.raises(WorkshopError, match="cached view"):
        views.draw(index, "strong", torch.Generator(), as_it_is)


def test_without_features_the_images_themselves_are_read(scenes):
    recipe = Recipe()
    assert model_inputs(recipe, scenes.images, CPU)[0] is scenes.images
    views = ImageViews(scenes, ["none"], CPU)
    drawn = views.draw(torch.tensor([4, 2]), "none", torch.Generator(), plain(3))
    torch.testing.assert_close(drawn, scenes.images[[4, 2]].float() / 255)


@pytest.mark.parametrize("is_rgb", [True, False])
@pytest.mark.parametrize("policy", ["weak", "strong", "contrastive", "none"])
def test_a_view_is_the_policy_s_normalised(scenes, monkeypatch, is_rgb, policy):
    """From the stored images piece by piece, as if in one go and step by step."""
    monkeypatch.setattr("workshop_lib.augment.per_image._PIECE", 3000)
    if not is_rgb:
        scenes = replace(scenes, images=scenes.images.float(), bands=("a", "b", "c"))
    index = torch.tensor([7, 3, 3, 50, 21])
    normalize = Normalize.fit(scenes.images)
    views = ImageViews(scenes, [policy], CPU)
    drawn = views.draw(index, policy, torch.Generator().manual_seed(2), normalize)
    images = to_float(scenes.images[index])
    change = get_policy(policy, scenes.is_rgb)
    expected = normalize(change(images, torch.Generator().manual_seed(2)))
    torch.testing.assert_close(drawn, expected, rtol=0, atol=1e-5)
    assert drawn.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("method", ["supervised", "fixmatch"])
@pytest.mark.parametrize("model", ["linear", "mlp-16"])
def test_a_head_learns_and_is_evaluated(scenes, looks, method, model, tmp_path: Path):
    split = Split.random(scenes, labels_per_class=2, seed=0)
    recipe = RECIPE.with_(method=method, model=model)
    run = train(recipe, scenes, split, folder=tmp_path, verbose=False)
    assert run.facts["in_channels"] == 6
    assert evaluate(run, scenes, split).scores.accuracy > 0.9
    assert len(looks) <= 1, "evaluating computes no feature again"


def test_reflectances_are_refused_with_the_way_out(scenes, looks):
    four = replace(
        scenes, images=torch.rand(60, 4, 32, 32), bands=("B02", "B03", "B04", "B08")
    )
    with pytest.raises(WorkshopError, match="train from pixels"):
        CachedViews(RECIPE, four, ["weak"], CPU)


@pytest.mark.parametrize(
    "knobs",
    [
        {"features": "efficientnet_lite0"},  # with a convolutional network
        {"model": "linear"},  # without features
        {"features": "efficientnet_lite0", "model": "linear", "feature_size": 8},
        {"feature_views": 0},
    ],
    ids=str,
)
def test_recipes_that_cannot_work_are_refused(knobs):
    with pytest.raises(WorkshopError):
        Recipe(**knobs)
