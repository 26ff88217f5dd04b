"""Timing of work in a process of its own, with that process's memory and settings."""

__all__ = ["CLOCKS", "SubprocessTimer", "busy_neighbour"]

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import torch

# Clocks by name: a function that another process is to call must be found there
CLOCKS: dict[str, Callable[[], float]] = {
    "wall": time.perf_counter,
    "processor": time.process_time,
}
_SPAWN = multiprocessing.get_context("spawn")


class SubprocessTimer:
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
        self._end, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(
            target=_serve,
            args=(theirs, threads or torch.get_num_threads()),
            daemon=True,
        )
        with _environment(environment or {}):
            self._process.start()
        theirs.close()

    def start(
        self, make: Callable[..., Callable[[], object]], *arguments: Any
    ) -> Callable[[str], float]:
        """Build some work there; return a function that lets it take a turn.

        A turn takes the name of a clock and returns the seconds by that process's own.
        """
        self._end.send((make, arguments))
        number = self._end.recv()

        def turn(clock: str) -> float:
            self._end.send((number, clock))
            return float(self._end.recv())

        return turn

    def __enter__(self) -> "SubprocessTimer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.close()  # which ends the other side's wait
        self._process.join()


def _serve(end: Any, threads: int) -> None:
    torch.set_num_threads(threads)
    work: list[Callable[[], object]] = []
    while True:
        try:
            what, how = end.recv()
        except EOFError:
            return
        if isinstance(what, int):
            clock = CLOCKS[how]
            start = clock()
            work[what]()
            end.send(clock() - start)
        else:
            work.append(what(*how))
            end.send(len(work) - 1)


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


@contextmanager
def _environment(changes: Mapping[str, str | None]) -> Iterator[None]:
    """Change environment variables for as long as a process needs to start."""
    before = {name: os.environ.get(name) for name in changes}
    _set(changes)
    try:
        yield
    finally:
        _set(before)


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
