"""Checks of unit 07: stacked sensors, their statistics, and what each one adds."""

__all__ = ["WORDS", "channel_statistics", "stack_modalities", "verdict"]

from collections.abc import Sequence

import torch
from torch import Tensor

from workshop_lib.course.checks.attempt import Attempt, exercise
from workshop_lib.course.checks.inputs import noise

WORDS = ("complementary", "redundant", "harmful", "unsure")


@exercise("stack_modalities(first, second, facts)")
def stack_modalities(attempt: Attempt) -> str:
    """Check that two sensors and metadata expanded to maps become one image.

    The learner's function takes (N, C1, H, W), (N, C2, H, W) and (N, K), and gives
    (N, C1 + C2 + K, H, W).
    """
    cases = {
        "5 patches of 4 x 6 pixels: 3 + 2 channels, 2 facts": (
            noise(5, 3, 4, 6), noise(5, 2, 4, 6, seed=1), noise(5, 2, seed=2),
        ),
        "one patch, one fact": (
            noise(1, 2, 3, 3, seed=3), noise(1, 1, 3, 3, seed=4), noise(1, 1, seed=5),
        ),
        "3 patches, 3 facts": (
            noise(3, 4, 5, 5, seed=6), noise(3, 2, 5, 5, seed=7), noise(3, 3, seed=8),
        ),
    }  # fmt: skip
    attempt.compare(cases, _stacked, _STACKED)
    return "both sensors, then each fact as a map of one value per patch"


def _maps(first: Tensor, facts: Tensor) -> Tensor:
    return facts[:, :, None, None].expand(-1, -1, *first.shape[2:])


def _stacked(first: Tensor, second: Tensor, facts: Tensor) -> Tensor:
    return torch.cat([first, second, _maps(first, facts)], 1)


def _mixed(first: Tensor, second: Tensor, facts: Tensor) -> Tensor:
    (N, K), (H, W) = facts.shape, first.shape[2:]
    return torch.cat([first, second, facts.repeat(1, H * W).view(N, K, H, W)], 1)


_STACKED = {
    "no_facts": lambda a, b, f: torch.cat([a, b], 1),
    "exchanged": lambda a, b, f: _stacked(b, a, f),
    "first_patch": lambda a, b, f: _stacked(a, b, f[:1].expand_as(f)),
    "mixed": _mixed,
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
