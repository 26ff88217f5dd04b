"""Checks of unit 07: two sensors in one image, and the statistics of each channel."""

__all__ = ["channel_statistics", "stack_modalities"]

from collections.abc import Sequence

import torch
from torch import Tensor

from workshop_lib.augment.normalize import Normalize
from workshop_lib.course.checks.inputs import noise
from workshop_lib.course.checks.trial import Mistake, Trial, exercise


@exercise("stack_modalities(first, second, facts)")
def stack_modalities(trial: Trial) -> str:
    """Check that two sensors and facts blown up to maps become one image.

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
    trial.compare(cases, _stacked, _STACKED, look=_STACK_LOOK)
    return "both sensors, then each fact as a map of one value per patch"


def _maps(first: Tensor, facts: Tensor) -> Tensor:
    return facts[:, :, None, None].expand(-1, -1, *first.shape[2:])


def _stacked(first: Tensor, second: Tensor, facts: Tensor) -> Tensor:
    return torch.cat([first, second, _maps(first, facts)], 1)


def _mixed(first: Tensor, second: Tensor, facts: Tensor) -> Tensor:
    (N, K), (H, W) = facts.shape, first.shape[2:]
    return torch.cat([first, second, facts.repeat(1, H * W).view(N, K, H, W)], 1)


def _one_pixel(first: Tensor, second: Tensor, facts: Tensor) -> Tensor:
    maps = torch.zeros_like(_maps(first, facts).contiguous())
    maps[:, :, 0, 0] = facts
    return torch.cat([first, second, maps], 1)


_STACK_LOOK = (
    "make the facts (N, K, 1, 1), expand them to (N, K, H, W), then torch.cat along"
    " dim=1, the channels."
)
_STACKED = (
    Mistake(
        "the facts are missing: each of the K numbers becomes one more channel.",
        lambda a, b, f: torch.cat([a, b], 1),
    ),
    Mistake(
        "the facts stand in front: keep the order of the arguments, first sensor,"
        " second sensor, facts.",
        lambda a, b, f: torch.cat([_maps(a, f), a, b], 1),
    ),
    Mistake(
        "the two sensors are exchanged: keep the order of the arguments.",
        lambda a, b, f: torch.cat([b, a, _maps(a, f)], 1),
    ),
    Mistake(
        "every patch got the facts of the first one: keep the axis of the patches,"
        " facts[:, :, None, None].",
        lambda a, b, f: torch.cat([a, b, _maps(a, f[:1].expand_as(f))], 1),
    ),
    Mistake(
        "different facts are mixed within one map: repeat and view went through the"
        " numbers in another order than you think. Add two axes and expand.",
        _mixed,
    ),
    Mistake(
        "a fact stands in one pixel and the rest of its map is 0: it holds for the"
        " whole patch, so for every pixel.",
        _one_pixel,
    ),
)


@exercise("channel_statistics(images, train)")
def channel_statistics(trial: Trial) -> str:
    """Check mean and deviation of each channel: training patches, without gaps.

    The learner's function takes (N, C, H, W), NaN where a patch lacks a sensor, and the
    positions of the training patches, and gives mean and deviation, (C,) each.
    """
    cases = {
        "reflectance, dB and metres; some patches lack the radar": (
            _patches(0, gaps=(1, 4, 5, 9, 50)), torch.arange(40),
        ),
        "no gaps": (_patches(1), torch.arange(40)),
        "the last patches are for training": (
            _patches(2, gaps=(3, 30, 41)), torch.arange(20, 60),
        ),
    }  # fmt: skip
    trial.compare(cases, _statistics, _STATISTICS, look=_STATISTICS_LOOK)
    return "each channel by itself, from the training patches, and no gap counted"


def _patches(seed: int, gaps: Sequence[int] = ()) -> Tensor:
    """60 patches in three units, that brighten from the first to the last."""
    middle = torch.tensor([0.2, -12.0, 300.0]).view(1, 3, 1, 1)
    spread = torch.tensor([0.05, 4.0, 90.0]).view(1, 3, 1, 1)
    trend = torch.linspace(-1, 2, 60).view(-1, 1, 1, 1)
    images = middle + spread * (noise(60, 3, 16, 16, seed=seed) + trend)
    images[list(gaps), 1] = torch.nan
    return images


def _statistics(images: Tensor, train: Tensor) -> tuple[Tensor, Tensor]:
    fitted = Normalize.fit(images, train, gaps=True)
    return fitted.mean, fitted.std


def _of_all_values(images: Tensor, train: Tensor) -> tuple[Tensor, Tensor]:
    known = images[train][~images[train].isnan()]
    return known.mean(), known.std()


def _of_each_patch(images: Tensor, train: Tensor) -> tuple[Tensor, Tensor]:
    return images[train].mean((2, 3)), images[train].std((2, 3))


def _complete_only(images: Tensor, train: Tensor) -> tuple[Tensor, Tensor]:
    some = images[train]
    some = some[~some.isnan().flatten(1).any(1)]
    return some.mean((0, 2, 3)), some.std((0, 2, 3))


def _with_axes(images: Tensor, train: Tensor) -> tuple[Tensor, ...]:
    return tuple(one.view(1, -1, 1, 1) for one in _statistics(images, train))


def _variance(images: Tensor, train: Tensor) -> tuple[Tensor, Tensor]:
    mean, std = _statistics(images, train)
    return mean, std.square()


_STATISTICS_LOOK = (
    "take images[train], then the mean over patches, rows and columns, dims (0, 2, 3):"
    " one number per channel is left. `nanmean` leaves out what is missing."
)
_STATISTICS = (
    Mistake(
        "all patches were used: validation and test patches have nothing to say here."
        " Take images[train].",
        lambda x, train: _statistics(x, torch.arange(len(x))),
    ),
    Mistake(
        "NaN came: a missing value entered the mean, and one is enough. `nanmean`"
        " leaves it out; the deviation is the root of a nanmean of squares.",
        lambda x, train: (x[train].mean((0, 2, 3)), x[train].std((0, 2, 3))),
    ),
    Mistake(
        "what is missing was counted as 0. For a radar 0 dB is a very bright value:"
        " leave it out, `nanmean`, instead of replacing it.",
        lambda x, train: _statistics(x.nan_to_num(0.0), train),
    ),
    Mistake(
        "one mean came for all channels together. Decibel, metres and reflectance have"
        " nothing in common: average over dims (0, 2, 3) and keep the channels.",
        _of_all_values,
    ),
    Mistake(
        "each patch was averaged by itself: average over the patches too, dim 0.",
        _of_each_patch,
    ),
    Mistake(
        "whole patches were left out because one sensor is missing: their other sensors"
        " are there, and count.",
        _complete_only,
    ),
    Mistake("the second is the variance: its square root is the deviation.", _variance),
    Mistake(
        "mean and deviation are exchanged: give the mean first.",
        lambda x, train: _statistics(x, train)[::-1],
    ),
    Mistake(
        "the numbers are right, but have axes of length 1: give (C,) each, without"
        " keepdim.",
        _with_axes,
    ),
)
