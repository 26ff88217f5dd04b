"""Predictions: right numbers, no trace left on the model."""

import pytest
import torch
from torch import Tensor, nn

from workshop_lib.augment.normalize import Normalize
from workshop_lib.errors import WorkshopError
from workshop_lib.models import build_model
from workshop_lib.models.output import Output
from workshop_lib.models.predict import embed, predict


class Net(nn.Module):
    """A small network with the two layers that behave differently in training."""

    def __init__(self, channels: int = 3, classes: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.drop = nn.Dropout(0.5)
        self.linear = nn.Linear(8, classes)

    def forward(self, x: Tensor) -> Output:
        z = self.drop(self.norm(self.conv(x)).relu().mean((2, 3)))
        return Output(self.linear(z), z)


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    net = Net()
    net.norm.running_mean.normal_()  # so that evaluation differs from training
    return net


@pytest.fixture
def images() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (7, 3, 9, 12), dtype=torch.uint8, generator=generator)


@pytest.fixture
def normalize(images: Tensor) -> Normalize:
    return Normalize.fit(images)


def test_equals_the_plain_formula(
    net: Net, normalize: Normalize, images: Tensor
) -> None:
    probs = predict(net, normalize, images)
    net.eval()
    x = (images.float() / 255 - normalize.mean.view(1, 3, 1, 1)) / normalize.std.view(
        1, 3, 1, 1
    )
    with torch.no_grad():
        expected = net(x).logits.softmax(1)
    torch.testing.assert_close(probs, expected, rtol=1e-4, atol=1e-5)
    assert probs.dtype == torch.float32 and probs.device.type == "cpu"
    torch.testing.assert_close(probs.sum(1), torch.ones(7))


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
def test_batch_size_changes_nothing(
    net: Net, normalize: Normalize, images: Tensor, batch_size: int
) -> None:
    one = predict(net, normalize, images, batch_size=batch_size)
    torch.testing.assert_close(one, predict(net, normalize, images))


def test_each_module_gets_its_mode_back(
    net: Net, normalize: Normalize, images: Tensor
) -> None:
    net.train()
    net.norm.eval()  # frozen on purpose
    before = {k: v.clone() for k, v in net.state_dict().items()}
    predict(net, normalize, images)
    assert net.training and net.drop.training and not net.norm.training
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])


def test_mode_is_given_back_after_an_error(net: Net, normalize: Normalize) -> None:
    net.train()
    with pytest.raises(RuntimeError):  # five channels into a network for three
        predict(net, nn.Identity(), torch.rand(2, 5, 8, 8))
    assert net.training and net.norm.training


def test_float_images_are_not_scaled(net: Net, images: Tensor) -> None:
    as_bytes = predict(net, nn.Identity(), images)
    as_floats = predict(net, nn.Identity(), images.float() / 255)
    torch.testing.assert_close(as_bytes, as_floats)


@pytest.mark.parametrize("shape", [(0, 3, 8, 8), (3, 8, 8)])
def test_wrong_shapes_are_told(
    net: Net, normalize: Normalize, shape: tuple[int, ...]
) -> None:
    with pytest.raises(WorkshopError, match="at least one image"):
        predict(net, normalize, torch.zeros(shape, dtype=torch.uint8))


def test_batch_size_must_be_positive(
    net: Net, normalize: Normalize, images: Tensor
) -> None:
    with pytest.raises(WorkshopError, match="batch_size=0"):
        predict(net, normalize, images, batch_size=0)


def small_cnn(projection_dim: int) -> nn.Module:
    torch.manual_seed(0)
    return build_model(
        "small_cnn", in_channels=3, num_classes=4, projection_dim=projection_dim
    )


@pytest.mark.parametrize("projection_dim", [0, 5])
def test_features_are_what_the_classifier_reads(
    normalize: Normalize, images: Tensor, projection_dim: int
) -> None:
    model = small_cnn(projection_dim)
    features = embed(model, normalize, images, batch_size=3)  # (7, 96)
    assert features.dtype == torch.float32 and not features.requires_grad
    with torch.no_grad():
        logits = model.classifier(features)
    expected = predict(model, normalize, images)
    torch.testing.assert_close(logits.softmax(1), expected, rtol=1e-4, atol=1e-5)
    assert model.training  # given back as it was


def test_projections_are_unit_vectors_from_the_head(
    normalize: Normalize, images: Tensor
) -> None:
    model = small_cnn(5)
    found = embed(model, normalize, images, "projection", batch_size=4)  # (7, 5)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(7))
    with torch.no_grad():
        expected = model.projection(embed(model, normalize, images))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_embeddings_that_a_model_does_not_have_are_told(
    net: Net, normalize: Normalize, images: Tensor
) -> None:
    with pytest.raises(WorkshopError, match="--projection-dim"):
        embed(small_cnn(0), normalize, images, "projection")
    with pytest.raises(WorkshopError, match="Did you mean 'features'"):
        embed(small_cnn(0), normalize, images, "feature")  # type: ignore[arg-type]
    with pytest.raises(WorkshopError, match="Net has no one vector"):
        embed(net, normalize, images)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_images_and_statistics_follow_the_model(
    net: Net, normalize: Normalize, images: Tensor
) -> None:
    expected = predict(net, normalize, images)
    probs = predict(net.cuda(), normalize, images)
    torch.testing.assert_close(probs, expected, rtol=1e-3, atol=1e-4)
    assert normalize.mean.device.type == "cpu"


def test_an_index_gives_what_a_copy_of_these_images_gives(net, images, normalize):
    index = torch.tensor([5, 0, 6])
    some = predict(net, normalize, images, batch_size=2, index=index)
    assert torch.equal(some, predict(net, normalize, images[index], batch_size=2))
    with pytest.raises(WorkshopError, match="at least one image"):
        predict(net, normalize, images, index=index[:0])
