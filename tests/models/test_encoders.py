"""What every encoder has to cope with; plain and residual networks of one depth."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.models.common import COVER, SCENE, count, images, single
from workshop_lib.errors import WorkshopError
from workshop_lib.models import HeadSpec, ImageNetwork, build_model
from workshop_lib.models.build import ENCODERS, build_backbone
from workshop_lib.models.model import ProjectionHead
from workshop_lib.models.residual import cifar_net, gradient_norms, wide_resnet

SMALL = ["small_cnn", "wrn-10-1", "resnet18", "vit-32"]


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("size", [(1, 1), (31, 33), (32, 32), (17, 64)])
def test_any_size_and_a_batch_of_one(name, size):
    model = single(name).eval()
    out = model({"rgb": images(1, 3, *size)})["scene"]
    assert out.shape == (1, 5) and out.isfinite().all()
    features = model.features({"rgb": images(1, 3, *size)})
    assert features.vector.shape == (1, model.encoder.width)
    assert features.maps is None and features.size == size


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("bands", [1, 2, 12])
def test_bands_and_gradient_to_every_weight(name, bands):
    model = single(name, bands, projection_dim=8)
    out = model({"rgb": images(4, bands, 33, 40)})
    weights = images(4, 8)  # a plain sum of squares is constant on the unit sphere
    (out["scene"].square().sum() + (out["projection"] * weights).sum()).backward()
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()


@pytest.mark.parametrize("name", ["small_cnn", "wrn-10-1", "resnet18", "unet-4"])
@pytest.mark.parametrize("sides", [(64, 64), (33, 50)])
def test_a_pyramid_has_the_widths_and_strides_it_says(name, sides):
    backbone = build_backbone(name, 3)
    pyramid = backbone(images(2, 3, *sides))
    assert len(pyramid) == len(backbone.widths) == len(backbone.strides)
    for maps, width, stride in zip(
        pyramid, backbone.widths, backbone.strides, strict=True
    ):
        assert maps.shape[:2] == (2, width)
        for got, side in zip(maps.shape[2:], sides, strict=True):
            assert abs(got - side / stride) < 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_zero_projection_is_zero_and_its_gradient_finite(dtype):
    head = ProjectionHead(5, 5, 3).to(dtype)
    for parameter in head.parameters():
        nn.init.zeros_(parameter)
    z = head(torch.ones(2, 5, dtype=dtype))
    assert (z == 0).all()
    z.sum().backward()
    assert all(
        p.grad is not None and p.grad.isfinite().all() for p in head.parameters()
    )


def test_small_cnn_is_as_small_as_it_says():
    heads = {"scene": HeadSpec("categorical", 10)}
    model = single("small_cnn", 4, heads)
    assert count(model) == 163_210
    last = model.encoder.backbone(images(1, 4, 32, 32))[-1]
    assert last.shape == (1, 96, 4, 4)


@pytest.mark.parametrize("name", ENCODERS)
def test_every_listed_name_builds(name):
    if name == "efficientnet_lite0":
        pytest.importorskip("efficientnet_lite_pytorch")
    dense = name.startswith(("unet", "fcn"))
    with torch.device("meta"):
        model = build_model(name, {"x": 3}, COVER if dense else SCENE)
        side = 1 if name in ("linear", "mlp-256") else 32  # a feature is one pixel
        out = model({"x": torch.empty(2, 3, side, side)})
    shape = (2, 3, 32, 32) if dense else (2, 5)
    assert [tuple(value.shape) for value in out.values()] == [shape]


@pytest.mark.parametrize(("raw_input", "dead"), [(False, 0), (True, 4)])
def test_every_layer_learns_unless_the_slip_is_asked_for(raw_input, dead):
    torch.manual_seed(0)
    backbone = partial(wide_resnet, depth=10, width=2, raw_input=raw_input)
    model = ImageNetwork(backbone, 3, 3)
    model(images(4, 3, 16, 16)).square().sum().backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None]
    assert len(idle) == dead  # scale and shift of two normalisations
    assert all(".0.bn1." in name for name in idle)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("wrn-28_2", "wrn-28-2"),
        ("small", "small_cnn"),
        ("resnet19", "resnet18"),
        ("wrn-30-2", "nearest are 28 and 34"),
        ("wrn-4-2", "nearest are 10 and 16"),
        ("wrn-28-0", "unknown encoder"),
        ("plain-21", "6n"),
    ],
)
def test_wrong_names_are_answered_with_the_remedy(name, told):
    with pytest.raises(WorkshopError, match=told):
        single(name)


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (torch.zeros(2, 3, 8, 8), "build the model for\n? *other sensors"),
        (torch.zeros(4, 8, 8), r"\(B, 4, H, W\)"),
        (torch.zeros(2, 4, 8, 8, dtype=torch.uint8), "Normalize"),
    ],
)
def test_wrong_images_are_answered_in_words(x, told):
    with pytest.raises(WorkshopError, match=told):
        single("small_cnn", 4)({"rgb": x})


def test_dropout_on_features_acts_in_training_alone():
    model = single("mlp-32", 8)
    x = {"rgb": images(3, 8, 1, 1)}
    assert not torch.equal(model(x)["scene"], model(x)["scene"])
    model.eval()
    assert torch.equal(model(x)["scene"], model(x)["scene"])
    linear = single("linear", 8)
    expected = linear.heads["scene"].score[0](x["rgb"].flatten(1))
    torch.testing.assert_close(linear(x)["scene"], expected)
    with pytest.raises(WorkshopError, match="no maps"):
        single("fcn-linear", 8, COVER)


def cifar(depth: int, classes: int, *, shortcuts: bool, **options) -> ImageNetwork:
    backbone = partial(cifar_net, depth=depth, shortcuts=shortcuts, **options)
    return ImageNetwork(backbone, 3, classes)


@pytest.mark.parametrize("depth", [8, 20, 56])
def test_depth_counts_layers_and_shortcuts_cost_no_weights(depth):
    plain, residual = (cifar(depth, 10, shortcuts=on) for on in (False, True))
    layers = [m for m in plain.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(layers) == depth
    assert count(plain) == count(residual)
    if depth == 20:
        assert 0.26e6 < count(plain) < 0.28e6  # He et al. 2015, table 6: 0.27 million


def test_a_shortcut_adds_what_came_in():
    plain, residual = (cifar(8, 2, shortcuts=on).eval() for on in (False, True))
    residual.load_state_dict(plain.state_dict())
    first, second = (
        net.encoder.backbone.stages[1][0] for net in (plain, residual)
    )  # halves the size
    x = images(2, 16, 8, 9)
    added = torch.zeros(2, 32, 4, 5)
    added[:, :16] = x[:, :, ::2, ::2]
    before = first.second(F.relu(first.first(x)))
    assert torch.equal(first(x), F.relu(before))
    assert torch.allclose(second(x), F.relu(before + added))


def test_without_norm_the_gradient_fades_in_the_plain_network_only():
    x, labels = images(4, 3, 16, 16), torch.tensor([0, 1, 2, 1])
    fading = {}
    for shortcuts in (False, True):
        torch.manual_seed(0)
        model = cifar(32, 3, shortcuts=shortcuts, norm=False, width=8)
        with torch.no_grad():
            for p in model.parameters():
                if p.ndim == 4:
                    p.mul_(0.5)  # as small as initialisations before He's
        norms = gradient_norms(model, x, lambda out: F.cross_entropy(out, labels))
        assert len(norms) == 31
        fading[shortcuts] = norms[0] / norms[-1]
        assert all(p.grad is None for p in model.parameters())
    assert fading[False] < 1e-3 * fading[True]
