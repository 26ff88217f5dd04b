"""The embedded data set: the same everywhere, right in its physics, quick."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.golden import golden
from workshop_lib.data.mini_eo import BANDS, CLASSES, COVERS, FACTS, generate, mini_eo
from workshop_lib.data.mini_eo.landscape import REGIONS, CounterRNG
from workshop_lib.errors import WorkshopError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_CACHE", str(tmp_path))


@pytest.fixture(scope="module")
def many():
    return generate(400, seed=7)


def of_class(arrays, name):
    return arrays["label"] == CLASSES.index(name)


def test_labels_maps_and_facts_are_the_same_on_every_machine():
    arrays = generate(60, seed=2026)
    digest = hashlib.sha256()
    for name in ("label", "mask", *FACTS):
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    assert digest.hexdigest()[:16] == "d4813c5287508958"


def test_pixels_are_the_same_within_one_grey_level():
    arrays, kept = generate(10, seed=2026), golden("mini_eo")
    for name in ("s2", "s1", "dem"):
        difference = np.abs(arrays[name].astype(int) - kept[name].astype(int))
        assert difference.max() <= 1, name


def test_a_patch_is_the_same_in_a_smaller_set():
    small, large = generate(20, seed=3), generate(170, seed=3)
    for name, array in small.items():
        np.testing.assert_array_equal(array, large[name][:20], err_msg=name)


def test_both_sizes_show_the_same_landscapes(many):
    fine = generate(40, seed=7, size=64)
    assert fine["s2"].shape == (40, 12, 64, 64)
    coarse = fine["s2"].reshape(40, 12, 32, 2, 32, 2).mean(axis=(3, 5))
    for k in range(0, 40, 7):
        a, b = coarse[k, 2].ravel(), many["s2"][k, 2].astype(float).ravel()
        assert np.corrcoef(a, b)[0, 1] > 0.9
    for name in FACTS:
        np.testing.assert_array_equal(fine[name], many[name][:40])


@pytest.mark.parametrize(
    ("scene", "cover"),
    [
        ("AnnualCrop", "cropland"),
        ("Forest", "trees"),
        ("Pasture", "grassland"),
        ("Lake", "water"),
        ("Residential", "building"),
        ("Industrial", "sealed"),
        ("Quarry", "bare"),
    ],
)
def test_scenes_hold_more_of_their_own_cover_than_others_do(many, scene, cover):
    share = (many["mask"] == COVERS.index(cover)).mean(axis=(1, 2))
    mine = of_class(many, scene)
    assert share[mine].mean() > 1.5 * share[~mine].mean()


def median_spectrum(arrays, cover, when=slice(None)):
    """Median reflectance of the pixels of one cover, by band name."""
    s2 = np.moveaxis(arrays["s2"][when], 1, -1) / 10_000
    pixels = s2[arrays["mask"][when] == COVERS.index(cover)]
    return dict(zip(BANDS, np.median(pixels, axis=0), strict=True))


def test_spectra_have_the_shapes_that_remote_sensing_knows(many):
    water, trees = median_spectrum(many, "water"), median_spectrum(many, "trees")
    soil = median_spectrum(many, "bare")
    assert water["B08"] < 0.7 * water["B03"]  # water swallows near infrared
    assert trees["B08"] > 3 * trees["B04"]  # the red edge of leaves
    assert soil["B11"] > soil["B08"] > soil["B04"] > soil["B02"]  # soil rises steadily


def test_water_is_level_and_lower_than_the_land_around(many):
    for k in np.flatnonzero(of_class(many, "Lake")):
        water = many["mask"][k] == COVERS.index("water")
        heights = many["dem"][k, 0]
        assert np.ptp(heights[water]) == 0
        assert heights[~water].min(initial=9999) >= heights[water].max(initial=-9999)


def test_facts_depend_on_each_other_as_documented():
    arrays = generate(2000, seed=9)
    home = arrays["region"][of_class(arrays, "Orchard")]
    share = (home == REGIONS.index("mediterranean")).mean()
    assert 0.3 < share < 0.6  # three of seven shares
    day = arrays["day_of_year"]
    distance = np.minimum(np.abs(day - 172), 365 - np.abs(day - 172))
    np.testing.assert_allclose(arrays["season"], 1 - distance / 182.5, atol=1e-5)
    assert np.corrcoef(arrays["temperature"], arrays["season"])[0, 1] > 0.4
    people = np.isin(arrays["label"], [0, 5, 6, 7, 8, 9])

    def eastward(region):
        here = arrays["region"] == region
        lon = arrays["lon"]
        return lon[here & people].mean() - lon[here & ~people].mean()

    assert all(eastward(region) < 0 for region in range(4))
    assert eastward(4) > 0  # longitude misleads in a region never seen


def test_in_the_preset_places_the_place_says_more_and_the_pixels_less():
    usual, places = generate(400, seed=9), generate(400, seed=9, places=True)
    home = places["region"][of_class(places, "Orchard")]
    assert (home == REGIONS.index("mediterranean")).mean() > 0.7  # twenty of 24
    assert (places["label"] == usual["label"]).all()
    same = places["day_of_year"] == usual["day_of_year"]
    assert same.all()  # other draws are as they were
    noisy, clear = (mini_eo(50, seed=9, places=p).images for p in (True, False))
    assert noisy.std(dim=(2, 3)).mean() > 1.5 * clear.std(dim=(2, 3)).mean()


def test_scenes_carry_everything_that_was_generated():
    scenes = mini_eo(count=30, bands=("B08", "B04"))
    assert scenes.images.shape == (30, 2, 32, 32)
    assert scenes.bands == ("B08", "B04")
    raw = generate(30)["s2"][:, [BANDS.index("B08"), BANDS.index("B04")]]
    np.testing.assert_allclose(scenes.images.numpy(), raw / 10_000, atol=1e-6)
    assert scenes.modalities["s1"].shape == (30, 2, 32, 32)
    assert scenes.masks.shape == (30, 32, 32)
    assert set(scenes.metadata) == set(FACTS)


def test_the_second_call_loads_what_the_first_made(monkeypatch):
    first = mini_eo(count=20, seed=4)

    def never(*args, **kwargs):
        raise AssertionError("made again although it was cached")

    monkeypatch.setattr("workshop_lib.data.mini_eo.generate", never)
    assert mini_eo(count=20, seed=4).images.equal(first.images)


@pytest.mark.parametrize(
    "wrong", [{"size": 48}, {"count": 3}, {"bands": ("B02", "B99")}]
)
def test_wrong_wishes_are_refused_with_what_there_is(wrong):
    with pytest.raises(WorkshopError, match="32|at least one|known are"):
        mini_eo(**wrong)


# --- the random numbers


def draws(seed: int = 5, count: int = 64) -> CounterRNG:
    return CounterRNG(seed, np.arange(count))


def test_numbers_of_today_are_those_of_tomorrow():
    d = draws(2026, 8)
    parts = [
        d.uniform("a"),
        d.normal("b", (3, 4)),
        d.pixels("c", (5,)),
        d.noise("d", 4, 32),
        *d.frame("e", 16),
        d.cell("f", d.frame("e", 16)[0] // 3, d.frame("e", 16)[1] // 3),
    ]
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(p).tobytes() for p in parts))
    assert digest.hexdigest()[:16] == "5e09ae6c8735fea0"


def test_names_and_seeds_give_unrelated_numbers():
    n = 4000
    a = draws(1, n).uniform("a").ravel()
    for other in (draws(1, n).uniform("b"), draws(2, n).uniform("a")):
        assert abs(np.corrcoef(a, other.ravel())[0, 1]) < 0.06


@given(st.integers(0, 2**31 - 1), st.floats(-5, 5), st.floats(0.1, 9))
def test_uniform_stays_between_its_bounds(seed, low, width):
    u = draws(seed, 200).uniform("x", low, low + width)
    assert u.shape == (200, 1, 1)
    assert u.dtype == np.float32
    slack = 1e-5 * (1 + abs(low) + width)
    assert u.min() >= low - slack
    assert u.max() <= low + width + slack


def test_noise_equals_a_loop_over_the_lattice():
    d, cells, size = draws(9, 2), 3, 7
    lattice = 2 * d.pixels("s", (cells + 3, cells + 3)) - 1

    def spline(f: float) -> list[float]:
        return [
            (1 - f) ** 3 / 6,
            (3 * f**3 - 6 * f**2 + 4) / 6,
            (-3 * f**3 + 3 * f**2 + 3 * f + 1) / 6,
            f**3 / 6,
        ]

    expected = np.zeros((2, size, size))
    for n in range(2):
        for y in range(size):
            for x in range(size):
                ty, tx = (y + 0.5) * cells / size, (x + 0.5) * cells / size
                for a, wy in enumerate(spline(ty % 1)):
                    for b, wx in enumerate(spline(tx % 1)):
                        expected[n, y, x] += (
                            wy * wx * lattice[n, int(ty) + a, int(tx) + b]
                        )
    np.testing.assert_allclose(d.noise("s", cells, size), 3.6 * expected, atol=1e-5)
