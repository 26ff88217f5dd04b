"""Normalisation: the statistics, the round trip, and what it refuses."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workshop_lib.augment import normalize as module
from workshop_lib.augment.normalize import BandNormalize, Normalize, to_float
from workshop_lib.errors import WorkshopError


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(1, 30),
    bands=st.integers(1, 12),
    side=st.integers(2, 9),
    missing=st.sampled_from([0.0, 0.2, 0.9]),
    seed=st.integers(0, 1000),
)
def test_fit_equals_numpy(count, bands, side, missing, seed):
    """Missing values are left out of the statistics, and stay missing."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(count, bands, side, side + 1, generator=generator) * 1.5
    gaps = torch.rand(count, bands, generator=generator) < missing
    gaps[0] = False
    images[gaps] = torch.nan
    fitted = BandNormalize.fit(images)
    values = images.double().numpy()
    np.testing.assert_allclose(fitted.mean, np.nanmean(values, (0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(fitted.std, np.nanstd(values, (0, 2, 3)), rtol=1e-5)
    result = fitted(images)
    assert result.dtype == torch.float32
    assert torch.equal(result.isnan(), images.isnan())
    assert result.nanmean((0, 2, 3)).abs().max() < 1e-4
    assert (result.square().nanmean((0, 2, 3)) - 1).abs().max() < 1e-4


def test_uint8_equals_float_and_chunks_add_up(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (23, 3, 8, 8), generator=generator).to(torch.uint8)
    whole = BandNormalize.fit(images)
    monkeypatch.setattr(module, "_CHUNK", 5 * images[0].numel())
    chunked = BandNormalize.fit(to_float(images))
    torch.testing.assert_close(whole.mean, chunked.mean)
    torch.testing.assert_close(whole.std, chunked.std)
    assert whole.mean.max() < 1  # statistics of images in [0, 1]


def test_an_index_chooses_images_without_copying_them_all(monkeypatch):
    images = torch.rand(11, 2, 3, 4, generator=torch.Generator().manual_seed(0))
    index = torch.tensor([9, 0, 4, 2, 7])
    monkeypatch.setattr(module, "_CHUNK", 2 * images[0].numel())
    some, copied = BandNormalize.fit(images, index), BandNormalize.fit(images[index])
    assert torch.equal(some.mean, copied.mean) and torch.equal(some.std, copied.std)
    with pytest.raises(WorkshopError, match="at least one image"):
        BandNormalize.fit(images, index[:0])


def test_to_float():
    levels = torch.arange(256, dtype=torch.uint8)
    assert to_float(levels).dtype == torch.float32
    torch.testing.assert_close(to_float(levels), torch.arange(256) / 255)
    half = torch.rand(3).bfloat16()
    assert to_float(half) is half
    with pytest.raises(WorkshopError, match="int16"):
        to_float(levels.to(torch.int16))


def test_constant_band_gives_zeros():
    images = torch.rand(10, 2, 6, 6)
    images[:, 1] = 0.1
    fitted = BandNormalize.fit(images)
    assert fitted.std[1] == 1
    assert fitted(images)[:, 1].abs().max() < 1e-6


def test_bad_images_are_told():
    images = torch.rand(4, 3, 5, 5)
    broken = images.clone()
    broken[2, 1, 0, 0] = torch.inf
    with pytest.raises(WorkshopError, match=r"bands \[1\].*infinite"):
        BandNormalize.fit(broken)
    with pytest.raises(WorkshopError, match="at least one image"):
        BandNormalize.fit(images[:0])
    with pytest.raises(WorkshopError, match="at least one image"):
        BandNormalize.fit(images[0])
    fitted = BandNormalize.fit(images)
    with pytest.raises(WorkshopError, match="3 bands"):
        fitted(torch.rand(4, 2, 5, 5))
    with pytest.raises(WorkshopError, match="Divide by"):
        fitted((images * 255).int())


def sample_of(count: int = 12) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    rgb = torch.randint(0, 256, (count, 3, 4, 4), generator=draw).to(torch.uint8)
    radar = torch.rand(count, 2, 4, 4, generator=draw) * 10 - 20
    radar[3] = torch.nan
    numbers = torch.rand(count, 2, generator=draw) * 100
    numbers[1, 0] = torch.nan
    return {"rgb": rgb, "s1": radar, "metadata": numbers}


def test_each_sensor_and_each_number_has_statistics_of_its_own():
    sample, index = sample_of(), torch.arange(8)
    fitted = Normalize.fit(sample, index)
    for name, values in sample.items():
        images = values if values.ndim == 4 else values[:, :, None, None]
        alone = BandNormalize.fit(images, index)
        assert torch.equal(fitted.bands[name].mean, alone.mean)
        expected = alone(to_float(images)).view(values.shape)
        torch.testing.assert_close(fitted(sample)[name], expected, equal_nan=True)
    normal = fitted(sample)
    assert normal["metadata"].shape == (12, 2) and normal["metadata"][1, 0].isnan()
    assert normal["s1"][3].isnan().all() and normal["rgb"].isfinite().all()
    known = normal["metadata"][:8][~normal["metadata"][:8].isnan()]
    assert abs(float(known.mean())) < 1e-4
    part = fitted({"s1": sample["s1"]})  # a view of one sensor
    torch.testing.assert_close(part["s1"], normal["s1"], equal_nan=True)


def test_a_band_without_any_value_passes_through():
    nothing = torch.full((3, 1, 2, 2), torch.nan)
    fitted = Normalize.fit({"s1": nothing})
    assert fitted.bands["s1"].mean == 0 and fitted.bands["s1"].std == 1
    assert fitted({"s1": nothing})["s1"].isnan().all()


def test_an_unknown_sensor_is_refused():
    fitted = Normalize.fit(sample_of())
    with pytest.raises(WorkshopError, match="unknown sensor 's2'"):
        fitted({"s2": torch.zeros(1, 4, 2, 2)})
