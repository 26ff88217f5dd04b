"""Operations on values: identity at zero, range, loop twins, what each one means."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from workshop_lib.augment import photometric as ops
from workshop_lib.augment import spectral
from workshop_lib.errors import WorkshopError

Operation = Callable[[Tensor, Tensor], Tensor]
# Name -> lowest and highest sensible strength.
PHOTOGRAPHS = {
    "brightness": (-1.0, 1.0),
    "contrast": (-1.0, 1.0),
    "color": (-1.0, 1.0),
    "sharpness": (-1.0, 1.0),
    "hue": (-0.5, 0.5),
    "posterize": (0.0, 8.0),
    "solarize": (0.0, 1.0),
    "autocontrast": (0.0, 1.0),
    "equalize": (0.0, 1.0),
}
REFLECTANCE = dict.fromkeys(("gain", "haze", "contrast", "tint"), (-2.0, 1.0))
CASES = [(ops, name) for name in PHOTOGRAPHS] + [(spectral, n) for n in REFLECTANCE]
every = pytest.mark.parametrize(("of", "name"), CASES)
SHAPES = [(1, 3, 32, 32), (4, 3, 45, 61), (2, 3, 33, 33), (2, 3, 1, 5), (1, 3, 2, 2)]


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@every
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_zero_is_identity(of, name, shape, dtype):
    images = rand(*shape).to(dtype)
    images[0, 0, 0, 0], images[0, -1, 0, 0] = 0.0, 1.0  # the ends of the range too
    result = getattr(of, name)(images, torch.zeros(shape[0]))
    assert result.dtype == dtype
    assert torch.equal(result, images)


@every
@settings(max_examples=15, deadline=None)
@given(
    height=st.integers(1, 24),
    width=st.integers(1, 24),
    seed=st.integers(0, 10_000),
    flat=st.booleans(),
)
def test_range_shape_and_independence(of, name, height, width, seed, flat):
    images = rand(4, 3, height, width, seed=seed)
    if flat:
        images[0] = 0.3
    low, high = (PHOTOGRAPHS if of is ops else REFLECTANCE)[name]
    change: Operation = getattr(of, name)
    strengths = low + (high - low) * rand(4, seed=seed + 1)
    before = images.clone()
    result = change(images, strengths)
    assert torch.equal(images, before)  # the caller's images are left alone
    assert result.shape == images.shape
    assert result.isfinite().all()
    assert result.min() >= 0 and (of is spectral or result.max() <= 1)
    for i in range(4):  # no image depends on its neighbours
        alone = change(images[i : i + 1], strengths[i : i + 1])
        torch.testing.assert_close(alone[0], result[i], rtol=1e-6, atol=1e-6)


def test_contrast_equals_twin():
    images, strengths = rand(3, 3, 7, 9), torch.tensor([-0.9, 0.5, 0.9])
    result = ops.contrast(images, strengths)
    for image, strength, changed in zip(images, strengths, result, strict=True):
        red, green, blue = image
        mean = (0.299 * red + 0.587 * green + 0.114 * blue).mean()
        expected = (mean + (1 + strength) * (image - mean)).clamp(0, 1)
        torch.testing.assert_close(changed, expected, rtol=0, atol=1e-5)


def test_sharpness_equals_twin():
    images = rand(1, 1, 6, 5)
    result = ops.sharpness(images, torch.tensor([-1.0]))[0, 0]  # only the smooth part
    image = images[0, 0]
    for i in range(6):
        for j in range(5):
            expected = float(image[i, j])
            if 0 < i < 5 and 0 < j < 4:
                block = float(image[i - 1 : i + 2, j - 1 : j + 2].sum())
                expected = (block + 4 * expected) / 13
            assert float(result[i, j]) == pytest.approx(expected, abs=1e-6)


def test_posterize_drops_bits():
    levels = torch.arange(256)
    images = (levels / 255).view(1, 1, 16, 16)
    for bits in range(1, 8):
        result = ops.posterize(images, torch.tensor([float(bits)]))
        expected = (levels >> bits) << bits
        assert torch.equal((result * 255).round().long().flatten(), expected)


def test_solarize_autocontrast_brightness_by_hand():
    images = torch.tensor([0.2, 0.4, 0.6, 0.8]).view(1, 1, 2, 2)
    half = torch.tensor([0.5])
    torch.testing.assert_close(
        ops.solarize(images, half).flatten(), torch.tensor([0.2, 0.4, 0.4, 0.2])
    )
    torch.testing.assert_close(
        ops.autocontrast(images, torch.ones(1)).flatten(),
        torch.tensor([0, 1 / 3, 2 / 3, 1]),
    )
    torch.testing.assert_close(
        ops.brightness(images, half).flatten(), torch.tensor([0.3, 0.6, 0.9, 1.0])
    )


def test_hue_turns_primaries_into_each_other_and_keeps_gray():
    red = torch.tensor([0.9, 0.1, 0.1]).view(1, 3, 1, 1)
    green, blue = red.roll(1, 1), red.roll(2, 1)
    third = torch.tensor([1 / 3])
    torch.testing.assert_close(ops.hue(red, third), green)
    torch.testing.assert_close(ops.hue(red, -third), blue)
    gray = torch.full((1, 3, 2, 2), 0.4)
    torch.testing.assert_close(ops.hue(gray, torch.tensor([0.17])), gray)


def test_all_colors_at_once_are_the_five_changes_one_after_the_other():
    """Where nothing leaves [0, 1] on the way; else only the cut at the end differs."""
    images = 0.4 + 0.2 * rand(6, 3, 9, 9)
    draws = [0.2 * (rand(6, seed=k) - 0.5) for k in range(1, 5)]
    gray = torch.tensor([0.0, 1.0, 0.0, 1.0, 0.5, 0.0])
    at_once = ops.color_jitter(images, *draws, gray)
    bright, flat, pale, turn = draws
    in_turn = ops.contrast(ops.brightness(images, bright), flat)
    in_turn = ops.color(ops.hue(ops.color(in_turn, pale), turn), -gray)
    torch.testing.assert_close(at_once, in_turn, rtol=0, atol=1e-5)
    zero = torch.zeros(6)
    assert torch.equal(ops.color_jitter(images, *[zero] * 5), images)
    with pytest.raises(WorkshopError, match="4 channels"):
        ops.color_jitter(torch.rand(6, 4, 2, 2), *[zero] * 5)
