"""Checks of unit 07: facts as numbers, statistics of sensors, fusion and its worth."""

__all__ = [
    "channel_statistics",
    "encode_facts",
    "verdict",
]

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from workshop_lib.course.checks.attempt import (
    Answer,
    Cases,
    Mistakes,
    comparison,
)
from workshop_lib.course.checks.values import noise


@comparison("encode_facts(day, zone, num_zones)")
def encode_facts(cases: Cases, wrong: Mistakes) -> Answer:
    """Check that days are put on a circle and zones become one-hot.

    The learner's function takes days of the year (N,), zones (N,) counted from 0 and
    their number, and gives (N, 2 + num_zones).
    """
    seasons, parts = torch.tensor([1, 91, 172, 300]), torch.tensor([10.5, 200.25, 47])
    cases["four seasons, 4 zones"] = seasons, torch.tensor([0, 3, 1, 3]), 4
    cases["the last day, 2 zones"] = torch.tensor([365]), torch.tensor([1]), 2
    cases["a zone that no patch has"] = parts, torch.tensor([2, 0, 2]), 5
    wrong["no_circle"] = lambda d, z, n: _facts(d[:, None] / 365, z, n)
    wrong["half_circle"] = lambda d, z, n: _facts(_circle(d, 0.5), z, n)
    wrong["cosine_first"] = lambda d, z, n: _facts(_circle(d).flip(1), z, n)
    wrong["zone_as_number"] = lambda d, z, n: torch.cat([_circle(d), z[:, None]], 1)
    return lambda day, zone, num_zones: _facts(_circle(day), zone, num_zones)


def _circle(day: Tensor, turns: float = 1.0) -> Tensor:
    angle = 2 * math.pi * turns * day / 365
    return torch.stack([angle.sin(), angle.cos()], 1)


def _facts(days: Tensor, zone: Tensor, num_zones: int) -> Tensor:
    return torch.cat([days, F.one_hot(zone, num_zones)], 1)


@comparison("channel_statistics(images, train)")
def channel_statistics(cases: Cases, wrong: Mistakes) -> Answer:
    """Check mean and deviation per channel: training patches, without gaps.

    The learner's function takes (N, C, H, W), NaN where a sensor is missing, and the
    positions of the training patches, and gives mean and deviation, (C,) each.
    """
    gaps, other = _patches(0, gaps=(1, 4, 5, 9, 50)), _patches(2, gaps=(3, 30, 41))
    cases["patches that sometimes lack the radar"] = gaps, torch.arange(40)
    cases["no gaps"] = _patches(1), torch.arange(40)
    cases["the last patches are for training"] = other, torch.arange(20, 60)
    wrong["all_patches"] = lambda x, train: _statistics(x, torch.arange(len(x)))
    wrong["nan"] = lambda x, train: (x[train].mean((0, 2, 3)), x[train].std((0, 2, 3)))
    wrong["gaps_as_zero"] = lambda x, train: _statistics(x.nan_to_num(0.0), train)
    return _statistics


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


@comparison("verdict(gains)")
def verdict(cases: Cases, wrong: Mistakes) -> Answer:
    """Check the word for what a modality adds, from its gains seed by seed.

    The learner's `verdict(gains)` takes a list of gains in points, one per seed, and
    gives "complementary", "redundant", "harmful" or "unsure".
    """
    cases["three seeds that gain: [7.5, 5.0, 9.0]"] = ([7.5, 5.0, 9.0],)
    cases["exactly one point each: [1.0, 1.0]"] = ([1.0, 1.0],)
    cases["three seeds that lose: [-16.5, -8.0, -12.0]"] = ([-16.5, -8.0, -12.0],)
    cases["less than a point up or down: [0.5, -0.25, 0.0]"] = ([0.5, -0.25, 0.0],)
    cases["up, but once by half a point: [3.0, 0.5, 2.5]"] = ([3.0, 0.5, 2.5],)
    cases["one seed against two: [6.0, -2.0, 5.0]"] = ([6.0, -2.0, 5.0],)
    cases["far apart, with a mean near 0: [12.0, -11.0]"] = ([12.0, -11.0],)
    cases["one seed alone: [7.5]"] = ([7.5],)
    wrong["mean"] = lambda gains: _word([sum(gains) / len(gains)] * 2)
    wrong["any_gain"] = lambda gains: _word(gains, least=1e-9)
    wrong["one_seed"] = lambda gains: _word(gains, seeds=1)
    return _word


def _word(gains: Sequence[float], least: float = 1.0, seeds: int = 2) -> str:
    if len(gains) < seeds:
        return "unsure"
    if min(gains) >= least:
        return "complementary"
    if max(gains) <= -least:
        return "harmful"
    return "redundant" if max(map(abs, gains)) < 1 else "unsure"
