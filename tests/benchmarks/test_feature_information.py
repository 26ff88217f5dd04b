"""What docs/mini_eo.md says of each part: complementary, redundant, misleading."""

import itertools
from functools import cache

import numpy as np
import pandas as pd
import pytest

from benchmarks.feature_information import far_away, features, worth
from workshop_lib.data.dataset import Dataset
from workshop_lib.data.mini_eo import BANDS, mini_eo
from workshop_lib.data.mini_eo.landscape import REGIONS, CounterRNG, draw_acquisition

MADE_BY_PEOPLE = (0, 5, 6, 7, 8, 9)


@pytest.fixture(scope="module")
def facts() -> pd.DataFrame:
    """Place and date of 20,000 patches, without painting them."""
    names = ("region", "lat", "lon", "season", "day_of_year", "wind")
    parts = []
    for scene in range(10):
        place = draw_acquisition(CounterRNG(7, np.arange(scene, 20_000, 10)), scene)
        columns = {name: getattr(place, name) for name in names}
        flat = {k: np.broadcast_to(v, (2000, 1, 1)).ravel() for k, v in columns.items()}
        parts.append(pd.DataFrame({**flat, "label": scene}))
    return pd.concat(parts)


@cache
def scenes() -> Dataset:
    return mini_eo(1000, seed=7, bands=BANDS)


def test_a_region_tells_its_two_home_classes_and_no_more(facts):
    for _, here in facts.groupby("region"):
        shares = np.sort(here["label"].value_counts(normalize=True))
        assert shares[-2:] == pytest.approx(3 / 14, abs=0.025)
        assert shares[:-2] == pytest.approx(1 / 14, abs=0.02)


def test_place_tells_the_climate_zone_exactly(facts):
    """So climate beside place is redundant: the boxes of the regions do not meet."""
    ends = facts.groupby("region")[["lat", "lon"]]
    low, high = ends.min(), ends.max()
    for a, b in itertools.combinations(low.index, 2):
        apart = (high.loc[a] < low.loc[b]) | (high.loc[b] < low.loc[a])
        assert apart.any(), (REGIONS[int(a)], REGIONS[int(b)])


def test_the_date_tells_the_season_exactly_and_neither_tells_the_class(facts):
    assert (facts.groupby("day_of_year")["season"].nunique() == 1).all()
    quarters = [0.25, 0.5, 0.75]
    for name in ("season", "wind"):
        overall, spread = facts[name].quantile(quarters), np.ptp(facts[name])
        for scene, mine in facts.groupby("label")[name]:
            away = (mine.quantile(quarters) - overall).abs().max()
            assert away < 0.04 * spread, (name, scene)


def test_longitude_tells_man_made_at_home_and_the_opposite_in_the_fifth_region(facts):
    people = facts["label"].isin(MADE_BY_PEOPLE)
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
    alone = [(name,) for name in ("s2", "s1", "season", "dem", "cover")]
    together = [("s2", "s1"), ("s2", "s1", "climate"), ("s2", "season")]
    known = {parts: worth(scenes(), parts, trees=80) for parts in alone + together}
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
