"""What docs/mini_eo.md says of each part: complementary, redundant, misleading."""

from functools import cache

import numpy as np
import pytest

from benchmarks.feature_information import far_away, features, worth
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.mini_eo import BANDS, mini_eo
from workshop_lib.data.mini_eo.landscape import REGIONS, draw_acquisition
from workshop_lib.data.mini_eo.rng import CounterRNG

MADE_BY_PEOPLE = (0, 5, 6, 7, 8, 9)


@pytest.fixture(scope="module")
def facts() -> dict[str, np.ndarray]:
    """Place and date of 20,000 patches, without painting them."""
    names = ("region", "lat", "lon", "season", "day_of_year", "wind")
    found: dict[str, list[np.ndarray]] = {name: [] for name in (*names, "label")}
    for scene in range(10):
        place = draw_acquisition(CounterRNG(7, np.arange(scene, 20_000, 10)), scene)
        for name in names:
            found[name].append(np.broadcast_to(getattr(place, name), (2000, 1, 1)))
        found["label"].append(np.full(2000, scene))
    return {name: np.concatenate(parts).reshape(-1) for name, parts in found.items()}


@cache
def scenes() -> Dataset:
    return mini_eo(1000, seed=7, bands=BANDS)


def test_a_region_tells_its_two_home_classes_and_no_more(facts):
    for region in range(len(REGIONS)):
        here = facts["label"][facts["region"] == region]
        shares = np.sort(np.bincount(here, minlength=10) / len(here))
        assert shares[-2:] == pytest.approx(3 / 14, abs=0.025)
        assert shares[:-2] == pytest.approx(1 / 14, abs=0.02)


def test_place_tells_the_climate_zone_exactly(facts):
    """So climate beside place is redundant: the boxes of the regions do not meet."""
    boxes = [
        [
            (
                facts[axis][facts["region"] == r].min(),
                facts[axis][facts["region"] == r].max(),
            )
            for axis in ("lat", "lon")
        ]
        for r in range(len(REGIONS))
    ]
    for a in range(len(boxes)):
        for b in range(a):
            apart = [
                one[1] < two[0] or two[1] < one[0]
                for one, two in zip(boxes[a], boxes[b], strict=True)
            ]
            assert any(apart), (REGIONS[a], REGIONS[b])


def test_the_date_tells_the_season_exactly_and_neither_tells_the_class(facts):
    days = facts["day_of_year"].astype(int)
    for day in np.unique(days)[::20]:
        assert np.ptp(facts["season"][days == day]) == 0
    for name in ("season", "wind"):
        values = facts[name]
        overall = np.quantile(values, [0.25, 0.5, 0.75])
        for scene in range(10):
            mine = np.quantile(values[facts["label"] == scene], [0.25, 0.5, 0.75])
            spread = np.ptp(values)
            assert np.abs(mine - overall).max() < 0.04 * spread, (name, scene)


def test_longitude_tells_man_made_at_home_and_the_opposite_in_the_fifth_region(facts):
    people = np.isin(facts["label"], MADE_BY_PEOPLE)
    for region in range(len(REGIONS)):
        here = facts["region"] == region
        lon = facts["lon"][here]
        west = (lon - lon.min()) / np.ptp(lon) < 0.5
        excess = people[here][west].mean() - people[here][~west].mean()
        assert excess > 0.2 if region < 4 else excess < -0.2, REGIONS[region]


def test_altitude_repeats_the_elevation():
    parts = features(scenes())
    both = np.corrcoef(parts["dem"][:, 0], parts["altitude"][:, 0])[0, 1]
    assert both > 0.99


@pytest.mark.slow
def test_radar_is_what_complements_reflectances():
    known = {
        parts: worth(scenes(), parts, trees=80)
        for parts in (
            ("s2",),
            ("s1",),
            ("s2", "s1"),
            ("s2", "s1", "climate"),
            ("season",),
            ("dem",),
            ("cover",),
            ("s2", "season"),
        )
    }
    both = known["s2", "s1"]
    assert both > known["s2",] + 0.05 and both > known["s1",] + 0.05
    assert abs(known["s2", "s1", "climate"] - both) < 0.04  # redundant
    assert abs(known["s2", "season"] - known["s2",]) < 0.04
    assert known["season",] < 0.15 < known["dem",] < 0.35
    assert known["cover",] > 0.8 and known["cover",] > both


@pytest.mark.slow
def test_longitude_helps_here_and_harms_there():
    home, away = far_away(mini_eo(2000, seed=7), ("lon",))
    assert home > 0.13 and away < 0.1
