"""Distances and blocks on the round Earth."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workshop_lib.data.split_spatial import (
    EARTH_KM,
    block_numbers,
    coordinates,
    nearest_km,
)
from workshop_lib.errors import WorkshopError

place = st.tuples(st.floats(-85, 85), st.floats(-179, 179))


def haversine(a, b):
    """The formula from the books, for one pair."""
    (la, lo), (lb, lp) = (map(math.radians, p) for p in (a, b))
    h = (
        math.sin((lb - la) / 2) ** 2
        + math.cos(la) * math.cos(lb) * math.sin((lp - lo) / 2) ** 2
    )
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(h)))


@settings(max_examples=25, deadline=None)  # the first imports scikit-learn
@given(st.lists(place, max_size=6), st.lists(place, min_size=1, max_size=6))
def test_nearest_is_the_least_distance_by_the_formula(some, others):
    found = nearest_km(np.array(some).reshape(-1, 2), np.array(others))
    expected = [min(haversine(a, b) for b in others) for a in some]
    assert found == pytest.approx(expected, abs=0.01)


def test_nobody_is_infinitely_far():
    found = nearest_km(np.array([[50.0, 8.0]]), np.zeros((0, 2)))
    assert found.tolist() == [math.inf]


def test_nearest_across_the_date_line():
    found = nearest_km(np.array([[0.0, 179.95]]), np.array([[0.0, -179.95]]))
    assert found[0] == pytest.approx(11.1, abs=0.1)


@given(st.lists(place, min_size=2, max_size=12), st.floats(5, 500))
def test_images_of_one_block_are_within_its_diagonal(places, km):
    array = np.array(places)
    numbers = block_numbers(array, km)
    for i in range(len(places)):
        for j in range(i):
            if numbers[i] == numbers[j]:
                # A block is as wide as high in its middle, wider on the equator's side
                shrink = math.cos(math.radians(min(90, abs(places[i][0]) + 5)))
                assert haversine(places[i], places[j]) <= km * (1 + 1 / shrink) * 1.01


def test_blocks_are_as_wide_in_the_north_as_on_the_equator():
    for lat in (0.1, 60.1):
        degree = 111.195 * math.cos(math.radians(lat))  # km to the east
        east = np.arange(0, 300, 1.0) / degree
        numbers = block_numbers(np.stack([np.full(300, lat), east], axis=1), 50.0)
        assert len(set(numbers)) in (6, 7)


def test_positions_are_read_from_the_metadata():
    metadata = {"lat": torch.tensor([1.0, 2.0]), "lon": torch.tensor([[3.0], [4.0]])}
    assert coordinates(metadata).tolist() == [[1, 3], [2, 4]]


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"region": torch.zeros(2)}, "no coordinates.*it has region"),
        ({}, "it has none"),
        (
            {"lat": torch.tensor([1.0, float("nan")]), "lon": torch.zeros(2)},
            "1 of 2 images have no coordinates",
        ),
        (
            {"lat": torch.tensor([5_500_000.0]), "lon": torch.tensor([600_000.0])},
            "not metres of a map projection",
        ),
    ],
)
def test_coordinates_that_are_none(metadata, words):
    with pytest.raises(WorkshopError, match=words):
        coordinates(metadata)


@pytest.mark.parametrize("km", [0, -1, math.nan, math.inf])
def test_blocks_need_a_size(km):
    with pytest.raises(WorkshopError, match="block_km"):
        block_numbers(np.zeros((2, 2)), km)
