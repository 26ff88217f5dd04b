"""The learning rate as a pure function of the step: it has no state to save."""

__all__ = ["cosine_7_16"]

import math

from workshop_lib.errors import WorkshopError


def cosine_7_16(step: int, total: int, warmup: int = 0) -> float:
    """Return the factor of the peak learning rate at a step.

    The cosine stops at 7/16 of a half turn: cos(7 pi/16 * progress) falls slowly at
    first and ends at 0.195, not at 0, so that the last steps still learn (Sohn et al.
    2020, section 2.4).

    Args:
        step: steps already taken, from 0.
        total: steps of the whole training, warm-up included.
        warmup: steps of the linear rise from 0; the paper has none, Adam needs some.

    Returns:
        A number in [0, 1]; multiply the peak rate by it. Meant for step <= total.

    Raises:
        WorkshopError: a negative step or warm-up, or no steps at all.
    """
    if step < 0 or total < 1 or warmup < 0:
        raise WorkshopError(
            f"step={step}, total={total}, warmup={warmup}: expected step >= 0,"
            " total >= 1 and warmup >= 0."
        )
    # 1) the linear rise
    if step < warmup:
        return step / warmup
    # 2) the slow fall
    progress = (step - warmup) / max(1, total - warmup)
    return max(0.0, math.cos(7 * math.pi / 16 * progress))
