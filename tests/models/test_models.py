"""What every network has to put up with: sizes, bands, layouts, wrong names."""

import pytest
import torch

from workshop_lib.errors import WorkshopError
from workshop_lib.models import (
    MODEL_NAMES,
    ProjectionHead,
    SmallCNN,
    WideResNet,
    build_model,
)
from workshop_lib.models.feature_head import FEATURE_HEADS

SMALL = ["small_cnn", "wrn-10-1", "resnet18"]


def images(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("size", [(1, 1), (31, 33), (32, 32), (17, 64)])
def test_any_size_and_a_batch_of_one(name: str, size: tuple[int, int]) -> None:
    model = build_model(name, in_channels=3, num_classes=5).eval()
    out = model(images(1, 3, *size))
    assert out.logits.shape == (1, 5)
    assert out.embedding.shape == (1, model.feature_dim)
    assert out.logits.isfinite().all()


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("bands", [1, 2, 12])
def test_bands_and_gradient_to_every_weight(name: str, bands: int) -> None:
    torch.manual_seed(0)
    model = build_model(name, in_channels=bands, num_classes=3, projection_dim=8)
    out = model(images(4, bands, 33, 40))
    weights = images(4, 8)  # a plain sum of squares is constant on the unit sphere
    (out.logits.square().sum() + (out.embedding * weights).sum()).backward()
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()


@pytest.mark.parametrize("name", SMALL)
def test_channels_last_gives_the_same(name: str) -> None:
    torch.manual_seed(0)
    model = build_model(name, in_channels=4, num_classes=6, projection_dim=7).eval()
    x = images(3, 4, 32, 32)
    planar = model(x)
    interleaved = model(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(planar, interleaved, rtol=1e-4, atol=1e-5)
    model.to(memory_format=torch.contiguous_format)
    torch.testing.assert_close(planar, model(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_images_of_a_batch_do_not_touch_in_eval(name: str) -> None:
    model = build_model(name, in_channels=3, num_classes=4).eval()
    x = images(5, 3, 32, 32)
    order = torch.tensor([3, 1, 4, 0, 2])
    torch.testing.assert_close(
        model(x[order]).logits, model(x).logits[order], rtol=1e-4, atol=1e-5
    )


def test_embedding_has_length_one_with_a_projection() -> None:
    model = build_model("small_cnn", in_channels=3, num_classes=4, projection_dim=16)
    z = model(images(6, 3, 32, 32)).embedding
    assert z.shape == (6, 16)
    torch.testing.assert_close(z.norm(dim=1), torch.ones(6))


def test_embedding_without_a_projection_is_what_the_classifier_reads() -> None:
    model = WideResNet(depth=10, width=1, num_classes=4).eval()
    out = model(images(2, 3, 16, 16))
    torch.testing.assert_close(model.classifier(out.embedding), out.logits)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_zero_projection_is_zero_and_its_gradient_finite(dtype: torch.dtype) -> None:
    head = ProjectionHead(5, 5, 3).to(dtype)
    for parameter in head.parameters():
        torch.nn.init.zeros_(parameter)
    z = head(torch.ones(2, 5, dtype=dtype))
    assert (z == 0).all()
    z.sum().backward()
    assert all(
        p.grad is not None and p.grad.isfinite().all() for p in head.parameters()
    )


def test_projection_is_at_least_float32_under_mixed_precision() -> None:
    head = ProjectionHead(5, 5, 3)
    with torch.autocast("cpu", torch.bfloat16):
        z = head(images(2, 5))
    assert z.dtype == torch.float32
    torch.testing.assert_close(z.norm(dim=1), torch.ones(2))


def test_small_cnn_is_as_small_as_it_says() -> None:
    model = SmallCNN(in_channels=4, num_classes=10)
    assert sum(p.numel() for p in model.parameters()) == 163_210
    assert isinstance(model.trunk, torch.nn.Sequential)
    before_pooling = model.trunk[:-2](images(1, 4, 32, 32))
    assert before_pooling.shape == (1, 96, 4, 4)


def test_small_cnn_other_widths() -> None:
    model = SmallCNN(in_channels=2, num_classes=3, widths=(4, 6))
    assert model(images(2, 2, 16, 16)).embedding.shape == (2, 6)


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_every_listed_name_builds(name: str) -> None:
    with torch.device("meta"):
        model = build_model(name, in_channels=3, num_classes=10)
        side = 1 if name in FEATURE_HEADS else 32  # a feature is an image of one pixel
        assert model(torch.empty(2, 3, side, side)).logits.shape == (2, 10)


def test_batch_norm_momentum_is_the_papers_only_in_the_class_itself() -> None:
    paper = WideResNet(depth=10, width=1, num_classes=2)
    ours = build_model("wrn-10-1", in_channels=3, num_classes=2)
    for model, expected in ((paper, 0.001), (ours, 0.1)):
        momenta = {
            m.momentum for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)
        }
        assert momenta == {expected}


@pytest.mark.parametrize(("raw_input", "dead"), [(False, 0), (True, 4)])
def test_every_layer_learns_unless_the_slip_is_asked_for(
    raw_input: bool, dead: int
) -> None:
    torch.manual_seed(0)
    model = WideResNet(depth=10, width=2, num_classes=3, raw_input=raw_input)
    model(images(4, 3, 16, 16)).logits.square().sum().backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None]
    assert len(idle) == dead  # scale and shift of two normalisations
    assert all(".0.bn1." in name for name in idle)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("wrn-28_2", "wrn-28-2"),
        ("small", "small_cnn"),
        ("resnet19", "resnet18"),
        ("wrn-30-2", "28 and 34"),
        ("wrn-4-2", "nearest valid is 10"),
        ("wrn-28-0", "width 0"),
    ],
)
def test_wrong_names_are_told_the_remedy(name: str, told: str) -> None:
    with pytest.raises(WorkshopError, match=told):
        build_model(name, in_channels=3, num_classes=10)


@pytest.mark.parametrize(
    "sizes",
    [
        {"in_channels": 0, "num_classes": 2},
        {"in_channels": 3, "num_classes": 0},
        {"in_channels": 3, "num_classes": 2, "projection_dim": -1},
    ],
)
def test_impossible_sizes(sizes: dict[str, int]) -> None:
    with pytest.raises(WorkshopError, match="expected at least"):
        build_model("small_cnn", **sizes)


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (torch.zeros(2, 3, 8, 8), "build the model with another in_channels"),
        (torch.zeros(4, 8, 8), r"\(B, 4, H, W\)"),
        (torch.zeros(2, 4, 8, 8, dtype=torch.uint8), "to_float"),
    ],
)
def test_wrong_images_are_told_in_words(x: torch.Tensor, told: str) -> None:
    model = build_model("small_cnn", in_channels=4, num_classes=2)
    with pytest.raises(WorkshopError, match=told):
        model(x)


def test_the_listed_resnets_are_those_that_can_be_built() -> None:
    from workshop_lib.models import RESNETS
    from workshop_lib.models.resnet import RESNETS as BUILDABLE

    assert set(RESNETS) == set(BUILDABLE)
