"""The check of unit 04 that compares a prediction of memory with a measurement."""

__all__ = ["predict_memory"]

import math

from workshop_lib.course.checks.describe import as_tensor, describe
from workshop_lib.course.checks.trial import Trial, settle
from workshop_lib.errors import WorkshopError

_CLOSE = 1.5  # a prediction within this factor is good: it decides what fits
_NEAR = 1.12  # a factor is recognised within 12 %


def predict_memory(guess: float, measured: float, *, batch_size: int, mu: int) -> None:
    """Check a prediction of what the activations of a training step take.

    Args:
        guess: the learner's, in bytes.
        measured: what the step really keeps, in bytes, at 32 bit and with both views of
            the unlabeled images in one forward pass (`joint_forward=True`): else the
            weak view keeps nothing.
        batch_size: labeled images per step, B.
        mu: unlabeled images per labeled one.

    Raises:
        CheckFailed: further off than a factor 1.5; names the factor that explains it.
        WorkshopError: a measurement or a batch that is not positive.
    """
    if min(measured, batch_size, mu) <= 0:
        raise WorkshopError(
            f"measured={measured}, batch_size={batch_size}, mu={mu}: give numbers above"
            " 0, as `workshop budget` prints them."
        )
    settle("predict_memory", lambda: _attempt(guess, measured, batch_size, mu))


def _attempt(guess: float, measured: float, batch_size: int, mu: int) -> str:
    call = "predict_memory(guess, measured, batch_size=..., mu=...)"
    trial = Trial("predict_memory", call, predict_memory)
    case = f"B = {batch_size}, mu = {mu}"
    number = as_tensor(guess)
    if number is None or number.numel() != 1 or not float(number) > 0:
        likely = "give one number above 0: the bytes that you predict."
        trial.fail(case, likely, describe(guess), "a number of bytes")
    ratio = float(number) / measured
    if 1 / _CLOSE <= ratio <= _CLOSE:
        return f"{_size(float(number))} predicted, {_size(measured)} measured"
    trial.fail(
        case,
        _reason(ratio, batch_size, mu),
        _size(float(number)),
        f"about {_size(measured)}, within a factor of {_CLOSE}",
    )


def _reason(ratio: float, batch_size: int, mu: int) -> str:
    """Name the slips whose factor is that of the prediction, the nearest first."""
    images = batch_size * (1 + 2 * mu)
    slips = {
        "numbers were counted, not bytes: a 32-bit number takes 4.": 1 / 4,
        "numbers were taken at 2 bytes (half precision), but the measurement is in"
        " 32 bit, 4 bytes.": 1 / 2,
        "numbers were taken at 8 bytes; torch computes in 32 bit, 4 bytes.": 2,
        "bits were counted: a byte has 8.": 8,
        f"only one view of the {mu * batch_size} unlabeled images was counted: the weak"
        " and the strong one both go through the network.": (1 + mu) / (1 + 2 * mu),
        "the labeled images alone were counted: the unlabeled ones are"
        f" 2 x {mu} x {batch_size} more.": 1 / (1 + 2 * mu),
        f"a single image was counted: a step has {images}.": 1 / images,
        "the number of images was multiplied in twice.": images,
        "the prediction is in MB; bytes are asked for: times 1e6.": 1e-6,
        "the prediction is in GB; bytes are asked for: times 1e9.": 1e-9,
        "the prediction is in kB; bytes are asked for: times 1e3.": 1e-3,
    }
    distance = {text: abs(math.log(ratio / factor)) for text, factor in slips.items()}
    near = [t for t in sorted(slips, key=distance.__getitem__)
            if distance[t] < math.log(_NEAR)]  # fmt: skip
    if near:
        return " Or: ".join(near)
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
