"""Timing: turns of work, in this process or another; parts of a step; peaks."""

__all__ = [
    "CLOCKS",
    "PARTS",
    "SubprocessTimer",
    "Turn",
    "busy_neighbour",
    "compare",
    "peak_flops",
    "shares_of_step",
    "step_flops",
    "timed",
]

import multiprocessing
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from unittest import mock

import pandas as pd
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from workshop_lib.training import trainer as trainer_module
from workshop_lib.training.step import Precision
from workshop_lib.training.trainer import Trainer

Clock = Callable[[], float]
CLOCKS: dict[str, Clock] = {"wall": time.perf_counter, "processor": time.process_time}
Turn = Callable[[], float]  # does some work and returns the seconds that it took
# From the stored images to normalised views; network and loss; gradient; optimiser; the
# rest: averaged weights, log, learning rate, order of images
PARTS = ("augmentation", "forward", "backward", "optimizer", "loop")
_SPAWN = multiprocessing.get_context("spawn")
_FEWEST = 3  # turns of each, however long they take
_started: list[Turn] = []  # the work of this process, if it is a timer's


def timed(run: Callable[[], object], clock: str = "wall") -> Turn:
    """Make turns of some work in this process, by one of `CLOCKS`."""

    def turn() -> float:
        start = CLOCKS[clock]()
        run()
        return CLOCKS[clock]() - start

    return turn


def compare(work: Mapping[str, Callable[[], float]], seconds: float) -> pd.DataFrame:
    """Let several competitors take turns until the time is over.

    Each does one turn before that does not count: memory is fetched, buffers are made.

    Returns:
        The seconds of each turn: a row for each round, a column for each competitor.
    """
    for turn in work.values():
        turn()
    rounds: list[dict[str, float]] = []
    end = time.perf_counter() + seconds
    while len(rounds) < _FEWEST or time.perf_counter() < end:
        rounds.append({name: turn() for name, turn in work.items()})
    return pd.DataFrame(rounds)


class SubprocessTimer(AbstractContextManager["SubprocessTimer"]):
    """Work in a process that waits for its turn, and returns what a turn took.

    The usual pipeline has the usual allocator, which gives freed memory back to the
    system; ours keeps it. That is a setting of the whole process, so the two cannot
    share one. While one of them takes its turn, the other one waits.

    Args:
        clock: one of `CLOCKS`, that process's own.
        environment: variables for the process, which torch reads as it loads; None
            removes one. Empty: those of this process.
        threads: of torch; None for as many as here.

    Example:
        with SubprocessTimer() as elsewhere:
            turn = elsewhere.start(function_of_a_module, argument)
            print(turn())
    """

    def __init__(
        self,
        clock: str = "wall",
        environment: Mapping[str, str | None] | None = None,
        threads: int | None = None,
    ) -> None:
        self.clock, self._pool = clock, ProcessPoolExecutor(1, _SPAWN)
        with mock.patch.dict(os.environ):  # put back once the process has started
            for name, value in (environment or {}).items():
                os.environ.pop(name, None)
                os.environ.update({name: value} if value is not None else {})
            count = threads or torch.get_num_threads()
            self._pool.submit(torch.set_num_threads, count).result()

    def start(self, make: Callable[..., Callable[[], object]], *arguments: Any) -> Turn:
        """Build some work there; its turns are timed there."""
        number = self._pool.submit(_start, make, arguments, self.clock).result()
        return lambda: self._pool.submit(_turn, number).result()

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()


def _start(
    make: Callable[..., Callable[[], object]], arguments: Any, clock: str
) -> int:
    _started.append(timed(make(*arguments), clock))
    return len(_started) - 1


def _turn(number: int) -> float:
    return _started[number]()


@contextmanager
def busy_neighbour() -> Iterator[None]:
    """Keep one processor core busy with another process for a while."""
    command = [sys.executable, "-c", "while True: pass"]
    with subprocess.Popen(command) as process:
        try:
            yield
        finally:
            process.kill()


def shares_of_step(
    trainer: Trainer, steps: int = 10, clock: str = "wall"
) -> dict[str, float]:
    """Take steps with a clock around each part; return the shares of the quickest.

    Returns:
        By the names of `PARTS`; they add up to 1.
    """
    trainer.step()  # buffers of the optimiser come with the first step
    rounds = []
    for _ in range(steps):
        spent: dict[str, float] = defaultdict(float)
        with ExitStack() as clocks:
            for name, owner, attribute in (
                ("augmentation", trainer, "draw_batch"),
                ("forward", trainer_module, "training_step"),
                ("backward", torch.Tensor, "backward"),
                ("optimizer", trainer.scaler, "step"),
            ):
                watched = _watched(getattr(owner, attribute), name, spent, clock)
                clocks.enter_context(mock.patch.object(owner, attribute, watched))
            spent["step"] = timed(trainer.step, clock)()
        # The step holds them all: what is left is the network and the loss
        spent["forward"] -= spent["backward"] + spent["optimizer"]
        rounds.append(spent)
    fastest = min(rounds, key=lambda spent: spent["step"])
    whole = fastest.pop("step")
    parts = {name: seconds / whole for name, seconds in fastest.items()}
    return {**parts, "loop": 1 - sum(parts.values())}


def _watched(
    work: Callable[..., Any], name: str, spent: dict[str, float], clock: str
) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        start = CLOCKS[clock]()
        result = work(*args, **kwargs)
        spent[name] += CLOCKS[clock]() - start
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
    precision: Precision, seconds: float = 2.0, clock: str = "wall"
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

    work = {"matmul": timed(lambda: square @ square, clock), "conv": timed(conv, clock)}
    with precision.autocast():
        fastest = compare(work, seconds).min()
    # Of the convolution: forward, gradient of the images, gradient of the weights
    count = {"matmul": 2.0 * 1024**3, "conv": 3 * 2.0 * 64 * 16 * 16 * 128 * 128 * 9}
    return {name: count[name] / fastest[name] for name in work}
