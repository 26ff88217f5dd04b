"""Predictions: right numbers, no trace left on the model."""

import math

import pytest
import torch

from tests.models.common import COVER, SCENE, fused, sample, single
from workshop_lib.augment.normalize import Normalize
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation import inference
from workshop_lib.evaluation.inference import embed, predict, predict_mean
from workshop_lib.models import HeadSpec
from workshop_lib.sample import images_at_a_time


@pytest.fixture
def stored():
    generator = torch.Generator().manual_seed(1)
    shape = (7, 3, 9, 12)
    return {"rgb": torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)}


@pytest.fixture
def normalize(stored):
    return Normalize.fit(stored)


@pytest.fixture
def model():
    found = single("small_cnn")
    for part in found.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_()  # so that evaluation differs from training
    return found


def test_equals_the_plain_formula(model, stored, normalize):
    probs = predict(model, stored, normalize)["scene"]
    images = stored["rgb"].float() / 255
    mean, std = images.mean((0, 2, 3)), images.std((0, 2, 3), correction=0)
    x = (images - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    model.eval()
    with torch.no_grad():
        expected = model({"rgb": x})["scene"].softmax(1)
    torch.testing.assert_close(probs, expected, rtol=1e-4, atol=1e-5)
    assert probs.dtype == torch.float32 and probs.device.type == "cpu"
    torch.testing.assert_close(probs.sum(1), torch.ones(7))


@pytest.mark.parametrize("size", [1, 3, 7])
def test_the_size_of_batches_changes_nothing(
    model, stored, normalize, size, monkeypatch
):
    expected = predict(model, stored, normalize)["scene"]
    monkeypatch.setattr(inference, "images_at_a_time", lambda sensors: size)
    found = predict(model, stored, normalize)["scene"]
    torch.testing.assert_close(found, expected)


def test_each_module_gets_its_mode_back(model, stored, normalize):
    model.train().freeze(1)
    frozen = model.encoder.backbone.stages[0]
    before = {k: v.clone() for k, v in model.state_dict().items()}
    predict(model, stored, normalize)
    with pytest.raises(WorkshopError):  # five channels into a network for three
        predict(model, {"rgb": torch.rand(2, 5, 8, 8)}, lambda x: x)
    assert model.training and model.heads.training and not frozen.training
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_every_head_answers_in_its_form(monkeypatch):
    monkeypatch.setattr(inference, "images_at_a_time", lambda sensors: 2)
    heads = {
        **SCENE,
        **COVER,
        "tags": HeadSpec("multilabel", 4),
        "height": HeadSpec("regression"),
    }
    model = fused("unet-4", heads)
    x = sample(5)
    x["s1"][1] = math.nan
    found = predict(model, x, lambda batch: batch)
    shapes = {name: tuple(values.shape) for name, values in found.items()}
    assert shapes == {
        "scene": (5, 5),
        "cover": (5, 3, 16, 16),
        "tags": (5, 2, 4),
        "height": (5,),
    }
    for name in ("scene", "cover", "tags"):
        torch.testing.assert_close(
            found[name].sum(1), torch.ones_like(found[name].sum(1))
        )
    assert all(v.dtype == torch.float32 for v in found.values())


def test_an_index_gives_what_a_copy_of_these_images_gives(model, stored, normalize):
    index = torch.tensor([5, 0, 6])
    some = predict(model, stored, normalize, index=index)["scene"]
    copied = {"rgb": stored["rgb"][index]}
    again = predict(model, copied, normalize)["scene"]
    assert torch.equal(some, again)
    with pytest.raises(WorkshopError, match="at least one"):
        predict(model, stored, normalize, index=index[:0])


def test_the_mean_of_views(model, stored, normalize):
    flipped = {"rgb": stored["rgb"].flip(-1)}
    one, two = (predict(model, v, normalize)["scene"] for v in (stored, flipped))
    both = predict_mean(model, [stored, flipped], normalize)["scene"]
    torch.testing.assert_close(both, (one + two) / 2)


def test_features_and_projections_are_those_of_the_heads(stored, normalize):
    model = single("small_cnn", projection_dim=5)
    features = embed(model, stored, normalize)
    assert features.shape == (7, 96)
    assert features.dtype == torch.float32 and not features.requires_grad
    with torch.no_grad():
        logits = model.heads["scene"].score[0](features)
        projected = model.projection(features)
    expected = predict(model, stored, normalize)["scene"]
    torch.testing.assert_close(logits.softmax(1), expected, rtol=1e-4, atol=1e-5)
    found = embed(model, stored, normalize, "projection")
    torch.testing.assert_close(found, projected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(7))


def test_wrong_requests_are_answered_in_words(model, stored, normalize):
    with pytest.raises(WorkshopError, match="projection_dim"):
        embed(model, stored, normalize, "projection")
    with pytest.raises(WorkshopError, match="Did you mean 'features'"):
        embed(model, stored, normalize, "feature")


def test_large_images_come_in_smaller_batches():
    assert images_at_a_time({"s2": torch.empty(1, 12, 64, 64)}) == 256
    assert images_at_a_time({"s2": torch.empty(1, 12, 224, 224)}) == 20
    assert images_at_a_time({"metadata": torch.empty(9, 3)}) == 256


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_images_and_statistics_follow_the_model(model, stored, normalize):
    expected = predict(model, stored, normalize)["scene"]
    probs = predict(model.cuda(), stored, normalize)["scene"]
    torch.testing.assert_close(probs, expected, rtol=1e-3, atol=1e-4)
    assert all(b.device.type == "cpu" for b in normalize.buffers())
