"""Checks of unit 09: the loss of several tasks, their gradients, and label curves."""

__all__ = ["gradient_cosine", "labels_needed", "multitask_loss"]

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from workshop_lib.course.checks.attempt import (
    Answer,
    Attempt,
    Case,
    Cases,
    Mistakes,
    comparison,
)
from workshop_lib.course.checks.values import draws, noise
from workshop_lib.models.class_heads import Categorical
from workshop_lib.pixels import IGNORE

Parts = dict[str, Tensor]  # by task


def _all_learn(attempt: Attempt, case: str, args: Case) -> None:
    """Check that each prediction gets a gradient, without NaN."""
    out = {name: values.clone().requires_grad_() for name, values in args[0].items()}
    loss = attempt.run(case, out, *args[1:])
    learns = isinstance(loss, Tensor) and loss.requires_grad
    attempt.require(learns, "detached", "a number without gradient", "one with it")
    found = torch.autograd.grad(loss, list(out.values()), materialize_grads=True)
    fine = all(bool(g.isfinite().all() and g.any()) for g in found)
    attempt.require(fine, "gradient", "no gradient, or NaN, of one task", "numbers")


@comparison("multitask_loss(out, target, weights)", then=_all_learn)
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


@comparison("labels_needed(labels, accuracy, target)")
def labels_needed(cases: Cases, wrong: Mistakes) -> Answer:
    """Check the number of labels that a label curve needs to reach a target.

    The learner's function takes the labels in rising order, the accuracy with each, and
    the accuracy to reach; it gives the fewest labels that reach it, or math.inf.
    """
    labels, curve = [1, 4, 10, 25], [0.25, 0.5, 0.75, 0.625]
    cases["a target between two points"] = labels, curve, 0.7
    cases["a target that a point just meets"] = labels, curve, 0.5
    cases["a target that is not reached"] = labels, curve, 0.9
    wrong["above"] = lambda n, a, t: _needed(n, a, t + 1e-9)
    wrong["position"] = lambda n, a, t: _needed([0, 1, 2, 3], a, t)
    wrong["not_reached"] = lambda n, a, t: min(_needed(n, a, t), n[-1])
    return _needed


def _needed(labels: list[int], accuracy: list[float], target: float) -> float:
    reach = (n for n, a in zip(labels, accuracy, strict=True) if a >= target)
    return next(reach, math.inf)
