"""Ctrl-C, and what a cluster sends to a job whose time is nearly over."""

__all__ = ["signals_between_steps"]

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def signals_between_steps() -> Iterator[threading.Event]:
    """Hold signals back until a step is complete: half a step cannot be saved.

    Ctrl-C, and what a cluster sends to a job whose time is nearly over (SIGTERM,
    SIGUSR1). A second Ctrl-C ends the program at once.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # signals reach the main thread only
        return
    names = ("SIGINT", "SIGTERM", "SIGUSR1")  # not all of them on Windows
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]

    def remember(signum: int, frame: object) -> None:
        if signum == signal.SIGINT:
            signal.signal(signum, before[signum] or signal.SIG_DFL)
        stop.set()

    before = {number: signal.signal(number, remember) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
