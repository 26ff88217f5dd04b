"""Checks of unit 04: memory of a training step, pseudo-labels, and FixMatch's loss.

`consistency` and `check_gradients` also serve the loss of pixels in unit 08.
"""

__all__ = [
    "check_gradients",
    "confidence_mask",
    "consistency",
    "fixmatch_loss",
    "predict_memory",
    "pseudo_labels",
]

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from workshop_lib.course.checks.attempt import Attempt, Case, exercise, judge
from workshop_lib.course.checks.values import as_tensor, describe_value, noise
from workshop_lib.files import human_size

_CLOSE = 1.5  # a prediction within this factor decides what fits into memory
_NEAR = 1.12  # a slip is recognised if its factor is met within 12 %


@exercise("pseudo_labels(logits)")
def pseudo_labels(attempt: Attempt) -> str:
    """Check the class that a model predicts for each unlabelled image.

    The learner's `pseudo_labels(logits)` takes (N, K) and gives (N,) int64.
    """
    cases = {
        "one image, three classes": (torch.tensor([[0.1, 2.0, -1.0]]),),
        "6 images, 4 classes": (noise(6, 4),),
        "3 images, 10 classes": (noise(3, 10, seed=1),),
    }
    attempt.compare(cases, lambda z: z.argmax(dim=1), _LABELS)
    found = as_tensor(attempt.run("6 images, 4 classes", noise(6, 4)))
    whole = found is not None and not found.is_floating_point()
    came = describe_value(found)
    attempt.require(whole, "floats", came, "int64")
    return f"{len(cases)} batches, one class per image"


_LABELS = {
    "over_images": lambda z: z.argmax(dim=0),
    "largest_logit": lambda z: z.amax(dim=1),
    "confidence": lambda z: z.softmax(dim=1).amax(dim=1),
    "soft": lambda z: z.softmax(dim=1),
}


@exercise("confidence_mask(logits, threshold)")
def confidence_mask(attempt: Attempt) -> str:
    """Check which unlabelled images are predicted with enough confidence to be used.

    The learner's `confidence_mask(logits, threshold)` takes (N, K) scores and gives
    (N,), 1 (or True) where the largest probability is at least the threshold.
    """
    undecided = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 0.2]])
    cases = {
        "6 images, 4 classes": (2 * noise(6, 4), 0.6),
        "large logits with low confidence": (5 + noise(4, 3, seed=2), 0.8),
        "small logits with high confidence": (4 * noise(5, 3, seed=3) - 15, 0.7),
        "a confidence of exactly the threshold, 0.5": (undecided, 0.5),
    }
    attempt.compare(cases, _mask, _MASK)
    return f"{len(cases)} batches, also where the threshold is just reached"


def _mask(logits: Tensor, threshold: float) -> Tensor:
    return logits.softmax(dim=1).amax(dim=1) >= threshold


_MASK = {
    "greater_only": lambda z, t: z.softmax(dim=1).amax(dim=1) > t,
    "logits": lambda z, t: z.amax(dim=1) >= t,
    "softmax_over_images": lambda z, t: z.softmax(dim=0).amax(dim=1) >= t,
    "every_class": lambda z, t: z.softmax(dim=1) >= t,
}


@exercise("fixmatch_loss(logits_x, y, logits_u_w, logits_u_s, threshold)")
def fixmatch_loss(attempt: Attempt) -> str:
    """Check the loss of FixMatch: its value, and where its gradient goes.

    The learner's function takes the scores of the labelled images (B, K), their labels
    (B,), the scores of the weak and of the strong view of the unlabelled images
    (N, K) each, and the threshold; it gives a scalar (Sohn et al. 2020, eq. 3 and 4,
    with weight 1).
    """
    # The strong view is more confident than the weak one, so that a swap is seen
    cases = {
        "4 labelled, 12 unlabelled images, some of them confident": (
            noise(4, 5), torch.tensor([0, 4, 2, 2]),
            3 * noise(12, 5, seed=1), 4 * noise(12, 5, seed=2), 0.8,
        ),
        "no confident image": (
            noise(2, 3, seed=3), torch.tensor([1, 0]),
            noise(6, 3, seed=4), 2 * noise(6, 3, seed=5), 0.99,
        ),
        "an image that just reaches the threshold, 0.5": (
            noise(3, 2, seed=6), torch.tensor([0, 1, 1]),
            torch.tensor([[0.0, 0.0], [0.0, 4.0]]), noise(2, 2, seed=7), 0.5,
        ),
    }  # fmt: skip
    attempt.compare(cases, _whole(consistency), _LOSSES)
    check_gradients(attempt, *next(iter(cases.items())), weak="logits_u_w")
    return "value and gradients agree with the library, also with no confident image"


def consistency(
    weak: Tensor,
    strong: Tensor,
    threshold: float,
    seen: Tensor | bool = True,
    *,
    by_confident: bool = False,
) -> Tensor:
    """Compute FixMatch's loss of the unlabelled, of images or of pixels.

    Args:
        weak, strong: scores (N, K) or (N, K, H, W); the pseudo-labels are the weak's.
        threshold: least confidence of a pseudo-label that is used.
        seen: where there is something to compare, (N,) or (N, H, W) bool.
        by_confident: make a mistake: divide by the confident ones instead of by all.
    """
    confidence, pseudo = weak.softmax(dim=1).max(dim=1)
    each = F.cross_entropy(strong, pseudo, reduction="none")
    used = (confidence >= threshold) & seen
    every = used if by_confident else seen & torch.ones_like(used)
    return (each * used).sum() / every.sum()


def check_gradients(attempt: Attempt, case: str, given: Case, weak: str) -> None:
    """Check that every view but the weak one is learnt from, on one case."""
    names = attempt.call.partition("(")[2].rstrip(")").split(", ")
    args = {
        name: arg.clone().requires_grad_() if name.startswith("logits") else arg
        for name, arg in zip(names, given, strict=True)
    }
    loss = attempt.run(case, *args.values())
    learnt = isinstance(loss, Tensor) and loss.requires_grad
    came = f"{describe_value(loss)}, without gradient"
    attempt.require(learnt, "detached", came, "a tensor with gradient")
    views = {name: arg for name, arg in args.items() if name.startswith("logits")}
    grads = torch.autograd.grad(loss, list(views.values()), allow_unused=True)
    for name, grad in zip(views, grads, strict=True):
        learns = grad is not None and bool(grad.any())
        came = f"{'a' if learns else 'no'} gradient through {name}"
        if name == weak:
            attempt.require(not learns, "weak_learns", came, "none", weak=weak)
        else:
            attempt.require(learns, "not_learnt", came, "a gradient", view=name)


def _whole(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Complete a loss of the unlabelled images to that of the exercise."""
    return lambda x, y, weak, strong, t: F.cross_entropy(x, y) + loss(weak, strong, t)


def _mean_too_early(weak: Tensor, strong: Tensor, threshold: float) -> Tensor:
    confidence, pseudo = weak.softmax(dim=1).max(dim=1)
    return F.cross_entropy(strong, pseudo) * (confidence >= threshold).float().mean()


_LOSSES = {
    "by_confident": _whole(lambda w, s, t: consistency(w, s, t, by_confident=True)),
    "exchanged": _whole(lambda w, s, t: consistency(s, w, t)),
    "no_mask": _whole(lambda w, s, t: consistency(w, s, 0.0)),
    "mean_too_early": _whole(_mean_too_early),
    "softmax_twice": _whole(lambda w, s, t: consistency(w, s.softmax(1), t)),
}


def predict_memory(guess: float, measured: float, *, batch_size: int, mu: int) -> None:
    """Check a prediction of the memory that the activations of a training step take.

    Args:
        guess: the learner's, in bytes.
        measured: what the step really keeps, in bytes, at 32 bit and with both views of
            the unlabelled images in one forward pass (`joint_forward=True`): else the
            weak view keeps nothing.
        batch_size: labelled images per step, B.
        mu: unlabelled images per labelled one.

    Raises:
        CheckFailed: off by more than a factor of 1.5; names the slip of that factor.
    """
    judge("predict_memory", lambda: _compare_memory(guess, measured, batch_size, mu))


def _compare_memory(guess: float, measured: float, batch_size: int, mu: int) -> str:
    call = "predict_memory(guess, measured, batch_size=..., mu=...)"
    attempt = Attempt("predict_memory", call, predict_memory)
    attempt.case = f"B = {batch_size}, mu = {mu}"
    number = as_tensor(guess)
    given = number is not None and number.numel() == 1 and float(number) > 0
    came, expected = describe_value(guess), "a number of bytes above 0"
    attempt.require(given, "number", came, expected)
    images, ratio = batch_size * (1 + 2 * mu), float(guess) / measured
    factors = {
        "numbers": 1 / 4,
        "one_view": (1 + mu) / (1 + 2 * mu),
        "labelled_only": batch_size / images,
        "one_image": 1 / images,
        "megabytes": 1e-6,
        "gigabytes": 1e-9,
    }
    distance = {slip: abs(math.log(ratio / factors[slip])) for slip in factors}
    nearest = min(factors, key=distance.__getitem__)
    slip = nearest if distance[nearest] < math.log(_NEAR) else "look"
    holds, expected = 1 / _CLOSE <= ratio <= _CLOSE, f"about {human_size(measured)}"
    expected += f", within a factor of {_CLOSE}"
    values = {"images": images, "B": batch_size, "mu": mu}
    attempt.require(holds, slip, human_size(float(guess)), expected, **values)
    return f"{human_size(float(guess))} predicted, {human_size(measured)} measured"
