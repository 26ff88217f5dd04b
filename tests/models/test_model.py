"""A model as a whole: heads, fusion, options that leave other weights alone."""

import math

import pytest
import torch

from tests.models.common import COVER, METADATA, SCENE, fused, sample
from workshop_lib.errors import WorkshopError
from workshop_lib.models import HeadSpec, build_model
from workshop_lib.models.fusion import FUSIONS

HEADS = {**SCENE, "tags": HeadSpec("multilabel", 4), "height": HeadSpec("regression")}
EACH = pytest.mark.parametrize("fusion", FUSIONS)


@EACH
def test_one_output_per_head_and_the_projection(fusion):
    model = fused("unet-4", HEADS | COVER, fusion=fusion, projection_dim=8)
    out = model(sample(sides=(17, 17)))
    shapes = {name: tuple(value.shape) for name, value in out.items()}
    assert shapes == {
        "scene": (4, 5),
        "tags": (4, 4),
        "height": (4,),
        "cover": (4, 3, 17, 17),
        "projection": (4, 8),
        "context": (4, model.encoder.width),
    }
    torch.testing.assert_close(out["projection"].norm(dim=1), torch.ones(4))


@EACH
def test_no_option_changes_the_weights_of_other_parts(fusion):
    plain = fused("small_cnn", HEADS, fusion=fusion, metadata=0).state_dict()
    for encoder, heads, more in (
        ("small_cnn", HEADS, {"metadata": METADATA}),
        ("small_cnn", HEADS, {"projection_dim": 8}),
        ("unet-small_cnn", SCENE | COVER, {}),
    ):
        other = fused(encoder, heads, fusion=fusion, **{"metadata": 0, **more})
        drawn = torch.rand(1)
        other = other.state_dict()
        same = plain.keys() & other.keys()
        assert {"heads.scene.score.0.weight"} < same
        assert any(name.startswith("encoder.backbones.") for name in same)
        assert all(torch.equal(plain[name], other[name]) for name in same)
    fused("small_cnn", HEADS, fusion=fusion)
    assert torch.equal(torch.rand(1), drawn)  # nor what is drawn afterwards


def test_two_models_in_a_row_differ():
    torch.manual_seed(0)
    one, two = (build_model("small_cnn", {"rgb": 3}, HEADS) for _ in range(2))
    key = "heads.scene.score.0.weight"
    assert not torch.equal(one.state_dict()[key], two.state_dict()[key])


@EACH
def test_missing_and_absent_sensors_and_metadata_are_the_same(fusion):
    model = fused("small_cnn", HEADS, fusion=fusion).eval()
    for part in model.encoder.missing.values():
        torch.nn.init.normal_(part.value)
    torch.nn.init.normal_(model.encoder.metadata.missing)
    whole = sample()
    nan = whole | {
        "s1": torch.full_like(whole["s1"], math.nan),
        "metadata": torch.full((4, METADATA), math.nan),
    }
    absent = {"s2": whole["s2"]}
    torch.testing.assert_close(model(nan)["scene"], model(absent)["scene"])
    assert not torch.allclose(model(nan)["scene"], model(whole)["scene"])


def test_a_frozen_encoder_neither_learns_nor_forgets():
    model = fused("small_cnn", fusion="late")
    model.freeze(-1)
    before = {k: v.clone() for k, v in model.encoder.state_dict().items()}
    model.train()
    assert not any(part.training for part in model.encoder.modules())
    model(sample())["scene"].sum().backward()
    assert all(p.grad is None for p in model.encoder.parameters())
    assert all(torch.equal(before[k], v) for k, v in model.encoder.state_dict().items())
    model.freeze(1)
    assert [p.training for p in model.encoder.backbones["s2"].stages] == [
        False,
        True,
        True,
    ]
    model.freeze(0)
    assert all(p.requires_grad for p in model.parameters())


def test_wrong_requests_are_answered_in_words():
    model, x = fused("small_cnn"), sample()
    with pytest.raises(WorkshopError, match="unet-small_cnn"):
        fused("small_cnn", COVER)
    with pytest.raises(WorkshopError, match="at least one of these"):
        model({"rgb": torch.zeros(1, 3, 8, 8)})
    with pytest.raises(WorkshopError, match="same\n? *number of images"):
        model({"s2": x["s2"], "s1": x["s1"][:1]})
    with pytest.raises(WorkshopError, match="sensors of one size"):
        model({"s2": x["s2"], "s1": x["s1"][:, :, :4]})
