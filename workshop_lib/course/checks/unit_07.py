"""Checks of unit 07: facts as numbers, statistics of sensors, and what each adds."""

__all__ = ["WORDS", "channel_statistics", "encode_facts", "verdict"]

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from workshop_lib.course.checks.attempt import Attempt, exercise
from workshop_lib.course.checks.inputs import noise

WORDS = ("complementary", "redundant", "harmful", "unsure")


@exercise("encode_facts(day, zone, num_zones)")
def encode_facts(attempt: Attempt) -> str:
    """Check that days are put on a circle and zones become one-hot.

    The learner's function takes days of the year (N,), zones (N,) counted from 0 and
    their number, and gives (N, 2 + num_zones).
    """
    cases = {
        "winter, spring, summer, autumn in 4 zones": (
            torch.tensor([1, 91, 172, 300]), torch.tensor([0, 3, 1, 3]), 4,
        ),
        "the last day of the year, 2 zones": (
            torch.tensor([365]), torch.tensor([1]), 2,
        ),
        "days with a fraction; a zone that no patch has": (
            torch.tensor([10.5, 200.25, 47.0]), torch.tensor([2, 0, 2]), 5,
        ),
    }  # fmt: skip
    attempt.compare(cases, _facts, _FACTS)
    return "days on a circle, then a number for each zone"


def _circle(day: Tensor, turns: float = 1.0) -> Tensor:
    angle = 2 * math.pi * turns * day / 365
    return torch.stack([angle.sin(), angle.cos()], 1)


def _facts(day: Tensor, zone: Tensor, num_zones: int) -> Tensor:
    return torch.cat([_circle(day), F.one_hot(zone, num_zones)], 1)


_FACTS = {
    "no_circle": lambda d, z, n: torch.cat([d[:, None] / 365, F.one_hot(z, n)], 1),
    "half_circle": lambda d, z, n: torch.cat([_circle(d, 0.5), F.one_hot(z, n)], 1),
    "cosine_first": lambda d, z, n: torch.cat([_circle(d).flip(1), F.one_hot(z, n)], 1),
    "zone_as_number": lambda d, z, n: torch.cat([_circle(d), z[:, None]], 1),
    "zones_first": lambda d, z, n: torch.cat([F.one_hot(z, n), _circle(d)], 1),
}


@exercise("channel_statistics(images, train)")
def channel_statistics(attempt: Attempt) -> str:
    """Check mean and deviation per channel: training patches, without gaps.

    The learner's function takes (N, C, H, W), NaN where a sensor is missing, and the
    positions of the training patches, and gives mean and deviation, (C,) each.
    """
    cases = {
        "reflectance, dB and metres; the radar is missing from some patches": (
            _patches(0, gaps=(1, 4, 5, 9, 50)), torch.arange(40),
        ),
        "no gaps": (_patches(1), torch.arange(40)),
        "the last patches are for training": (
            _patches(2, gaps=(3, 30, 41)), torch.arange(20, 60),
        ),
    }  # fmt: skip
    attempt.compare(cases, _statistics, _STATISTICS)
    return "each channel separately, from the training patches, and no gap counted"


def _patches(seed: int, gaps: Sequence[int] = ()) -> Tensor:
    """Make 60 patches in three units that get brighter from the first to the last."""
    middle = torch.tensor([0.2, -12.0, 300.0]).view(1, 3, 1, 1)
    spread = torch.tensor([0.05, 4.0, 90.0]).view(1, 3, 1, 1)
    trend = torch.linspace(-1, 2, 60).view(-1, 1, 1, 1)
    images = middle + spread * (noise(60, 3, 16, 16, seed=seed) + trend)
    images[list(gaps), 1] = torch.nan
    return images


def _statistics(images: Tensor, train: Tensor) -> tuple[Tensor, Tensor]:
    some = images[train].double()
    mean = some.nanmean((0, 2, 3))
    return mean, (some - mean[:, None, None]).square().nanmean((0, 2, 3)).sqrt()


def _of_all_values(images: Tensor, train: Tensor) -> tuple[Tensor, Tensor]:
    known = images[train][~images[train].isnan()]
    return known.mean(), known.std()


_STATISTICS = {
    "all_patches": lambda x, train: _statistics(x, torch.arange(len(x))),
    "nan": lambda x, train: (x[train].mean((0, 2, 3)), x[train].std((0, 2, 3))),
    "gaps_as_zero": lambda x, train: _statistics(x.nan_to_num(0.0), train),
    "all_channels": _of_all_values,
}


@exercise("verdict(gains)")
def verdict(attempt: Attempt) -> str:
    """Check the word for what a modality adds, from its gains seed by seed.

    The learner's `verdict(gains)` takes a list of gains in points, one per seed, and
    gives "complementary", "redundant", "harmful" or "unsure".
    """
    cases = {
        "three seeds that gain: [7.5, 5.0, 9.0]": ([7.5, 5.0, 9.0],),
        "exactly one point each: [1.0, 1.0]": ([1.0, 1.0],),
        "three seeds that lose: [-16.5, -8.0, -12.0]": ([-16.5, -8.0, -12.0],),
        "less than a point up or down: [0.5, -0.25, 0.0]": ([0.5, -0.25, 0.0],),
        "up, but once by half a point: [3.0, 0.5, 2.5]": ([3.0, 0.5, 2.5],),
        "one seed against two: [6.0, -2.0, 5.0]": ([6.0, -2.0, 5.0],),
        "far apart, with a mean near 0: [12.0, -11.0]": ([12.0, -11.0],),
        "one seed alone: [7.5]": ([7.5],),
    }
    attempt.compare(cases, _word, _VERDICTS)
    return f"{len(cases)} lists of gains, from a single seed to three"


def _word(gains: Sequence[float], least: float = 1.0, seeds: int = 2) -> str:
    if len(gains) < seeds:
        return "unsure"
    if min(gains) >= least:
        return "complementary"
    if max(gains) <= -least:
        return "harmful"
    return "redundant" if max(map(abs, gains)) < 1 else "unsure"


def _by_the_mean(gains: Sequence[float]) -> str:
    return _word([sum(gains) / len(gains)] * 2)


def _by_any(gains: Sequence[float]) -> str:
    if len(gains) < 2:
        return "unsure"
    if max(gains) >= 1:
        return "complementary"
    return "harmful" if min(gains) <= -1 else "redundant"


_VERDICTS = {
    "mean": _by_the_mean,
    "any": _by_any,
    "any_gain": lambda gains: _word(gains, least=1e-9),
    "one_seed": lambda gains: _word(gains, seeds=1),
}
