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
    attempt.compare(cases, lambda z: z.argmax(dim=1), _LABELS, look=_LABELS_LOOK)
    found = as_tensor(attempt.run("6 images, 4 classes", noise(6, 4)))
    attempt.require(
        found is not None and found.dtype == torch.int64,
        "6 images, 4 classes",
        "the classes are right but not integers: cross_entropy needs int64, as argmax"
        " gives it.",
        describe(found),
        "shape (6,), int64",
    )
    return f"{len(cases)} batches, one class per image"


_LABELS_LOOK = "for each row, name the column of its largest number: (N, K) -> (N,)."
_LABELS = {
    "for each class you named an image: the largest number of each row is wanted, so"
    " reduce over dim=1, the classes.": lambda z: z.argmax(dim=0),
    "you gave the largest logit: its position is wanted, which is argmax.": (
        lambda z: z.amax(dim=1)
    ),
    "you gave the confidence: it says how sure the model is, and argmax of what.": (
        lambda z: z.softmax(dim=1).amax(dim=1)
    ),
    "you gave probabilities, a soft pseudo-label: FixMatch takes the hard one, a single"
    " class per image.": lambda z: z.softmax(dim=1),
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
    attempt.compare(cases, _mask, _MASK, look=_MASK_LOOK)
    return f"{len(cases)} batches, also where the threshold is just reached"


def _mask(logits: Tensor, threshold: float) -> Tensor:
    return logits.softmax(dim=1).amax(dim=1) >= threshold


_MASK_LOOK = (
    "three steps: probabilities of each image (they sum to 1 along dim=1), the largest"
    " of them, and whether it reaches the threshold."
)
_MASK = {
    "an image that just reaches the threshold is left out: use >= rather than >.": (
        lambda z, t: z.softmax(dim=1).amax(dim=1) > t
    ),
    "the logits themselves were compared with the threshold. They have no scale:"
    " softmax first turns them into probabilities.": lambda z, t: z.amax(dim=1) >= t,
    "softmax ran over the images (dim=0), so that the probabilities of a class sum to"
    " 1: those of an image must, dim=1.": (
        lambda z, t: z.softmax(dim=0).amax(dim=1) >= t
    ),
    "you gave the positions of the confident images: a mask has one entry per image, 1"
    " or 0.": lambda z, t: _mask(z, t).nonzero().flatten(),
    "every class of every image was compared: take the largest probability of each"
    " image first.": lambda z, t: z.softmax(dim=1) >= t,
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
        likely = "give one number above 0: the bytes that you predict."
        attempt.fail(case, likely, describe(guess), "a number of bytes")
    ratio = float(number) / measured
    attempt.require(
        1 / _CLOSE <= ratio <= _CLOSE,
        case,
        _slip(ratio, batch_size, mu),
        _size(float(number)),
        f"about {_size(measured)}, within a factor of {_CLOSE}",
    )
    return f"{_size(float(number))} predicted, {_size(measured)} measured"


def _slip(ratio: float, batch_size: int, mu: int) -> str:
    """Name the slips whose factor is that of the prediction, the nearest first."""
    images = batch_size * (1 + 2 * mu)
    slips = {
        "numbers were counted, not bytes: a 32-bit number takes 4.": 1 / 4,
        "only one view of the unlabelled images was counted: the weak and the strong"
        " one both go through the network.": (1 + mu) / (1 + 2 * mu),
        "only the labelled images were counted: the unlabelled ones are"
        f" 2 x {mu} x {batch_size} more.": 1 / (1 + 2 * mu),
        f"a single image was counted: a step has {images}.": 1 / images,
        "the prediction is in MB, and bytes are wanted: times 1e6.": 1e-6,
        "the prediction is in GB, and bytes are wanted: times 1e9.": 1e-9,
    }
    distance = {text: abs(math.log(ratio / factor)) for text, factor in slips.items()}
    near = sorted((d, text) for text, d in distance.items() if d < math.log(_NEAR))
    if near:
        return " Or: ".join(text for _, text in near)
    return (
        "no single slip explains this factor. Multiply again: numbers kept per image,"
        f" times {images} images (B + 2 mu B), times 4 bytes."
    )


def _size(number: float) -> str:
    """Write bytes as people do, in units of a thousand: 22.5 GB."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= size:
            return f"{number / size:,.1f} {unit}"
    return f"{number:,.3g} bytes"
