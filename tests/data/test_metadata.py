"""Metadata as a vector: circles, categories, values that are not known."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.golden import golden
from tests.scenes import dataset
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.metadata import (
    KOPPEN,
    METADATA_ENCODERS,
    find_encoder,
    known_metadata,
    metadata_names,
    metadata_vector,
)
from workshop_lib.data.mini_eo import CLIMATE_ZONES, REGIONS, mini_eo
from workshop_lib.errors import WorkshopError


def encoded(name, *numbers):
    return METADATA_ENCODERS[name].encode(*(torch.tensor(n) for n in numbers))


def dataset_with(**metadata) -> Dataset:
    (n,) = {len(values) for values in metadata.values()}
    facts = {k: torch.as_tensor(v) for k, v in metadata.items()}
    images, labels = torch.rand(n, 1, 4, 4), torch.zeros(n, dtype=torch.int64)
    return dataset(images, labels, "a", bands=("B04",), metadata=facts)


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


def test_unknown_values_stay_unknown():
    found = encoded("season_onehot", [10.0, math.nan])
    assert found[0].isfinite().all() and found[1].isnan().all()
    for name in ("region_onehot", "climate", "climate_zone"):
        found = encoded(name, [1.0, math.nan])
        assert found[0].sum() == 1 and found[1].isnan().all()
    both = dataset_with(lat=[1.0, math.nan], rain=[math.nan, 2.0])
    vector = metadata_vector(both, ["rain", "lat"])
    expected = torch.tensor([[math.nan, 1.0], [2.0, math.nan]])
    torch.testing.assert_close(vector, expected, equal_nan=True)


def test_categories_are_ones_and_zeros_by_name():
    ends = encoded("region_onehot", [0.0, 4.0])
    assert torch.equal(ends, torch.eye(5)[[0, 4]])
    assert METADATA_ENCODERS["region_onehot"].parts == REGIONS
    assert len(KOPPEN) == 30 and KOPPEN[26] == "Dfc" and KOPPEN[28:] == ("ET", "EF")
    codes = encoded("climate_zone", [27, 1])  # counted from 1, whole numbers too
    assert codes.argmax(1).tolist() == [26, 0]


@pytest.mark.parametrize(
    ("name", "number", "range_"),
    [("region_onehot", 5.0, "0 to 4"), ("climate_zone", 0.0, "1 to 30"),
     ("climate", 1.5, "0 to 4")],
)  # fmt: skip
def test_a_number_that_is_no_category_is_refused(name, number, range_):
    with pytest.raises(WorkshopError, match=f"numbered {range_}"):
        encoded(name, [1.0, number, math.nan])


def test_place_and_date_are_the_published_vector():
    theirs = golden("metadata_vector")
    columns = {"lat": theirs["lat"], "lon": theirs["lng"]}
    days = {"day_of_year": theirs["day_of_year"]}  # 366 is the same as 1
    found = metadata_vector(dataset_with(**columns, **days), ("place", "date"))
    np.testing.assert_allclose(found, theirs["vector"], rtol=1e-6, atol=1e-6)
    unknown = dataset_with(lat=[1.0], lon=[2.0], day_of_year=[math.nan])
    found = metadata_vector(unknown, ("place", "date"))
    np.testing.assert_allclose(found, theirs["vector_missing_date"], rtol=1e-6)


@given(st.permutations(["date", "place", "climate", "season", "rain"]))
def test_the_numbers_are_in_the_order_of_the_names(order):
    dataset = mini_eo(10, seed=7)
    one_by_one = [metadata_vector(dataset, [name]) for name in order]
    assert torch.equal(metadata_vector(dataset, order), torch.cat(one_by_one, 1))
    labels = [part for name in order for part in metadata_names(dataset, [name])]
    assert metadata_names(dataset, order) == labels


def test_numbers_have_names():
    dataset = mini_eo(10, seed=7)
    names = metadata_names(dataset, ("season", "climate", "region"))
    zones = [f"climate={zone}" for zone in CLIMATE_ZONES]
    assert names == ["season=summer", *zones, "region"]
    pairs = dataset_with(motion=[[1.0, 2.0], [3.0, 4.0]])
    assert metadata_names(pairs, ["motion"]) == ["motion=0", "motion=1"]
    assert metadata_vector(pairs, ["motion"]).tolist() == [[1, 2], [3, 4]]


def test_climate_is_found_under_either_number():
    ours, theirs = dataset_with(region=[0.0]), dataset_with(climate_zone=[27.0])
    assert metadata_names(ours, ["climate"])[0] == "climate=Dfc"
    assert metadata_names(theirs, ["climate"])[26] == "climate=Dfc"
    assert metadata_vector(theirs, ["climate"])[0].argmax() == 26
    assert find_encoder("climate", ()) is None


def test_impossible_names_are_refused():
    dataset = dataset_with(season=[0.5], has_s1=[1.0])
    assert known_metadata(dataset.metadata) == ["season"]
    for names, message in (
        (["season_onehot"], "known are season"),  # it needs the day
        (["season", "season"], "each once"),
        ([], "at least one"),
    ):
        with pytest.raises(WorkshopError, match=message):
            metadata_vector(dataset, names)
