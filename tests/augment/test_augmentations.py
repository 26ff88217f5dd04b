"""Every augmentation: shape, range, seeds, batches of one, odd sizes, the GPU."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from workshop_lib.augment import SampleAugmentation, Weak
from workshop_lib.augment.multimodal import augmentations_for
from workshop_lib.augment.rgb import OPERATIONS, RandAugment
from workshop_lib.errors import WorkshopError

CASES = [
    (rgb, name) for rgb in (True, False) for name in sorted(augmentations_for(rgb))
]
every = pytest.mark.parametrize(("is_rgb", "name"), CASES)


def apply_operations(images: Tensor, strengths: Tensor) -> Tensor:
    """RandAugment's operations alone, without moves and cutout."""
    B = len(images)
    which = torch.zeros(B, dtype=torch.long, device=images.device)
    params = which, torch.stack([which, which], 1), strengths
    augmentation = RandAugment()
    return augmentation.photometry(augmentation.geometry(images, *params), *params)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images_for(is_rgb: bool, batch: int, height: int, width: int) -> Tensor:
    bands, most = (3, 1.0) if is_rgb else (12, 1.5)
    return torch.rand(batch, bands, height, width, generator=seeded(height)) * most


@every
@settings(max_examples=12, deadline=None)
@given(
    batch=st.integers(1, 5),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    seed=st.integers(0, 2**40),
)
def test_shape_range_and_seed(is_rgb, name, batch, height, width, seed):
    images = images_for(is_rgb, batch, height, width)
    before, state = images.clone(), torch.get_rng_state()
    augmentation = augmentations_for(is_rgb)[name]
    result = augmentation(images, seeded(seed))
    again = augmentation(images, seeded(seed))
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), state)  # torch's own is left alone
    assert torch.equal(result, again)
    assert result.shape == images.shape and result.dtype == images.dtype
    assert result.isfinite().all() and result.min() >= 0
    if is_rgb:
        assert result.max() <= 1


@every
def test_seeds_and_images_differ(is_rgb, name):
    images = images_for(is_rgb, 1, 32, 32).repeat(16, 1, 1, 1)
    augmentation = augmentations_for(is_rgb)[name]
    result = augmentation(images, seeded())
    other = augmentation(images, seeded(1))
    views = {tuple(view.flatten().tolist()) for view in result}
    if name == "none":
        assert torch.equal(result, images)
    else:
        assert not torch.equal(result, other)
        assert len(views) >= 15  # equal images get views of their own


@every
@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_runs_on_gpu(is_rgb, name):
    images = images_for(is_rgb, 8, 33, 45).cuda()
    augmentation = augmentations_for(is_rgb)[name]
    result = augmentation(images, torch.Generator("cuda").manual_seed(0))
    again = augmentation(images, torch.Generator("cuda").manual_seed(0))
    assert result.device == images.device and result.shape == images.shape
    assert torch.equal(result, again)
    assert result.min() >= 0 and (not is_rgb or result.max() <= 1)


def test_weak_reaches_every_symmetry_and_shift():
    images = torch.zeros(4000, 1, 8, 8)
    images[:, :, 2, 3] = 1.0  # off both diagonals and axes
    views = Weak(shift=0.125)(images, seeded())
    places = {tuple(view[0].nonzero()[0].tolist()) for view in views}
    expected = set()
    for row in (1, 2, 3):
        for column in (2, 3, 4):
            for a, b in ((row, column), (column, row)):
                expected |= {(a, b), (7 - a, b), (a, 7 - b), (7 - a, 7 - b)}
    assert places == expected
    mirrored = Weak(0.0, "mirror")(images, seeded())
    places = {tuple(view[0].nonzero()[0].tolist()) for view in mirrored}
    assert places == {(2, 3), (2, 4)}


def test_randaugment_draws_n_different_operations():
    augmentation = RandAugment(n=3)
    strengths = augmentation.sample_strengths(3000, seeded())
    assert strengths.shape == (3000, len(OPERATIONS))
    drawn = (strengths != 0).sum(1)
    assert drawn.max() == 3 and drawn.min() == 2  # identity has no strength
    share = (strengths != 0).float().mean(0)
    for k, (name, (low, high)) in enumerate(OPERATIONS.items()):
        if name != "identity":
            assert share[k] == pytest.approx(3 / 14, abs=0.03)
            assert strengths[:, k].min() >= min(low, 0)
            assert strengths[:, k].max() <= high
        if low < 0:  # symmetric: as often down as up
            assert abs(float(strengths[:, k].sign().mean())) < 0.05


def test_randaugment_without_distortion_draws_among_the_others():
    still = RandAugment(distort=False, weak=Weak(0.0, "none"), cutout=0.0)
    strengths = still.sample_strengths(3000, seeded())
    share = (strengths != 0).float().mean(0)
    for k, name in enumerate(OPERATIONS):
        moves = name.startswith(("rotate", "shear", "translate"))
        expected = 0 if moves or name == "identity" else 2 / 9
        assert share[k] == pytest.approx(expected, abs=0.03)
    both = SampleAugmentation("strong", {"rgb": 3}, mover=Weak())
    assert both.lead == RandAugment(distort=False)


def test_names_and_errors():
    assert augmentations_for(True, 0.5)["strong"] == RandAugment(magnitude=0.5)
    with pytest.raises(WorkshopError, match="magnitude=-1"):
        augmentations_for(True, -1.0)
    with pytest.raises(WorkshopError, match="4 channels"):
        RandAugment()(torch.rand(2, 4, 8, 8), torch.Generator())
    with pytest.raises(WorkshopError, match="unknown kind of symmetries 'nine'"):
        Weak(symmetries="nine")(torch.rand(2, 3, 8, 8), torch.Generator())


def test_images_that_drew_nothing_pass_by_and_the_others_do_not():
    """On a CPU only the drawn images go through an operation; as if all had."""
    images = images_for(True, 9, 20, 20)
    before = images.clone()
    strengths = RandAugment(n=3).sample_strengths(9, seeded())
    strengths[4] = 0
    together = apply_operations(images, strengths)
    assert torch.equal(images, before)
    assert torch.equal(together[4], images[4])
    for i in range(9):
        alone = apply_operations(images[i : i + 1], strengths[i : i + 1])[0]
        torch.testing.assert_close(together[i], alone, rtol=0, atol=1e-6)
        assert i == 4 or not torch.equal(alone, images[i])
