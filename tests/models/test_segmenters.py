"""Networks that score pixels: counts, any size, which stride does what."""

import pytest
import torch

from workshop_lib.channels import groups
from workshop_lib.errors import WorkshopError
from workshop_lib.models import build_model
from workshop_lib.models.fcn import FCN
from workshop_lib.models.resnet import ResNet
from workshop_lib.models.segmenter import Segmenter
from workshop_lib.models.unet import UNet

NAMES = ("unet-4", "fcn-resnet18", "fcn-resnet18:8", "fcn-resnet18:16,32")


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sides", [(32, 32), (33, 47), (5, 70), (4, 4)])
def test_the_map_is_as_large_as_the_image(name, sides):
    model = build_model(name, in_channels=5, num_classes=3).eval()
    with torch.no_grad():
        found = model(torch.randn(2, 5, *sides))
    assert isinstance(model, Segmenter)
    assert found.logits.shape == (2, 3, *sides)
    assert found.embedding.shape == (2, 3)
    assert found.logits.isfinite().all()


def test_the_heads_of_a_resnet50_have_the_published_parameters():
    model = FCN("resnet50", num_classes=6)
    assert (
        count(model.trunk.heads) == 512 * 6 + 6 + 1024 * 6 + 6 + 2048 * 6 + 6 == 21522
    )
    # Keras counts biases before batch normalisations, and their running statistics
    running = sum(b.numel() for name, b in model.named_buffers() if "running" in name)
    assert running == 53_120
    assert count(model) + running + running // 2 == 23_609_234


def test_scores_are_the_sum_of_the_strides_that_are_on():
    torch.manual_seed(0)
    whole = FCN("resnet18", num_classes=4).eval()
    images = torch.randn(1, 3, 64, 48)
    total = torch.zeros(1, 4, 64, 48)
    for stride in (8, 16, 32):
        one = FCN("resnet18", num_classes=4, skips=(stride,)).eval()
        one.load_state_dict(whole.state_dict(), strict=False)
        assert list(one.trunk.heads) == [str(stride)]
        total += one(images).logits
    assert torch.allclose(whole(images).logits, total, atol=1e-4)
    # The layers that a small stride does not need are gone, not only unused
    assert count(FCN(num_classes=4, skips=(8,))) < 0.1 * count(whole)


def test_every_parameter_that_is_there_learns():
    for name in NAMES:
        model = build_model(name, in_channels=3, num_classes=3)
        model(torch.randn(2, 3, 64, 64)).logits.square().mean().backward()
        lazy = [n for n, p in model.named_parameters() if p.grad is None]
        # A classifier's last norm of a block starts at one: nothing is dead at first
        assert not lazy, (name, lazy)


def test_weights_of_a_classifier_load_into_the_trunk():
    classifier = ResNet("resnet18", num_classes=10)
    model = FCN("resnet18", num_classes=3)
    model.trunk.backbone.load_state_dict(classifier.trunk.state_dict())
    assert torch.equal(model.trunk.backbone.conv1.weight, classifier.trunk.conv1.weight)


def test_a_unets_width_is_a_knob():
    small, large = (UNet(in_channels=4, num_classes=7, width=w) for w in (8, 16))
    assert 3.5 < count(large) / count(small) < 4
    assert count(large) < 150_000


@pytest.mark.parametrize("name", ["unet-4", "fcn-resnet18"])
def test_a_batch_in_parts_gives_the_same_answers(name):
    model = build_model(name, in_channels=3, num_classes=3).eval()
    images = torch.randn(5, 3, 32, 32)
    whole = model(images).logits
    model.save_memory(checkpointing=True, micro_batch=2)
    assert torch.allclose(model(images).logits, whole, atol=1e-5)


def test_a_missing_modality_is_filled():
    bands = ["s2:B02", "s2:B03", "s1:VV"]
    model = build_model(
        "unet-4", in_channels=3, num_classes=2, modalities=groups(bands)
    ).eval()
    images = torch.randn(2, 3, 16, 16)
    images[0, 2] = torch.nan
    assert model(images).logits.isfinite().all()


def test_what_does_not_exist_is_refused_in_words():
    for name, words in {
        "unet-0": "width 0",
        "fcn-resnet18:4": "strides 8, 16, 32",
        "fcn-resnet18:8,8": "strides 8, 16, 32",
        "fcn-resnet19": "resnet",
        "unet": "unet-16",
    }.items():
        with pytest.raises(WorkshopError, match=words):
            build_model(name, in_channels=3, num_classes=2)
    with pytest.raises(WorkshopError, match="no projection head"):
        build_model("unet-4", in_channels=3, num_classes=2, projection_dim=8)
    with pytest.raises(WorkshopError, match="fusion='early'"):
        parts = groups(["s2:B02"])
        build_model(
            "unet-4", in_channels=1, num_classes=2, modalities=parts, fusion="late"
        )
    model = build_model("unet-4", in_channels=3, num_classes=2)
    with pytest.raises(WorkshopError, match="reads"):
        model(torch.randn(1, 4, 8, 8))
    with pytest.raises(WorkshopError, match="normalised floats"):
        model(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
