"""Progress of a sweep: a bar over all runs with the time left, or plain lines."""

__all__ = ["RunSpec", "SweepProgress", "eta"]

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

from tqdm import tqdm

from workshop_lib.config import Config
from workshop_lib.session import in_notebook
from workshop_lib.training.log import PLAIN_LINE_EVERY, Row, is_interactive


@dataclass(frozen=True)
class RunSpec:
    """One training of a sweep."""

    name: str
    config: Config
    folder: Path

    def __str__(self) -> str:
        n = self.config.data.labels_per_class
        labels = f"{n} labels per class" if n else "all labels"
        return f"{self.name}, {labels}, seed {self.config.run.seed}"


def eta(
    names: Iterable[str], seconds: dict[str, list[float]], now: float | None = None
) -> float | None:
    """Estimate how long some trainings will take from those that are finished.

    Args:
        names: of the configs that are still to be trained, once for each run.
        seconds: what finished runs of each config took.
        now: what the current run will take at its own pace: the estimate for all while
            no run is finished.

    Returns:
        Seconds; None while nothing is known.

    >>> eta(["uda", "comatch"], {"uda": [10.0, 30.0, 11.0]})
    22.0
    """
    medians = {name: median(values) for name, values in seconds.items()}
    usual = mean(medians.values()) if medians else now
    if usual is None:
        return None
    return sum(medians.get(name, usual) for name in names)


class SweepProgress:
    """A bar over all runs with the time left.

    Where no bar can be drawn (a pipe, CI), a line for each finished run, and in a long
    run a line at least every 30 seconds.

    Args:
        todo: all runs, in the order in which they are trained.
        verbose: False prints nothing.
    """

    def __init__(self, todo: Sequence[RunSpec], verbose: bool = True) -> None:
        self.todo, self.verbose = todo, verbose
        self.quiet = not is_interactive()
        self.done = 0
        self.seconds: dict[str, list[float]] = {}  # of finished runs, by name
        self.said = time.perf_counter()
        self.bar = tqdm(
            total=len(todo),
            desc=str(todo[0]),
            bar_format="{desc} |{bar}| {n:.1f} of {total_fmt} runs{postfix}",
            disable=self.quiet or not verbose,
            leave=False,
            file=sys.stdout if in_notebook() else sys.stderr,  # red in a notebook
        )

    def tick(self, row: Row) -> None:
        """Move the bar by the steps that the current run has done."""
        one = self.todo[self.done]
        fraction = row["step"] / one.config.optim.steps
        whole = row["seconds"] / fraction
        later = [other.name for other in self.todo[self.done + 1 :]]
        left = (eta(later, self.seconds, whole) or 0.0) + (1 - fraction) * whole
        self._show(self.done + fraction, left)
        if self.quiet and time.perf_counter() - self.said > PLAIN_LINE_EVERY:
            self._say(f"{one}: {100 * fraction:.0f} % done, {_minutes(left)} left")

    def end(self, text: str, seconds: float | None = None) -> None:
        """Count the current run, and print its result.

        Args:
            text: what came out.
            seconds: what it took; None if it failed.
        """
        one = self.todo[self.done]
        if seconds is not None:
            self.seconds.setdefault(one.name, []).append(seconds)
        self.done += 1
        later = self.todo[self.done :]
        left = eta((other.name for other in later), self.seconds)
        after = f"; {_minutes(left)} left" if left else ""
        self._say(f"{one}: {text} ({self.done} of {len(self.todo)}{after})")
        if later:
            self.bar.set_description_str(str(later[0]))
        self._show(self.done, left or 0.0)

    def _say(self, text: str) -> None:
        if self.verbose:
            self.bar.write(text)
            self.said = time.perf_counter()

    def _show(self, runs: float, left: float) -> None:
        self.bar.n = runs
        self.bar.set_postfix_str(f"{_minutes(left)} left")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
