"""The same ground is known again; what only looks alike, or has no texture, is not."""

import io

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from workshop_lib.data.near_duplicates import (
    duplicate_groups,
    find_near_duplicates,
    hamming_pairs,
    perceptual_hash,
    phase_match,
    thumbnail_correlation,
)


def ground(count: int, side: int = 64, seed: int = 0, bands: int = 3) -> Tensor:
    """Landscapes: smooth noise, most of it in the low frequencies, as uint8."""
    rng = np.random.default_rng(seed)
    waves = np.fft.rfft2(rng.standard_normal((count, bands, side, side)))
    fy, fx = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)
    waves /= np.hypot(fy, fx) + 0.02
    field = np.fft.irfft2(waves, s=(side, side))
    field = field / field.std(axis=(1, 2, 3), keepdims=True)
    return torch.from_numpy((128 + 40 * field).clip(0, 255).astype(np.uint8))


def pairs(images: Tensor, **options: float) -> list[tuple[int, int]]:
    return ends(find_near_duplicates(images, **options))


def ends(found: pd.DataFrame) -> list[tuple[int, int]]:
    return list(zip(found["first"], found["second"], strict=True))


def recompressed(image: Tensor, quality: int) -> Tensor:
    buffer = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(
        buffer, "JPEG", quality=quality
    )
    return torch.from_numpy(np.array(Image.open(buffer))).permute(2, 0, 1)


CHANGES = {
    "nothing": lambda im: im,
    "compressed": lambda im: recompressed(im, 60),
    "darker": lambda im: (im.float() * 0.6).to(torch.uint8),
    "less contrast": lambda im: (60 + im.float() * 0.5).to(torch.uint8),
    "grey": lambda im: im.float().mean(0).to(torch.uint8).expand(3, -1, -1),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("side", [64, 100])
def test_the_same_ground_is_found_and_nothing_else(change, side):
    images = ground(12, side)
    images[9] = CHANGES[change](images[2])
    assert pairs(images) == [(2, 9)]


def test_shifted_ground_is_found():
    wide = ground(8, 68)
    images = torch.cat([wide[..., :64, :64], wide[3:4, :, 2:66, 1:65]])
    assert pairs(images) == [(3, 8)]


def test_reflectances_are_compared_as_pictures_are():
    images = ground(8, 32, bands=5).float() / 1000
    images[7] = images[1] * 1.3
    assert pairs(images) == [(1, 7)]


def test_images_without_texture_are_never_accused():
    constant = torch.full((4, 3, 64, 64), 90, dtype=torch.uint8)
    constant[2:] = 30
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 3, (4, 3, 64, 64), generator=generator, dtype=torch.uint8)
    assert pairs(constant, max_distance=64) == []
    assert pairs(constant.float() / 255, max_distance=64) == []
    assert pairs(constant + noise, max_distance=64) == []


def test_a_bright_corner_makes_equal_hashes_but_no_match():
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(60, 69, (2, 3, 64, 64), generator=generator)
    images[..., 62:, 62:] = 255
    images = images.to(torch.uint8)
    _, _, distance = hamming_pairs(perceptual_hash(images), 2)
    assert len(distance) == 1  # the hash alone is deceived
    grey = images.float().mean(1)
    assert phase_match(grey[:1], grey[1:]) < 0.55
    assert thumbnail_correlation(grey[:1], grey[1:]) < 0.5
    assert torch.corrcoef(adaptive_avg_pool2d(grey, 16).flatten(1))[0, 1] > 0.96
    assert pairs(images) == []


@given(st.integers(0, 1000))
def test_thumbnail_correlation_is_the_correlation_of_what_was_cut(seed):
    rng = np.random.default_rng(seed)
    one, two = rng.standard_normal((2, 1, 6, 5)) * 50
    cut = []
    for image in (one, two):
        z = (image - image.mean()) / image.std()
        cut.append(z.clip(-2, 2).ravel())
    expected = np.corrcoef(*cut)[0, 1]
    found = thumbnail_correlation(torch.from_numpy(one), torch.from_numpy(two))
    assert found.item() == pytest.approx(expected, abs=1e-9)


def test_a_bright_spot_on_two_seas_is_no_match():
    """Phases alone take any spot for any other once images are small."""
    images = ground(2, 32).float() * 0.01 + 40
    for i, (row, column) in enumerate([(10, 9), (12, 11)]):
        images[i, :, row : row + 2, column : column + 2] = 250
    grey = images.mean(1)
    assert phase_match(grey[:1], grey[1:]) > 0.55
    assert pairs(images, max_distance=64) == []
    assert pairs(images, max_distance=64, min_correlation=-1) == [(0, 1)]


def test_chunks_do_not_show(monkeypatch):
    images = ground(40, 32)
    images[[5, 30]] = images[[17, 2]]
    wishes = {"max_distance": 40, "min_match": 0.1, "min_correlation": -1}
    whole = find_near_duplicates(images, **wishes)
    for name, value in (("_CHUNK", 7), ("_ROWS", 3)):
        monkeypatch.setattr(f"workshop_lib.data.near_duplicates.{name}", value)
    parts = find_near_duplicates(images, **wishes)
    pd.testing.assert_frame_equal(parts, whole, atol=1e-5)
    assert len(whole) > 2


@given(
    st.integers(0, 12), st.integers(0, 64), st.integers(0, 10**6), st.integers(1, 64)
)
def test_hamming_pairs_are_those_of_two_loops(count, most, seed, flips):
    rng = np.random.default_rng(seed)
    base = rng.random(64) < 0.5
    hashes = torch.from_numpy(base ^ (rng.random((count, 64)) < flips / 128))
    expected = []
    for i in range(count):
        for j in range(i + 1, count):
            distance = sum(
                bool(a) != bool(b) for a, b in zip(hashes[i], hashes[j], strict=True)
            )
            if distance <= most:
                expected.append((i, j, distance))
    found = torch.stack(hamming_pairs(hashes, most)).T.tolist()
    assert sorted(map(tuple, found)) == expected


@settings(max_examples=20)
@given(st.integers(0, 1000), st.floats(0.1, 5.0), st.floats(0.0, 100.0))
def test_hash_and_match_ignore_light(seed, contrast, brightness):
    images = ground(3, 32, seed).float()
    changed = images * contrast + brightness
    same = perceptual_hash(images) == perceptual_hash(changed)
    assert same.float().mean() > 0.95  # a bit at the median may turn over
    match = phase_match(images.mean(1), changed.mean(1))
    assert (match > 0.95).all() and (match <= 1).all()


def test_hash_is_the_cosine_transform_written_out():
    image = ground(1, 32)
    grey = image[0].double().mean(0).numpy()
    x = np.arange(32) + 0.5
    waves = [
        sum(
            grey[r, c] * np.cos(np.pi * u * x[r] / 32) * np.cos(np.pi * v * x[c] / 32)
            for r in range(32)
            for c in range(32)
        )
        for u in range(1, 9)
        for v in range(1, 9)
    ]
    lower_median = sorted(waves)[31]
    assert perceptual_hash(image)[0].tolist() == [w > lower_median for w in waves]


@given(st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=20))
def test_groups_are_the_connected_images(edges):
    found = pd.DataFrame(edges, columns=["first", "second"])
    groups = duplicate_groups(found, 15).tolist()
    reach = [{i} for i in range(15)]
    for _ in range(15):
        for first, second in edges:
            joined = reach[first] | reach[second]
            for i in joined:
                reach[i] = reach[i] | joined
    for i in range(15):
        assert groups[i] == min(reach[i])


def test_best_match_comes_first():
    images = ground(6, 64)
    images[4] = images[0]
    images[5] = recompressed(images[1], 40)
    found = find_near_duplicates(images)
    assert ends(found) == [(0, 4), (1, 5)]
    assert found["distance"][0] == 0 and found["match"].is_monotonic_decreasing
