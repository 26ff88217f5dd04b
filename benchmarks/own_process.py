"""Work that takes its turns in a process of its own, with that process's memory."""

__all__ = ["OwnProcess"]

import multiprocessing
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import torch

# Clocks by name: a function that another process is to call must be found there
CLOCKS: dict[str, Callable[[], float]] = {
    "wall": time.perf_counter,
    "processor": time.process_time,
}


class OwnProcess:
    """Some work in a process that waits for its turn, and tells what a turn took.

    The usual pipeline has the usual allocator, which gives freed memory back to the
    system; ours keeps it. That is a setting of the whole process, so the two cannot
    share one. While one of them takes its turn, the other one waits.

    Example:
        with OwnProcess() as elsewhere:
            turn = elsewhere.start(function_of_a_module, argument)
            print(turn("wall"))
    """

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._end, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, torch.get_num_threads()), daemon=True
        )
        self._process.start()
        theirs.close()

    def start(
        self, make: Callable[..., Callable[[], object]], *arguments: Any
    ) -> Callable[[str], float]:
        """Have some work built there; return what lets it take a turn.

        A turn takes the name of a clock and returns the seconds by that process's own.
        """
        self._end.send((make, arguments))
        number = self._end.recv()

        def turn(clock: str) -> float:
            self._end.send((number, clock))
            return float(self._end.recv())

        return turn

    def __enter__(self) -> "OwnProcess":
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
