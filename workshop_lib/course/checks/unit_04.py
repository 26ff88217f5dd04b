"""Checks of unit 04: pseudo-label, confidence mask, and memory of a training step."""

__all__ = ["confidence_mask", "predict_memory", "pseudo_labels"]

import math

import torch
from torch import Tensor

from workshop_lib.course.checks.attempt import Attempt, exercise, record
from workshop_lib.course.checks.describe import as_tensor, describe
from workshop_lib.course.checks.inputs import noise
from workshop_lib.errors import WorkshopError

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
    whole, expected = found is not None and not found.is_floating_point(), "int64"
    attempt.require(whole, "6 images, 4 classes", "floats", describe(found), expected)
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
    "positions": lambda z, t: _mask(z, t).nonzero().flatten(),
    "every_class": lambda z, t: z.softmax(dim=1) >= t,
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
        WorkshopError: a measurement or a batch that is not positive.
    """
    if min(measured, batch_size, mu) <= 0:
        raise WorkshopError(
            f"measured={measured}, batch_size={batch_size}, mu={mu}: give numbers above"
            " 0, as `workshop budget` prints them."
        )
    record("predict_memory", lambda: _judge(guess, measured, batch_size, mu))


def _judge(guess: float, measured: float, batch_size: int, mu: int) -> str:
    call = "predict_memory(guess, measured, batch_size=..., mu=...)"
    attempt = Attempt("predict_memory", call, predict_memory)
    case = f"B = {batch_size}, mu = {mu}"
    number = as_tensor(guess)
    if number is None or number.numel() != 1 or not float(number) > 0:
        attempt.fail(case, attempt.hint("number"), describe(guess), "a number of bytes")
    ratio = float(number) / measured
    if not 1 / _CLOSE <= ratio <= _CLOSE:
        values = {"images": batch_size * (1 + 2 * mu), "B": batch_size, "mu": mu}
        likely = " Or: ".join(
            attempt.hint(n, **values) for n in _slips(ratio, **values)
        )
        expected = f"about {_size(measured)}, within a factor of {_CLOSE}"
        attempt.fail(case, likely, _size(float(number)), expected)
    return f"{_size(float(number))} predicted, {_size(measured)} measured"


def _slips(ratio: float, images: int, B: int, mu: int) -> list[str]:
    """Name the slips whose factor is that of the prediction, the nearest first."""
    factors = {
        "numbers": 1 / 4,
        "one_view": (1 + mu) / (1 + 2 * mu),
        "labelled_only": B / images,
        "one_image": 1 / images,
        "megabytes": 1e-6,
        "gigabytes": 1e-9,
    }
    distance = {slip: abs(math.log(ratio / factors[slip])) for slip in factors}
    near = [slip for slip in factors if distance[slip] < math.log(_NEAR)]
    return sorted(near, key=distance.__getitem__) or ["look"]


def _size(number: float) -> str:
    """Write bytes as people do, in units of a thousand: 22.5 GB."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= size:
            return f"{number / size:,.1f} {unit}"
    return f"{number:,.3g} bytes"
