"""Timing of work in a process of its own, with that process's memory and settings."""

__all__ = ["CLOCKS", "SubprocessTimer", "Turn", "busy_neighbour", "timed"]

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest import mock

import torch

# Clocks by name: a function that another process is to call must be found there
CLOCKS: dict[str, Callable[[], float]] = {
    "wall": time.perf_counter,
    "processor": time.process_time,
}
# Takes a turn and returns its seconds by one of these clocks
Turn = Callable[[str], float]
_SPAWN = multiprocessing.get_context("spawn")
_started: list[Turn] = []  # the work of this process, if it is a timer's


def timed(run: Callable[[], object]) -> Turn:
    """Make turns of some work in this process."""

    def turn(clock: str) -> float:
        start = CLOCKS[clock]()
        run()
        return CLOCKS[clock]() - start

    return turn


class SubprocessTimer(AbstractContextManager["SubprocessTimer"]):
    """Work in a process that waits for its turn, and returns what a turn took.

    The usual pipeline has the usual allocator, which gives freed memory back to the
    system; ours keeps it. That is a setting of the whole process, so the two cannot
    share one. While one of them takes its turn, the other one waits.

    Args:
        environment: variables for the process, which torch reads as it loads; None
            removes one. Empty: those of this process.
        threads: of torch; None for as many as here.

    Example:
        with SubprocessTimer() as elsewhere:
            turn = elsewhere.start(function_of_a_module, argument)
            print(turn("wall"))
    """

    def __init__(
        self,
        environment: Mapping[str, str | None] | None = None,
        threads: int | None = None,
    ) -> None:
        self._pool = ProcessPoolExecutor(1, _SPAWN)
        with mock.patch.dict(os.environ):  # put back once the process has started
            for name, value in (environment or {}).items():
                os.environ.pop(name, None)
                os.environ.update({name: value} if value is not None else {})
            count = threads or torch.get_num_threads()
            self._pool.submit(torch.set_num_threads, count).result()

    def start(self, make: Callable[..., Callable[[], object]], *arguments: Any) -> Turn:
        """Build some work there; its turns are timed by that process's own clock."""
        number = self._pool.submit(_start, make, arguments).result()
        return lambda clock: self._pool.submit(_turn, number, clock).result()

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()


def _start(make: Callable[..., Callable[[], object]], arguments: Any) -> int:
    _started.append(timed(make(*arguments)))
    return len(_started) - 1


def _turn(number: int, clock: str) -> float:
    return _started[number](clock)


@contextmanager
def busy_neighbour() -> Iterator[None]:
    """Keep one processor core busy with another process for a while."""
    process = _SPAWN.Process(target=_count, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def _count() -> None:
    number = 0
    while True:
        number += 1
