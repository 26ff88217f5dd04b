"""Checks of units 07, 09 and 11: more than an image goes in, more than a class out.

Several sensors, several tasks; place and date, and a teacher that alone reads them.
"""

__all__ = [
    *("channel_statistics", "encode_facts", "gradient_cosine", "multitask_loss"),
    *("count_entries", "metadata_token", "place_and_date", "student_loss"),
]

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workshop_lib.course.checks.attempt import Answer, Cases, Mistakes, comparison
from workshop_lib.course.checks.training import check_gradients, consistency
from workshop_lib.course.checks.values import draws, generator, noise
from workshop_lib.data.metadata import METADATA_ENCODERS
from workshop_lib.models.class_heads import Categorical
from workshop_lib.pixels import IGNORE

Parts = dict[str, Tensor]  # by task


@comparison("multitask_loss(out, target, weights)", then=check_gradients)
def multitask_loss(cases: Cases, wrong: Mistakes) -> Answer:
    """Check the weighted sum of three losses where targets are missing.

    The learner's function takes predictions and targets by task, and a weight for each:
    "scene" (B, K) and (B,) int64, -1 where unknown; "cover" (B, L, H, W) and (B, H, W)
    int64, 255 where unknown; "elevation" (B,) twice, NaN where unknown. It gives a
    scalar: of each task the mean over what is known, cross-entropy or squared error.
    """
    weights = {"scene": 1.0, "cover": 0.5, "elevation": 2.0}
    cases["8 images, 3 of them with a map"] = *_batch(maps=3), weights
    cases["a batch without any map"] = *_batch(maps=0), weights
    for task in weights:
        only = dict.fromkeys(weights, 0.0) | {task: 1.5}
        cases[f"{task}, with the other weights 0"] = *_batch(maps=3), only
    wrong["unweighted"] = lambda o, t, w: _sum(o, t, w | {"cover": 1, "elevation": 1})
    return _sum


def _batch(maps: int) -> tuple[Parts, Parts]:
    """Make predictions and targets of 8 images: 6 have a class, 5 a height."""
    scene, cover, height = draws(0, 4, 8), draws(0, 3, 8, 5, 6), noise(8)
    scene[1:3], cover[maps:], cover[:, :2, 3:] = -1, IGNORE, IGNORE
    height[[0, 4, 6]] = math.nan
    out = {"scene": noise(8, 4), "cover": noise(8, 3, 5, 6), "elevation": 2 * noise(8)}
    return out, {"scene": scene, "cover": cover, "elevation": height}


def _sum(out: Parts, target: Parts, weights: dict[str, float]) -> Tensor:
    heads = {"scene": Categorical(1, 4), "cover": Categorical([1], 3, dense=True)}
    means = {k: h.supervised_loss(out[k], target[k]) for k, h in heads.items()}
    means["elevation"] = (out["elevation"] - target["elevation"]).square().nanmean()
    return torch.stack([weights[name] * means[name] for name in means]).sum()


@comparison("gradient_cosine(grads_a, grads_b)")
def gradient_cosine(cases: Cases, wrong: Mistakes) -> Answer:
    """Check the cosine between the gradients of two tasks.

    The learner's function takes two lists, the gradient of each layer's weights, of any
    shape; it gives one number for all layers together.
    """
    for seed, name in enumerate(("one pair of tasks", "another pair of tasks")):
        cases[name] = tuple(
            [noise(3, 2, seed=seed + k), noise(5, seed=seed + k + 2)] for k in (0, 1)
        )
    wrong["mean"] = lambda a, b: (_cosine(a[:1], b[:1]) + _cosine(a[1:], b[1:])) / 2
    wrong["first"] = lambda a, b: _cosine(a[:1], b[:1])
    wrong["dot"] = lambda a, b: _long(a) @ _long(b)
    return _cosine


def _long(gradients: list[Tensor]) -> Tensor:
    return torch.cat([gradient.flatten() for gradient in gradients])


def _cosine(a: list[Tensor], b: list[Tensor]) -> Tensor:
    return F.cosine_similarity(_long(a), _long(b), dim=0)


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
    wrong["in_degrees"] = lambda d, z, n: _facts(_circle(d, 180 / math.pi), z, n)
    wrong["half_circle"] = lambda d, z, n: _facts(_circle(d, 0.5), z, n)
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
    cases["no gaps"] = _patches(1), torch.arange(40)
    cases["patches that sometimes lack the radar"] = gaps, torch.arange(40)
    cases["the last patches are for training"] = other, torch.arange(20, 60)
    wrong["all_patches"] = lambda x, train: _statistics(x, torch.arange(len(x)))
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


@comparison("place_and_date(lat, lon, day)")
def place_and_date(cases: Cases, wrong: Mistakes) -> Answer:
    """Check the vector of place and date (Bernhard et al. 2024).

    The learner's function takes latitude and longitude in degrees and the day of the
    year, (N,) each; it gives (N, 4): lat/90, lon/180, then sine and cosine of the angle
    of the day, where 365 days are a full turn.
    """
    lat, lon = torch.tensor([60.2, -33.9, 0.0]), torch.tensor([24.9, 151.2, -78.5])
    cases["Helsinki, Sydney and Quito"] = lat, lon, torch.tensor([1.0, 172.0, 300.0])
    cases["31 December"] = lat[:1], lon[:1], torch.tensor([365.0])
    wrong["half_turn"] = partial(_vector, year=2 * 365)
    wrong["in_degrees"] = partial(_vector, year=365 * torch.pi / 180)
    wrong["no_turn"] = partial(_vector, year=365 * 2 * torch.pi)
    place, date = (METADATA_ENCODERS[name].encode for name in ("place", "date"))
    return lambda lat, lon, day: torch.cat([place(lat, lon), date(day)], 1)


def _vector(lat: Tensor, lon: Tensor, day: Tensor, year: float = 365) -> Tensor:
    angle = 2 * torch.pi * day / year
    return torch.stack([lat / 90, lon / 180, angle.sin(), angle.cos()], 1)


@comparison("metadata_token(tokens, metadata, first, second, position)")
def metadata_token(cases: Cases, wrong: Mistakes) -> Answer:
    """Check the token that a small network makes of the metadata.

    The learner's function takes tokens (B, T, D), metadata (B, M), two linear layers M
    to D and D to D, and an embedding of the position (D,). It gives (B, T + 1, D): the
    tokens, and behind them second(GELU(first(metadata))) + position.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        road = nn.Linear(4, 8), nn.Linear(8, 8), noise(8, seed=2)
    for B, T in ((3, 5), (1, 2)):
        tokens, metadata = noise(B, T, 8), noise(B, 4, seed=1)
        cases[f"{B} times {T} tokens of 8 numbers"] = tokens, metadata, *road
    wrong["no_gelu"] = partial(_append, activation=lambda hidden: hidden)
    wrong["relu"] = partial(_append, activation=F.relu)
    wrong["everywhere"] = lambda *given: _append(*given[:4], 0) + given[4]
    wrong["no_position"] = lambda *given: _append(*given[:4], 0)
    return _append


def _append(*given: Any, activation: Answer = F.gelu) -> Tensor:
    tokens, metadata, first, second, position = given
    token = second(activation(first(metadata))) + position  # (B, D)
    return torch.cat([tokens, token[:, None]], 1)  # (B, T + 1, D)


@comparison(
    "student_loss(logits_teacher, logits_student, z_teacher, z_student, threshold,"
    " lambda_d)",
    then=partial(check_gradients, weak="teacher"),
)
def student_loss(cases: Cases, wrong: Mistakes) -> Answer:
    """Check what a student learns from unlabelled images and from its teacher.

    The learner's function takes the scores (B, K) of the teacher, for weak views, and
    of the student, for strong ones; the context (B, D) of both; a threshold and the
    weight of the distillation. It gives a scalar: the cross-entropy on the teacher's
    confident pseudo-labels, averaged over all images, plus lambda_d times the mean
    squared difference of the contexts.
    """
    logits, z = (3 * noise(12, 4), noise(12, 4, seed=1)), noise(2, 12, 6, seed=2)
    cases["12 images"] = *logits, *z, 0.8, 0.5
    cases["no distillation, lambda_d = 0"] = *logits, *z, 0.7, 0.0
    cases["no confident prediction"] = *logits, *z, 1.0, 2.0
    wrong["alone"] = lambda *given: _student(*given[:5], 0)
    wrong["unweighted"] = lambda *given: _student(*given[:5], 1)
    wrong["all_images"] = lambda *given: _student(*given[:4], 0, given[5])
    return _student


def _student(*given: Any) -> Tensor:
    teacher, student, z_teacher, z_student, threshold, lambda_d = given
    loss = consistency(teacher.detach(), student, threshold)
    return loss + lambda_d * F.mse_loss(z_student, z_teacher.detach())


@comparison("count_entries(probs, low, high)")
def count_entries(cases: Cases, wrong: Mistakes) -> Answer:
    """Check which labels of which images are confident enough to learn from.

    The learner's function takes probabilities (B, K) and two thresholds; it gives
    (B, K), true where a label is confidently absent or confidently present.
    """
    cases["8 images, 5 labels"] = torch.rand(8, 5, generator=generator()), 0.05, 0.7
    cases["far apart"] = torch.tensor([[0.04, 0.2, 0.5, 0.75, 0.99]]), 0.05, 0.9
    cases["exactly at a threshold"] = torch.tensor([[0.25, 0.5, 0.75]]), 0.25, 0.75
    wrong["one_threshold"] = lambda p, low, high: torch.maximum(p, 1 - p) >= high
    wrong["present"] = lambda p, low, high: p >= high
    wrong["between"] = lambda p, low, high: (p > low) & (p < high)
    wrong["both"] = lambda p, low, high: (p <= low) & (p >= high)
    return lambda p, low, high: (p <= low) | (p >= high)
