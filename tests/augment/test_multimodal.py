"""Views of several sensors: one geometry for all, physics for each, gaps kept."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from workshop_lib.augment.geometry import Weak
from workshop_lib.augment.multimodal import SampleAugmentation
from workshop_lib.augment.occlusion import ModalityDropout
from workshop_lib.augment.spectral import Elevation, Radar
from workshop_lib.errors import WorkshopError
from workshop_lib.sample import Sample

CHANNELS = {"s2": 2, "s1": 2, "dem": 1, "cover": 1}
VIEWS = pytest.mark.parametrize("name", ["weak", "strong", "contrastive"])
OPTICS = pytest.mark.parametrize("optical", ["s2", "rgb"])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sample_of(n: int = 4, side: int = 16, seed: int = 0, optical: str = "s2") -> Sample:
    draw = seeded(seed)

    def images(channels: int) -> Tensor:
        return torch.rand(n, channels, side, side, generator=draw)

    return {
        optical: images(3 if optical == "rgb" else 2),
        "s1": images(2) * 10 - 20,
        "dem": images(1) * 100 + 500,
        "cover": images(1),
    }


def view_of(sample, name, seed=0, mover=None):
    channels = {k: v.shape[1] for k, v in sample.items()}
    augmentation = SampleAugmentation(name, channels, mover=mover)
    first = next(iter(sample.values()))
    B, _, H, W = first.shape
    generator = seeded(seed)
    moves = mover.sample_params(first.shape, generator) if mover else None
    params = augmentation.sample_params(B, (H, W), generator, moves)
    return augmentation.apply({k: v.clone() for k, v in sample.items()}, params)


@VIEWS
@OPTICS
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_one_geometry_for_all(name, optical, seed):
    """The same picture in elevation and in the cover map ends up at the same place."""
    sample = sample_of(seed=seed, optical=optical)
    sample["cover"] = (sample["dem"] - 500) / 100
    view = view_of(sample, name, seed)
    assert list(view) == list(sample)
    difference = (view["dem"] / 100 - view["cover"]).double().flatten(1)
    # equal but for the offset of the datum, the same at all pixels of an image
    spread = (difference - difference.mean(1, keepdim=True)).abs().max()
    assert float(spread) < 1e-4


@OPTICS
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_a_mover_decides_the_geometry_and_values_change_as_ever(optical, seed):
    sample = sample_of(seed=seed, optical=optical)
    weak = view_of(sample, "weak", seed, mover=Weak())
    strong = view_of(sample, "strong", seed, mover=Weak())
    alike = weak["cover"] == strong["cover"]
    assert float(alike.float().mean()) > 0.7  # all but what cutout hides
    for image, lift in zip(alike, strong["dem"] - weak["dem"], strict=True):
        assert float(lift[image].max() - lift[image].min()) < 1e-3
    assert not torch.allclose(weak[optical], strong[optical])


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_radar_and_optics_do_not_touch_each_other(seed):
    """What happens to reflectance does not depend on what the radar saw, and back."""
    sample, other = sample_of(seed=seed), sample_of(seed=seed)
    other["s1"] = other["s1"] - 5
    one, two = view_of(sample, "strong", seed), view_of(other, "strong", seed)
    for name in ("s2", "dem", "cover"):
        assert torch.equal(one[name], two[name])
    torch.testing.assert_close(two["s1"], one["s1"] - 5, rtol=0, atol=1e-3)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), name=st.sampled_from(["weak", "strong"]))
def test_a_part_of_the_sensors_gives_that_part_of_the_view(seed, name):
    sample = sample_of(seed=seed)
    whole = view_of(sample, name, seed)
    augmentation = SampleAugmentation(name, CHANNELS)
    params = augmentation.sample_params(4, (16, 16), seeded(seed))
    for kept in (["s1"], ["s2"], ["dem", "s2"]):
        part = augmentation.apply({k: sample[k].clone() for k in kept}, params)
        assert list(part) == kept
        for k in kept:
            torch.testing.assert_close(part[k], whole[k], rtol=0, atol=1e-6)


def test_elevation_is_lifted_by_one_offset_and_radar_by_decibels():
    sample = sample_of(n=64)
    lift = Elevation()(sample["dem"], seeded()) - sample["dem"]
    assert float((lift - lift[:, :, :1, :1]).abs().max()) < 1e-3
    assert 5 < float(lift.abs().amax()) <= 30.001
    change = Radar()(sample["s1"], seeded()) - sample["s1"]
    quiet = change.abs().amax((1, 2, 3)) == 0
    assert 4 <= int(quiet.sum()) <= 32  # a quarter on average: neither was drawn
    assert float(change.mean((2, 3)).abs().amax()) < 4


def test_speckle_has_the_law_of_four_looks():
    offset, speckle = Radar().sample_params((4000, 1, 2, 2), seeded())
    some = speckle.amax((1, 2, 3)) != 0
    assert 0.45 < float(some.float().mean()) < 0.55
    assert float(offset.abs().max()) <= 1.5
    full = Radar(speckle=1.0, probability=1.0)
    _, many = full.sample_params((2, 1, 400, 400), seeded(1))
    skew = ((many - many.mean((2, 3), keepdim=True)) ** 3).mean((2, 3))
    assert (skew < 0).all()  # a few dark pixels: logarithm of a gamma law


@VIEWS
@OPTICS
def test_a_missing_sensor_stays_missing_and_spoils_nothing(name, optical):
    sample, lacking = sample_of(optical=optical), sample_of(optical=optical)
    lacking["s1"][1] = math.nan
    lacking[optical][2] = math.nan
    whole, view = view_of(sample, name, 3), view_of(lacking, name, 3)
    assert view["s1"][1].isnan().all() and view[optical][2].isnan().all()
    missing = 0
    for k in sample:
        there = ~view[k].isnan()
        assert torch.equal(view[k][there], whole[k][there])
        missing += int((~there).sum())
    assert missing == view["s1"][1].numel() + view[optical][2].numel()


def test_a_gap_in_reflectance_leaves_the_rest_of_the_image():
    sample = sample_of()
    sample["s2"][0, :, :4] = math.nan  # the edge of a swath
    view = view_of(sample, "strong", 2, mover=Weak(0, "none"))
    gap = view["s2"][0].isnan()
    assert gap[:, :4].all() and not gap.all() and view["s2"][1:].isfinite().all()


def test_photographs_beside_reflectance_change_their_tone():
    sample = sample_of() | {"rgb": torch.rand(4, 3, 16, 16, generator=seeded(9))}
    for name in ("strong", "contrastive"):
        view = view_of(sample, name)
        assert view["rgb"].min() >= 0 and view["rgb"].max() <= 1
        assert not torch.allclose(view["rgb"], view_of(sample, "weak")["rgb"])


def test_radar_alone_has_views_too():
    for name in ("weak", "strong", "contrastive", "none"):
        radar = {"s1": sample_of()["s1"]}
        assert view_of(radar, name)["s1"].shape == radar["s1"].shape


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), chance=st.floats(0.05, 0.95))
def test_dropout_leaves_a_sensor_that_the_image_has(seed, chance):
    draw = seeded(seed)
    present = torch.rand(16, 3, generator=draw) < 0.6
    present[:, 0] |= ~present.any(1)  # an image has something
    images = {
        str(k): torch.zeros(16, 2, 3, 3).masked_fill(
            ~present[:, k].view(-1, 1, 1, 1), torch.nan
        )
        for k in range(3)
    }
    dropout = ModalityDropout(chance, images)
    assert torch.equal(dropout.present, present)
    index = torch.randint(0, 16, (40,), generator=draw)
    numbers = torch.rand(40, 3, generator=seeded(seed))
    every = torch.ones(3, dtype=torch.bool)
    dropped = dropout(index, every, seeded(seed))
    for row in range(40):  # a loop as the twin
        mine = present[index[row]]
        highest = max(float(numbers[row, k]) for k in range(3) if mine[k])
        for k in range(3):
            number = float(numbers[row, k])
            gone = number < dropout.probability and number < highest
            # float32 against the probability's float64
            if abs(number - dropout.probability) > 1e-6:
                assert bool(dropped[row, k]) == gone
        assert (mine & ~dropped[row]).any()
    # A view that shows one sensor keeps it
    alone = torch.tensor([False, True, False])
    shown = present[index][:, 1]
    assert not dropout(index, alone, draw)[shown][:, 1].any()


def test_bad_arguments_are_refused():
    with pytest.raises(WorkshopError, match="for RGB alone"):
        SampleAugmentation("randaugment_mc", {"rgb": 3, "dem": 1})
    with pytest.raises(WorkshopError, match="for RGB alone"):
        SampleAugmentation("randaugment_mc", {"rgb": 3}, mover=Weak())
