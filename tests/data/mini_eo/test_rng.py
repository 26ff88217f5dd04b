"""The random numbers of MiniEO: even, independent, the same everywhere."""

import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from workshop_lib.data.mini_eo.landscape import CounterRNG


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


def test_a_patch_does_not_depend_on_its_neighbours():
    some = CounterRNG(5, np.array([3, 40, 17]))
    for name in ("uniform", "chance"):
        args = (0.5,) if name == "chance" else ()
        every = getattr(draws(), name)("x", *args)
        np.testing.assert_array_equal(
            getattr(some, name)("x", *args), every[[3, 40, 17]]
        )
    np.testing.assert_array_equal(
        some.noise("n", 5, 20), draws().noise("n", 5, 20)[[3, 40, 17]]
    )


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
