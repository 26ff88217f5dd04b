"""Maps for pixels: counts, any size, which stride does what."""

import pytest
import torch

from tests.models.common import COVER, SCENE, count, images, single
from workshop_lib.errors import WorkshopError
from workshop_lib.models import FCN

NAMES = (
    "unet-4",
    "unet-resnet18",
    "unet-small_cnn",
    "unet-wrn-10-1",
    "fcn-resnet18",
    "fcn-resnet18:8",
    "fcn-resnet18:16,32",
    "fcn-small_cnn",
    "fcn-residual-8",
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sides", [(32, 32), (33, 47), (5, 70), (4, 4)])
def test_the_map_is_as_large_as_the_image(name, sides):
    model = single(name, 5, COVER).eval()
    with torch.no_grad():
        out = model({"rgb": images(2, 5, *sides)})["cover"]
        features = model.features({"rgb": images(2, 5, *sides)})
    assert out.shape == (2, 3, *sides) and out.isfinite().all()
    assert features.vector.shape == (2, model.encoder.width)
    assert [m.shape[1] for m in features.maps] == list(model.encoder.map_widths)


def test_the_heads_of_a_resnet50_have_the_published_parameters():
    model = FCN("resnet50", num_classes=6)
    assert count(model.head) == 512 * 6 + 6 + 1024 * 6 + 6 + 2048 * 6 + 6 == 21522
    # Keras counts biases before batch normalisations, and their running statistics
    running = sum(b.numel() for name, b in model.named_buffers() if "running" in name)
    assert running == 53_120
    assert count(model) + running + running // 2 == 23_609_234


def test_scores_are_the_sum_of_the_strides_that_are_on():
    torch.manual_seed(0)
    whole = FCN("resnet18", num_classes=4).eval()
    x = images(1, 3, 64, 48)
    total = torch.zeros(1, 4, 64, 48)
    for k, stride in enumerate((8, 16, 32)):
        one = FCN("resnet18", num_classes=4, skips=(stride,)).eval()
        one.encoder.load_state_dict(whole.encoder.state_dict(), strict=False)
        one.head.score[0].load_state_dict(whole.head.score[k].state_dict())
        assert len(one.head.score) == 1
        total += one(x)
    assert torch.allclose(whole(x), total, atol=1e-4)
    # The layers that a small stride does not need are gone, not only unused
    assert count(FCN(num_classes=4, skips=(8,))) < 0.1 * count(whole)


def test_a_unets_width_is_an_option():
    small, large = (single(f"unet-{width}", 4, heads=COVER) for width in (8, 16))
    assert 3.5 < count(large) / count(small) < 4
    assert count(large) < 150_000


def test_a_decoder_is_built_for_dense_heads_alone():
    scenes = single("unet-4", heads=SCENE)
    both = single("unet-4", heads=SCENE | COVER)
    assert scenes.encoder.decoder is None and scenes.encoder.map_widths == ()
    out = both({"rgb": images(2, 3, 16, 16)})
    assert out["scene"].shape == (2, 5) and out["cover"].shape == (2, 3, 16, 16)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("unet-0", "unknown encoder"),
        ("fcn-resnet18:3", "strides 2, 4, 8, 16, 32"),
        ("fcn-resnet18:8,8", "each once"),
        ("fcn-resnet19", "resnet18"),
        ("unet", "unet-16"),
        ("small_cnn", "'unet-small_cnn'"),
        ("fcn-vit_b_16", "no maps"),
    ],
)
def test_what_does_not_exist_is_refused_in_words(name, words):
    with torch.device("meta"), pytest.raises(WorkshopError, match=words):
        single(name, heads=COVER)
