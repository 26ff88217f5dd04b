"""Views of reflectance: what each operation means, a loop twin, and magnitude."""

import pytest
import torch
from torch import Tensor

from workshop_lib.augment import spectral
from workshop_lib.augment.geometry import Weak
from workshop_lib.augment.spectral import SpectralContrastive, SpectralStrong
from workshop_lib.errors import WorkshopError


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 1.4


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
