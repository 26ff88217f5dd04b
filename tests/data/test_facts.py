"""Facts as channels: circles, categories, what is not known; old names as they were."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workshop_lib.channels import groups
from workshop_lib.data.facts import FACTS, KOPPEN, SEASONS, find_fact, season_of
from workshop_lib.data.mini_eo import CLIMATE_ZONES, REGIONS, mini_eo
from workshop_lib.data.modalities import known_modalities, pack
from workshop_lib.data.scenes import Scenes
from workshop_lib.errors import WorkshopError


def encoded(name, *numbers):
    return FACTS[name].encode(*(torch.tensor(n) for n in numbers))


def scenes_with(**metadata) -> Scenes:
    (n,) = {len(values) for values in metadata.values()}
    return Scenes(
        images=torch.rand(n, 1, 4, 4),
        labels=torch.zeros(n, dtype=torch.int64),
        class_names=("a",),
        names=tuple(map(str, range(n))),
        bands=("B04",),
        metadata={k: torch.as_tensor(v) for k, v in metadata.items()},
    )


def test_seasons_begin_with_their_first_month():
    days = {1: 0, 59: 0, 60: 1, 151: 1, 152: 2, 243: 2, 244: 3, 334: 3, 335: 0, 366: 0}
    for kind in (torch.float32, torch.int64):
        day = torch.tensor(list(days)).to(kind)
        found = FACTS["season_onehot"].encode(day)
        assert found.argmax(1).tolist() == list(days.values())
    assert SEASONS == ("winter", "spring", "summer", "autumn")


@given(st.integers(1, 366))
def test_a_day_has_one_season_and_it_is_its_months(day):
    (row,) = encoded("season_onehot", [float(day)]).tolist()
    assert sorted(row) == [0, 0, 0, 1]
    lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]  # a loop as the twin
    month, left = 0, day
    while month < 11 and left > lengths[month]:
        left -= lengths[month]
        month += 1
    assert row.index(1) == (month + 1) % 12 // 3


def test_what_is_not_known_stays_not_known():
    found = encoded("season_onehot", [10.0, math.nan])
    assert found[0].isfinite().all() and found[1].isnan().all()
    for name in ("region_onehot", "climate", "climate_zone"):
        found = encoded(name, [1.0, math.nan])
        assert found[0].sum() == 1 and found[1].isnan().all()


def test_categories_are_ones_and_zeros_by_name():
    ends = encoded("region_onehot", [0.0, 4.0])
    assert torch.equal(ends, torch.eye(5)[[0, 4]])
    assert FACTS["region_onehot"].parts == REGIONS
    assert len(KOPPEN) == 30 and KOPPEN[26] == "Dfc" and KOPPEN[28:] == ("ET", "EF")
    codes = encoded("climate_zone", [27, 1])  # counted from 1, whole numbers too
    assert codes.argmax(1).tolist() == [26, 0]


@pytest.mark.parametrize(
    ("name", "number", "range_"),
    [("region_onehot", 5.0, "0 to 4"), ("climate_zone", 0.0, "1 to 30"),
     ("climate", 1.5, "0 to 4")],
)  # fmt: skip
def test_a_number_that_is_no_category_is_told(name, number, range_):
    with pytest.raises(WorkshopError, match=f"numbered {range_}"):
        encoded(name, [1.0, number, math.nan])


def test_old_names_mean_what_they_meant():
    scenes = mini_eo(20, seed=7)
    packed = pack(scenes, ("season", "climate", "region"))
    assert packed.bands == (
        *("season=summer", *(f"climate={zone}" for zone in CLIMATE_ZONES)),
        "region=region",
    )
    column = scenes.metadata["season"].view(-1, 1, 1).expand(-1, 32, 32)
    assert torch.equal(packed.images[:, 0], column)
    zones = torch.eye(len(CLIMATE_ZONES))[scenes.metadata["region"].long()]
    assert torch.equal(packed.images[:, 1:6, 3, 5], zones)
    assert torch.equal(packed.images[:, 6, 0, 0], scenes.metadata["region"])


def test_new_names_are_maps_of_one_season_each():
    scenes = mini_eo(40, seed=7)
    assert {"season_onehot", "region_onehot"} <= set(known_modalities(scenes))
    packed = pack(scenes, ("s2", "season_onehot", "region_onehot"))
    (_, season, region) = groups(packed.bands)
    assert (season.kind, season.bands) == ("fact", SEASONS)
    maps = packed.images[:, season.channels]
    assert torch.equal(maps.sum(1), torch.ones(40, 32, 32))
    assert torch.equal(maps, maps[:, :, :1, :1].expand_as(maps))
    assert set(maps.unique().tolist()) == {0.0, 1.0}
    where = packed.images[:, region.channels, 0, 0].argmax(1)
    assert torch.equal(where.float(), scenes.metadata["region"])
    # They do not depend on which of the patches are there
    few = pack(mini_eo(10, seed=7), ("season_onehot",))
    assert few.bands == tuple(f"season_onehot={name}" for name in SEASONS)


def test_climate_is_found_under_either_number():
    ours, theirs = scenes_with(region=[0.0]), scenes_with(climate_zone=[27.0])
    assert pack(ours, ("climate",)).bands[0] == "climate=Dfc"
    packed = pack(theirs, ("climate",))
    assert packed.bands[26] == "climate=Dfc" and packed.images[0, 26].eq(1).all()
    assert find_fact("climate", ()) is None
    with pytest.raises(WorkshopError, match="unknown modality"):
        pack(scenes_with(season=[0.5]), ("season_onehot",))  # it needs the day


def test_how_much_of_a_summer_a_day_is():
    scenes = mini_eo(50, seed=7)
    ours = season_of(scenes.metadata["day_of_year"])
    torch.testing.assert_close(ours, scenes.metadata["season"])
    solstices = season_of(torch.tensor([172, 355]))
    assert solstices.tolist() == pytest.approx([1, 0], abs=0.01)


def test_land_cover_that_nobody_knows_is_a_gap():
    scenes = mini_eo(10, seed=7)
    scenes.masks[3, :4] = 255
    packed = pack(scenes, ("cover",))
    assert packed.images.shape[1] == 7
    gaps = packed.images.isnan()
    assert gaps[3, :, :4].all() and int(gaps.sum()) == 7 * 4 * 32
