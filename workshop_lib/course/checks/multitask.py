"""Checks of units 07 and 09: several sensors, and several tasks."""

__all__ = ["channel_statistics", "encode_facts", "gradient_cosine", "multitask_loss"]

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from workshop_lib.course.checks.attempt import Answer, Cases, Mistakes, comparison
from workshop_lib.course.checks.training import check_gradients
from workshop_lib.course.checks.values import draws, noise
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
    wrong["unweighted"] = lambda o, t, w: _sum(o, t, dict.fromkeys(w, 1.0))
    wrong["no_map"] = lambda o, t, w: (
        _sum(o, t, w) + 0 * F.cross_entropy(o["cover"], t["cover"], ignore_index=IGNORE)
    )
    wrong["nan"] = lambda o, t, w: torch.tensor(math.nan)
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
