"""Reflectance operations: identity at zero, no negative light, meaning, loop twin."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from workshop_lib.augment import spectral
from workshop_lib.augment.geometry import Weak
from workshop_lib.augment.spectral import SpectralContrastive, SpectralStrong
from workshop_lib.errors import WorkshopError

OPERATIONS = {
    "gain": spectral.gain,
    "haze": spectral.haze,
    "contrast": spectral.contrast,
    "tint": spectral.tint,
}
every = pytest.mark.parametrize("name", sorted(OPERATIONS))


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 1.4


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_zero_is_identity(name: str, dtype: torch.dtype) -> None:
    images = rand(3, 12, 45, 61).to(dtype)
    images[0, 0, 0, 0] = 0.0
    result = OPERATIONS[name](images, torch.zeros(3))
    assert result.dtype == dtype
    assert torch.equal(result, images)


@every
@settings(max_examples=15, deadline=None)
@given(
    bands=st.integers(1, 13),
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    seed=st.integers(0, 10_000),
)
def test_never_negative_and_independent(
    name: str, bands: int, height: int, width: int, seed: int
) -> None:
    images = rand(4, bands, height, width, seed=seed)
    strengths = rand(4, seed=seed + 1) * 3 - 2
    result = OPERATIONS[name](images, strengths)
    assert result.shape == images.shape
    assert result.isfinite().all() and result.min() >= 0
    for i in range(4):
        alone = OPERATIONS[name](images[i : i + 1], strengths[i : i + 1])
        torch.testing.assert_close(alone[0], result[i], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 10_000.0])
def test_contrast_equals_twin_in_any_unit(scale: float) -> None:
    images = rand(2, 3, 4, 5) * scale
    strengths = torch.tensor([-0.7, 0.7])
    result = spectral.contrast(images, strengths)
    for b in range(2):
        values = images[b].flatten().tolist()
        mean = sum(values) / len(values)
        factor = float(strengths[b].exp())
        expected = [max(0.0, mean + factor * (v - mean)) for v in values]
        torch.testing.assert_close(
            result[b].flatten(), torch.tensor(expected), rtol=1e-4, atol=1e-5 * scale
        )


def test_gain_per_band_and_tint_by_hand() -> None:
    images = torch.tensor([0.2, 0.4]).view(1, 2, 1, 1)
    bands = torch.tensor([[2.0, 0.5]]).log()
    torch.testing.assert_close(
        spectral.gain(images, bands).flatten(), torch.tensor([0.4, 0.2])
    )
    doubled = spectral.tint(images, torch.tensor([2.0]).log())
    torch.testing.assert_close(doubled.flatten(), torch.tensor([0.1, 0.5]))
    panchromatic = spectral.tint(images, torch.tensor([-30.0]))
    torch.testing.assert_close(panchromatic.flatten(), torch.tensor([0.3, 0.3]))
    hazy = spectral.haze(images, torch.tensor([0.5]))
    torch.testing.assert_close(hazy.flatten(), torch.tensor([0.35, 0.55]))


def test_magnitude_zero_leaves_the_weak_view() -> None:
    images = rand(6, 4, 32, 32)
    augmentation = SpectralStrong(magnitude=0.0)
    result = augmentation(images, torch.Generator().manual_seed(5))
    weak = Weak()(images, torch.Generator().manual_seed(5))
    assert torch.equal(result, weak)


def test_magnitude_orders_strength() -> None:
    images = rand(64, 4, 32, 32) * torch.linspace(0.2, 1, 32)
    changes = []
    for magnitude in (0.0, 0.5, 1.0, 1.5):
        augmentation = SpectralStrong(magnitude=magnitude, weak=Weak(0.0, "none"))
        result = augmentation(images, torch.Generator().manual_seed(0))
        changes.append(float((result - images).abs().mean()))
    assert changes == sorted(changes)
    assert changes[0] == 0 and changes[2] > 0.1


def test_contrastive_sometimes_leaves_one_gray() -> None:
    images = rand(200, 4, 8, 8)
    result = SpectralContrastive()(images, torch.Generator().manual_seed(0))
    gray = (result - result[:, :1]).abs().amax((1, 2, 3)) < 1e-6
    assert 0.1 < gray.float().mean() < 0.3


def test_bad_arguments_are_told() -> None:
    with pytest.raises(WorkshopError, match="per band too"):
        spectral.gain(rand(2, 3, 4, 4), torch.zeros(2, 4))
