"""Normalisation: the statistics, the round trip, and what it refuses."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workshop_lib.errors import WorkshopError
from workshop_lib.next.augment import normalize as module
from workshop_lib.next.augment.normalize import BandNormalize, to_float


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(1, 30),
    bands=st.integers(1, 12),
    side=st.integers(2, 9),
    seed=st.integers(0, 1000),
)
def test_fit_equals_numpy(count: int, bands: int, side: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(count, bands, side, side + 1, generator=generator) * 1.5
    fitted = BandNormalize.fit(images)
    values = images.double().numpy()
    np.testing.assert_allclose(fitted.mean, values.mean((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(fitted.std, values.std((0, 2, 3)), rtol=1e-5)
    result = fitted(images)
    assert result.dtype == torch.float32
    assert result.mean((0, 2, 3)).abs().max() < 1e-4
    assert (result.std((0, 2, 3), unbiased=False) - 1).abs().max() < 1e-4


def test_uint8_equals_float_and_chunks_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (23, 3, 8, 8), generator=generator).to(torch.uint8)
    whole = BandNormalize.fit(images)
    monkeypatch.setattr(module, "_CHUNK", 5 * images[0].numel())
    chunked = BandNormalize.fit(to_float(images))
    torch.testing.assert_close(whole.mean, chunked.mean)
    torch.testing.assert_close(whole.std, chunked.std)
    assert whole.mean.max() < 1  # statistics of images in [0, 1]


def test_an_index_chooses_images_without_copying_them_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = torch.rand(11, 2, 3, 4, generator=torch.Generator().manual_seed(0))
    index = torch.tensor([9, 0, 4, 2, 7])
    monkeypatch.setattr(module, "_CHUNK", 2 * images[0].numel())
    some, copied = BandNormalize.fit(images, index), BandNormalize.fit(images[index])
    assert torch.equal(some.mean, copied.mean) and torch.equal(some.std, copied.std)
    sizes = [len(chunk) for chunk in module.image_chunks(images, index, 2)]
    assert sizes == [2, 2, 1]
    with pytest.raises(WorkshopError, match="at least one image"):
        BandNormalize.fit(images, index[:0])


def test_to_float() -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    assert to_float(levels).dtype == torch.float32
    torch.testing.assert_close(to_float(levels), torch.arange(256) / 255)
    half = torch.rand(3).bfloat16()
    assert to_float(half) is half
    with pytest.raises(WorkshopError, match="int16"):
        to_float(levels.to(torch.int16))


def test_constant_band_gives_zeros() -> None:
    images = torch.rand(10, 2, 6, 6)
    images[:, 1] = 0.1
    fitted = BandNormalize.fit(images)
    assert fitted.std[1] == 1
    assert fitted(images)[:, 1].abs().max() < 1e-6


def test_travels_in_a_checkpoint_and_keeps_half_precision() -> None:
    fitted = BandNormalize.fit(torch.rand(5, 4, 6, 6))
    other = BandNormalize(torch.zeros(4), torch.ones(4))
    other.load_state_dict(fitted.state_dict())
    assert torch.equal(other.mean, fitted.mean) and torch.equal(other.std, fitted.std)
    assert not list(fitted.parameters())  # nothing to be trained
    assert fitted(torch.rand(2, 4, 3, 3).bfloat16()).dtype == torch.bfloat16


def test_bad_images_are_told() -> None:
    images = torch.rand(4, 3, 5, 5)
    broken = images.clone()
    broken[2, 1, 0, 0] = float("nan")
    with pytest.raises(WorkshopError, match=r"bands \[1\].*NaN"):
        BandNormalize.fit(broken)
    with pytest.raises(WorkshopError, match="at least one image"):
        BandNormalize.fit(images[:0])
    with pytest.raises(WorkshopError, match="at least one image"):
        BandNormalize.fit(images[0])
    fitted = BandNormalize.fit(images)
    with pytest.raises(WorkshopError, match="3 bands"):
        fitted(torch.rand(4, 2, 5, 5))
    with pytest.raises(WorkshopError, match="to_float"):
        fitted((images * 255).to(torch.uint8))
    with pytest.raises(WorkshopError, match="above 0"):
        BandNormalize(torch.zeros(2), torch.tensor([1.0, 0.0]))
    with pytest.raises(WorkshopError, match="one number per band"):
        BandNormalize(torch.zeros(2), torch.ones(3))
