"""Checks of unit 07: facts as numbers, statistics of sensors, fusion and its worth."""

__all__ = [
    "channel_statistics",
    "encode_facts",
    "late_forward",
    "predict_parameters",
    "verdict",
]

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workshop_lib.course.checks.attempt import Attempt, exercise
from workshop_lib.course.checks.values import noise
from workshop_lib.models import HeadSpec, build_model
from workshop_lib.models.fusion import STEM
from workshop_lib.models.model import parameter_counts

_FUSIONS = ("early", "middle", "late", "shared")
_FEATURES = 96  # of a backbone


@exercise("encode_facts(day, zone, num_zones)")
def encode_facts(attempt: Attempt) -> str:
    """Check that days are put on a circle and zones become one-hot.

    The learner's function takes days of the year (N,), zones (N,) counted from 0 and
    their number, and gives (N, 2 + num_zones).
    """
    seasons, parts = torch.tensor([1, 91, 172, 300]), torch.tensor([10.5, 200.25, 47])
    last = torch.tensor([365]), torch.tensor([1]), 2
    cases = {
        "four seasons, 4 zones": (seasons, torch.tensor([0, 3, 1, 3]), 4),
        "the last day of the year, 2 zones": last,
        "a zone that no patch has": (parts, torch.tensor([2, 0, 2]), 5),
    }
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
}


@exercise("channel_statistics(images, train)")
def channel_statistics(attempt: Attempt) -> str:
    """Check mean and deviation per channel: training patches, without gaps.

    The learner's function takes (N, C, H, W), NaN where a sensor is missing, and the
    positions of the training patches, and gives mean and deviation, (C,) each.
    """
    gaps, other = _patches(0, gaps=(1, 4, 5, 9, 50)), _patches(2, gaps=(3, 30, 41))
    cases = {
        "patches that sometimes lack the radar": (gaps, torch.arange(40)),
        "no gaps": (_patches(1), torch.arange(40)),
        "the last patches are for training": (other, torch.arange(20, 60)),
    }
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


_STATISTICS = {
    "all_patches": lambda x, train: _statistics(x, torch.arange(len(x))),
    "nan": lambda x, train: (x[train].mean((0, 2, 3)), x[train].std((0, 2, 3))),
    "gaps_as_zero": lambda x, train: _statistics(x.nan_to_num(0.0), train),
}


def _backbone() -> nn.Module:
    # Each takes two channels, so that a mix-up is named and does not only crash
    pooled = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(nn.Conv2d(2, 5, 3), nn.Tanh(), *pooled)


def _two(seed: int) -> nn.ModuleDict:
    """Make the parts of the notebook's class: a backbone per sensor, and one head."""
    with torch.random.fork_rng(devices=[]):  # the learner's own numbers stay
        torch.manual_seed(seed)
        return nn.ModuleDict(
            {"s2": _backbone(), "s1": _backbone(), "head": nn.Linear(10, 4)}
        )


@exercise("late_forward(model, s2, s1)")
def late_forward(attempt: Attempt) -> str:
    """Check that each sensor goes through its own backbone, and both to one head.

    The learner's function takes a model with the parts `s2`, `s1` and `head`, and two
    batches (B, C, H, W), and gives logits (B, K).
    """
    cases = {
        "5 patches": (_two(0), noise(5, 2, 8, 8), noise(5, 2, 8, 8, seed=1)),
        "one patch": (_two(1), noise(1, 2, 6, 6, seed=2), noise(1, 2, 6, 6, seed=3)),
    }
    attempt.compare(cases, _late, _LATE)
    model, s2, s1 = _two(2), noise(3, 2, 8, 8), noise(3, 2, 8, 8, seed=1)
    logits = attempt.run("the gradient of 3 patches", model, s2, s1)
    if isinstance(logits, Tensor) and logits.requires_grad:
        logits.square().sum().backward()  # type: ignore[no-untyped-call]
    for name, part in model.named_children():
        learns = any(weight.grad is not None for weight in part.parameters())
        came, expected = f"no gradient in model.{name}", "a gradient in every part"
        attempt.require(learns, "no_gradient", came, expected, part=name)
    return "the logits agree, and both backbones learn"


def _late(model: Any, s2: Tensor, s1: Tensor) -> Tensor:
    logits: Tensor = model.head(torch.cat([model.s2(s2), model.s1(s1)], 1))
    return logits


_LATE = {
    "other_order": lambda m, a, b: m.head(torch.cat([m.s1(b), m.s2(a)], 1)),
    "exchanged": lambda m, a, b: m.head(torch.cat([m.s2(b), m.s1(a)], 1)),
    "shared": lambda m, a, b: m.head(torch.cat([m.s2(a), m.s2(b)], 1)),
    "softmax": lambda m, a, b: _late(m, a, b).softmax(1),
}


@exercise("predict_parameters(c2, c1, classes)")
def predict_parameters(attempt: Attempt) -> str:
    """Check how many parameters each fusion has, predicted from its parts.

    The learner's function takes the channels of two sensors and the number of classes,
    and gives four counts: early, middle, late, shared. One in ten thousand is
    tolerated: the library also learns a value for each missing channel.
    """
    cases = {
        "4 + 2 channels, 10 classes": (4, 2, 10),
        "12 + 2 channels, 19 classes": (12, 2, 19),
        "3 + 1 channels, 5 classes": (3, 1, 5),
    }
    attempt.compare(cases, _parameters, _PARAMETERS)
    return f"{', '.join(_FUSIONS)}: as the library's networks count themselves"


def _parameters(c2: int, c1: int, classes: int) -> list[int]:
    """Build the four networks and count."""
    sensors, heads = {"s2": c2, "s1": c1}, {"scene": HeadSpec("categorical", classes)}
    with torch.random.fork_rng(devices=[]):
        networks = [
            build_model("small_cnn", sensors, heads, fusion=kind) for kind in _FUSIONS
        ]
    return [parameter_counts(network)["total"] for network in networks]


def _no_stems(c2: int, c1: int, classes: int) -> list[int]:
    early, middle, late, shared = _parameters(c2, c1, classes)
    stems = 9 * (c2 + c1) * STEM + 4 * STEM
    return [early, middle - stems, late, shared - stems]


def _one_head(c2: int, c1: int, classes: int) -> list[int]:
    early, middle, late, shared = _parameters(c2, c1, classes)
    other = _FEATURES * classes  # weights of the head for the second sensor
    return [early, middle, late - other, shared - other]


_PARAMETERS = {
    "no_stems": _no_stems,
    "one_head": _one_head,
    "order": lambda a, b, k: [_parameters(a, b, k)[i] for i in (0, 1, 3, 2)],
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


_VERDICTS = {
    "mean": lambda gains: _word([sum(gains) / len(gains)] * 2),
    "any_gain": lambda gains: _word(gains, least=1e-9),
    "one_seed": lambda gains: _word(gains, seeds=1),
}
