"""Packing: every modality where its name says, gaps marked, nothing else changed."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workshop_lib.augment.normalize import Normalize
from workshop_lib.channels import groups
from workshop_lib.data.mini_eo import CLIMATE_ZONES, mini_eo
from workshop_lib.data.modalities import known_modalities, pack
from workshop_lib.data.scenes import Scenes
from workshop_lib.errors import WorkshopError

FIXTURE = (
    Path(__file__).parents[3] / "shared/data/bigearthnet_s1s2_sample/benv1_pairs.npz"
)
EVERYTHING = ("s2", "s1", "dem", "cover", "season", "date", "place", "climate", "rain")


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return mini_eo(20, seed=7)


def tiny(**changes) -> Scenes:
    given = {
        "images": torch.rand(3, 2, 4, 4),
        "labels": torch.tensor([0, 1, 0]),
        "class_names": ("a", "b"),
        "names": ("x", "y", "z"),
        "bands": ("B04", "B08"),
        "modalities": {"s1": torch.full((3, 2, 8, 8), -10.0)},
        "metadata": {"season": torch.tensor([0.0, 0.5, math.nan])},
    }
    return Scenes(**{**given, **changes})


def test_each_part_is_where_its_name_says(scenes):
    packed = pack(scenes, EVERYTHING)
    parts = {g.name: packed.images[:, g.channels] for g in groups(packed.bands)}
    assert tuple(parts) == EVERYTHING
    assert torch.equal(parts["s2"], scenes.images)
    assert torch.equal(parts["s1"], scenes.modalities["s1"])
    assert torch.equal(parts["dem"], scenes.modalities["dem"])
    assert torch.equal(parts["cover"].argmax(1).to(torch.uint8), scenes.masks)
    assert torch.equal(parts["cover"].sum(1), torch.ones_like(parts["cover"][:, 0]))
    for name, channel in (("lat", 0), ("lon", 1)):
        value = scenes.metadata[name].view(-1, 1, 1).expand(-1, 32, 32)
        assert torch.equal(parts["place"][:, channel], value)
    zones = parts["climate"][:, :, 0, 0].argmax(1)
    assert torch.equal(zones.float(), scenes.metadata["region"])
    assert (
        packed.bands[-1] == "rain=rain"
        and f"climate={CLIMATE_ZONES[0]}" in packed.bands
    )
    assert torch.equal(packed.labels, scenes.labels) and packed.masks is scenes.masks


@settings(max_examples=8)
@given(st.permutations(EVERYTHING), st.integers(1, len(EVERYTHING)))
def test_a_part_does_not_depend_on_its_neighbours(scenes, order, count):
    whole, part = pack(scenes, EVERYTHING), pack(scenes, order[:count])
    where = {g.name: g for g in groups(whole.bands)}
    for group in groups(part.bands):
        there = whole.images[:, where[group.name].channels]
        assert torch.equal(part.images[:, group.channels], there)


def test_packing_copies(scenes):
    packed = pack(scenes, ("s2", "s1"))
    packed.images.zero_()
    assert scenes.images.abs().sum() > 0
    assert scenes.modalities["s1"].abs().sum() > 0


def test_new_year_is_near_the_old():
    days = {"day_of_year": torch.tensor([365.0, 1.0, 183.0])}
    circle = pack(tiny(metadata=days), ("date",)).images[:, :, 0, 0]
    assert (circle[0] - circle[1]).norm() < 0.05 < 1.9 < (circle[0] - circle[2]).norm()


def test_what_is_missing_is_nan_and_left_out_of_the_statistics():
    s1 = torch.full((3, 2, 4, 4), -10.0)
    s1[2] = 1e6  # means nothing: the patch lacks radar
    gappy = tiny(
        modalities={"s1": s1},
        metadata={
            "season": torch.tensor([0.0, 0.5, math.nan]),
            "has_s1": torch.tensor([1.0, 1.0, 0.0]),
        },
    )
    packed = pack(gappy, ("s2", "s1", "season"))
    assert packed.images[2, 2:].isnan().all() and packed.images[:2].isfinite().all()
    assert packed.images[:, :2].isfinite().all()
    assert "has_s1" not in known_modalities(gappy)
    normalize = Normalize.fit(packed.images, gaps=True)
    assert normalize.mean[2:].tolist() == pytest.approx([-10, -10, 0.25])
    assert normalize.std[2:].tolist() == pytest.approx([1, 1, 0.25])
    with pytest.raises(WorkshopError, match="NaN"):
        Normalize.fit(packed.images)
    with pytest.raises(WorkshopError, match=r"NaN or infinite .* B04"):
        images = gappy.images.clone()
        images[0, 0] = math.nan
        tiny(images=images)


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), share=st.floats(0.0, 0.9))
def test_statistics_of_what_is_there(seed, share):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(9, 2, 3, 3, generator=generator) * 3 - 12
    images[torch.rand(9, 2, generator=generator) < share] = math.nan
    images[0] = 1.0
    fitted = Normalize.fit(images, gaps=True)
    for channel in range(2):
        there = images[:, channel][~images[:, channel].isnan()].double()
        assert float(fitted.mean[channel]) == pytest.approx(
            float(there.mean()), abs=1e-4
        )
        if there.numel() > 9:
            spread = float(there.std(correction=0))
            assert float(fitted.std[channel]) == pytest.approx(spread, rel=1e-3)


def test_coarser_and_finer_modalities_are_resized():
    packed = pack(tiny(), ("s1", "s2"))
    assert packed.images.shape == (3, 4, 4, 4)
    assert torch.equal(packed.images[:, :2], torch.full((3, 2, 4, 4), -10.0))


def test_photographs_are_packed_as_fractions():
    rgb = tiny(
        images=torch.full((3, 3, 4, 4), 255, dtype=torch.uint8),
        bands=("red", "green", "blue"),
    )
    packed = pack(rgb, ("rgb", "s1"))
    assert packed.bands[0] == "rgb:red" and packed.images[:, :3].unique().tolist() == [
        1
    ]


@pytest.mark.parametrize(
    ("names", "word"),
    [((), "at least one"), (("s2", "s2"), "each once"), (("s3",), "s1, s2, season")],
)
def test_what_cannot_be_packed_is_told(names, word):
    with pytest.raises(WorkshopError, match=word):
        pack(tiny(), names)


@pytest.mark.skipif(not FIXTURE.exists(), reason="needs ../shared")
def test_real_sentinel_1_and_2_with_a_patch_that_lacks_radar():
    pairs = np.load(FIXTURE)
    patches = sorted({key.split("/")[0] for key in pairs.files})[:6]

    def stacked(bands, scale):
        rows = [[pairs[f"{p}/{b}"].astype(np.float32) for b in bands] for p in patches]
        return torch.from_numpy(np.stack([np.stack(row) for row in rows])) / scale

    real = Scenes(
        images=stacked(("B02", "B03", "B04", "B08"), 10_000),
        labels=torch.zeros(6, dtype=torch.int64),
        class_names=("unknown",),
        names=tuple(patches),
        bands=("B02", "B03", "B04", "B08"),
        modalities={"s1": stacked(("VV", "VH"), 1)},
        metadata={"has_s1": torch.tensor([1.0, 1, 1, 1, 1, 0])},
    )
    packed = pack(real, ("s2", "s1"))
    assert packed.images.shape == (6, 6, 120, 120)
    fitted = Normalize.fit(packed.images, gaps=True)
    assert -30 < float(fitted.mean[5]) < float(fitted.mean[4]) < 0  # dB: VH below VV
    normal = fitted(packed.images)
    assert normal[5, 4:].isnan().all() and normal[:5].isfinite().all()
