"""Views of packed images: one geometry for all, physics for each, gaps kept."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from workshop_lib.augment.modal import (
    ModalContrastive,
    ModalStrong,
    WithoutModalities,
    modal_policies,
)
from workshop_lib.augment.policies import get_policy
from workshop_lib.augment.policy import NoAugment
from workshop_lib.augment.spectral import SpectralStrong
from workshop_lib.augment.weak import Weak
from workshop_lib.channels import groups
from workshop_lib.errors import WorkshopError

BANDS = (
    *("s2:B04", "s2:B08", "s1:VV", "s1:VH", "dem:height"),
    *("cover:0", "season=summer", "climate=Dfc"),
)
GROUPS = groups(BANDS)
VIEWS = pytest.mark.parametrize("name", ["weak", "strong", "contrastive"])


def packed(n: int = 4, side: int = 16, seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    images = torch.rand(n, len(BANDS), side, side, generator=draw)
    images[:, 2:4] = images[:, 2:4] * 10 - 20
    images[:, 4] = images[:, 4] * 100 + 500
    images[:, 6] = torch.rand(n, 1, 1, generator=draw).expand(n, side, side)
    images[:, 7] = 1.0
    return images


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@VIEWS
@settings(max_examples=15)
@given(seed=st.integers(0, 1000))
def test_facts_stay_as_they_are(name: str, seed: int) -> None:
    images = packed(seed=seed)
    view = modal_policies(GROUPS)[name](images, seeded(seed))
    assert view.shape == images.shape and view.isfinite().all()
    torch.testing.assert_close(view[:, 6:], images[:, 6:], rtol=0, atol=1e-5)


@VIEWS
@settings(max_examples=15)
@given(seed=st.integers(0, 1000))
def test_one_geometry_for_all(name: str, seed: int) -> None:
    """The same picture in elevation and in the cover map ends up at the same place."""
    images = packed(seed=seed)
    images[:, 5] = (images[:, 4] - 500) / 100
    view = modal_policies(GROUPS)[name](images, seeded(seed)).double()
    height, cover = view[:, 4].flatten(1), view[:, 5].flatten(1)
    # equal but for the offset of the datum, the same at all pixels of a patch
    difference = height / 100 - cover
    spread = (difference - difference.mean(1, keepdim=True)).abs().max()
    assert float(spread) < 1e-4


@settings(max_examples=15)
@given(seed=st.integers(0, 1000))
def test_radar_and_optics_do_not_touch_each_other(seed: int) -> None:
    """What happens to reflectances does not depend on what the radar saw, and back."""
    images, other = packed(seed=seed), packed(seed=seed)
    other[:, 2:4] -= 5
    one = ModalStrong(GROUPS)(images, seeded(seed))
    two = ModalStrong(GROUPS)(other, seeded(seed))
    assert torch.equal(one[:, :2], two[:, :2]) and torch.equal(one[:, 4:], two[:, 4:])
    torch.testing.assert_close(two[:, 2:4], one[:, 2:4] - 5, rtol=0, atol=1e-3)


def test_elevation_is_lifted_by_one_offset_and_radar_by_decibels() -> None:
    still = SpectralStrong(magnitude=0, weak=Weak(shift=0, symmetries="none"))
    images = packed(n=64)
    view = ModalStrong(GROUPS, still)(images, seeded())
    assert torch.equal(view[:, :2], images[:, :2])  # magnitude 0 changes no light
    lift = view[:, 4] - images[:, 4]
    assert float((lift - lift[:, :1, :1]).abs().max()) < 1e-3
    assert 5 < float(lift.abs().amax()) <= 30.001
    change = (view - images)[:, 2:4]
    quiet = change.abs().amax((1, 2, 3)) == 0
    assert 4 <= int(quiet.sum()) <= 32  # a quarter on average: neither was drawn
    assert float(change.mean((2, 3)).abs().amax()) < 4


def test_speckle_has_the_law_of_four_looks() -> None:
    policy = ModalStrong(GROUPS)
    offset, speckle = policy.radar.draw((4000, 1, 2, 2), seeded())
    share = speckle.amax((1, 2, 3)) != 0
    assert 0.45 < float(share.float().mean()) < 0.55
    assert float(offset.abs().max()) <= 1.5
    full = type(policy.radar)(speckle=1.0, probability=1.0)
    # strength is drawn from 0 to 1, so divide it out by the spread of many pixels
    _, many = full.draw((2, 1, 400, 400), seeded(1))
    skew = ((many - many.mean((2, 3), keepdim=True)) ** 3).mean((2, 3))
    assert (skew < 0).all()  # a few dark pixels: logarithm of a gamma law


@VIEWS
def test_a_missing_modality_stays_missing_and_spoils_nothing(name: str) -> None:
    images, lacking = packed(), packed()
    lacking[1, 2:4] = math.nan
    lacking[2, :2] = math.nan
    policy = modal_policies(GROUPS)[name]
    whole, view = policy(images, seeded(3)), policy(lacking, seeded(3))
    assert view[1, 2:4].isnan().all() and view[2, :2].isnan().all()
    there = ~view.isnan()
    assert torch.equal(view[there], whole[there])
    assert int((~there).sum()) == int(lacking.isnan().sum())


def test_a_hole_in_reflectance_leaves_the_rest_of_the_patch() -> None:
    images = packed()
    images[0, :2, :4] = math.nan  # the edge of a swath
    still = SpectralStrong(zoom=0, degrees=0, shear=0, shift=0, weak=Weak(0, "none"))
    view = ModalStrong(GROUPS, still)(images, seeded(2))
    assert view[0, :2].isfinite().any() and view[1:].isfinite().all()


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), chance=st.floats(0.05, 0.95))
def test_dropout_takes_whole_modalities_and_leaves_one(
    seed: int, chance: float
) -> None:
    images = packed(n=16)
    view = WithoutModalities(NoAugment(), GROUPS, chance)(images, seeded(seed))
    nan = [view[:, g.channels].isnan().flatten(1) for g in GROUPS]
    gone = torch.stack([part.all(1) for part in nan], 1)
    some = torch.stack([part.any(1) for part in nan], 1)
    assert torch.equal(gone, some) and not gone.all(1).any()
    there = ~view.isnan()
    assert torch.equal(view[there], images[there])


def test_dropout_has_its_frequency() -> None:
    policy = WithoutModalities(NoAugment(), GROUPS, 0.2)
    (gone,) = policy.draw((20_000, len(BANDS), 1, 1), seeded())
    share = gone.float().mean(0)
    assert float((share - 0.2).abs().max()) < 0.02


def test_get_policy_picks_by_the_modalities() -> None:
    assert isinstance(get_policy("strong", False, modalities=GROUPS), ModalStrong)
    assert isinstance(
        get_policy("contrastive", False, modalities=GROUPS), ModalContrastive
    )
    dropped = get_policy("strong", False, modalities=GROUPS, dropout=0.1)
    assert isinstance(dropped, WithoutModalities)
    assert isinstance(get_policy("weak", False, modalities=GROUPS, dropout=0.1), Weak)
    assert isinstance(get_policy("strong", False), SpectralStrong)


def test_facts_alone_and_radar_alone_have_views_too() -> None:
    for bands in (("season=summer",), ("s1:VV", "s1:VH")):
        images = packed()[:, : len(bands)]
        for policy in modal_policies(groups(bands), dropout=0.5).values():
            assert policy(images, seeded()).shape == images.shape


def test_a_negative_height_is_refused() -> None:
    with pytest.raises(WorkshopError, match="height=-1"):
        ModalStrong(GROUPS, height=-1)
