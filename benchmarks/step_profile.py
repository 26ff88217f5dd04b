"""Where the time of a step goes, and how near it comes to the machine's peak."""

__all__ = ["PARTS", "peak_flops", "shares_of_step", "step_flops"]

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest import mock

import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from workshop_lib.training import trainer as trainer_module
from workshop_lib.training.step import Precision
from workshop_lib.training.trainer import Trainer

Clock = Callable[[], float]


# From the stored images to normalised views; network and loss; gradient; optimiser; the
# rest: averaged weights, log, learning rate, order of images
PARTS = ("augmentation", "forward", "backward", "optimizer", "loop")


def shares_of_step(
    trainer: Trainer, steps: int = 10, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Take steps with a clock around each part; return the shares of the quickest.

    Returns:
        By the names of `PARTS`; they add up to 1.
    """
    trainer.step()  # buffers of the optimiser come with the first step
    fastest: dict[str, float] = {}
    for _ in range(steps):
        spent: dict[str, float] = {}
        with ExitStack() as clocks:
            for name, owner, attribute in (
                ("augmentation", trainer, "draw_batch"),
                ("forward", trainer_module, "training_step"),
                ("backward", torch.Tensor, "backward"),
                ("optimizer", trainer.scaler, "step"),
            ):
                timed = _timed(getattr(owner, attribute), name, spent, clock)
                clocks.enter_context(mock.patch.object(owner, attribute, timed))
            start = clock()
            trainer.step()
            spent["step"] = clock() - start
        # The step holds them all: what is left is the network and the loss
        spent["forward"] -= spent["backward"] + spent["optimizer"]
        if not fastest or spent["step"] < fastest["step"]:
            fastest = spent
    whole = fastest.pop("step")
    parts = {name: seconds / whole for name, seconds in fastest.items()}
    return {**parts, "loop": 1 - sum(parts.values())}


def _timed(
    work: Callable[..., Any], name: str, spent: dict[str, float], clock: Clock
) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        start = clock()
        result = work(*args, **kwargs)
        spent[name] = spent.get(name, 0.0) + clock() - start
        return result

    return wrapped


def step_flops(trainer: Trainer) -> int:
    """Count the operations of a step's convolutions and matrix products.

    A multiplication and an addition count as two. Normalisation and activations are not
    counted: they take time, but next to no arithmetic.
    """
    with FlopCounterMode(display=False) as counter:
        trainer.step()
    return int(counter.get_total_flops())


def peak_flops(
    precision: Precision, seconds: float = 2.0, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Measure the most operations per second in a format: the best of many tries.

    "matmul" is a large matrix product, the most that this machine gives. "conv" is a
    3 x 3 convolution forward and backward as wide as the last group of WRN-28-2, the
    most that such a network could reach if it were nothing but convolutions.
    """
    square = torch.ones(1024, 1024)
    images = torch.ones(64, 128, 16, 16).contiguous(memory_format=torch.channels_last)
    weight = torch.ones(128, 128, 3, 3, requires_grad=True)
    images.requires_grad_()

    def conv() -> None:
        F.conv2d(images, weight, padding=1).sum().backward()

    work: dict[str, tuple[float, Callable[[], object]]] = {
        "matmul": (2.0 * 1024**3, lambda: square @ square),
        # forward, gradient of the images, gradient of the weights
        "conv": (3 * 2.0 * 64 * 16 * 16 * 128 * 128 * 9, conv),
    }
    best = dict.fromkeys(work, float("inf"))
    end = time.perf_counter() + seconds
    with precision.autocast():
        while time.perf_counter() < end or max(best.values()) == float("inf"):
            for name, (_, run) in work.items():
                start = clock()
                run()
                best[name] = min(best[name], clock() - start)
    return {name: count / best[name] for name, (count, _) in work.items()}
