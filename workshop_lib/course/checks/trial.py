"""Trying a learner's function on prepared inputs, and saying what came of it.

A check never says only "wrong". It computes what the usual mistakes of its exercise
would give; the first that gives what the learner's function gave is named. Where none
does, it shows what came, what was expected and the first place where they differ.
"""

__all__ = ["CheckFailed", "Check", "Mistake", "Trial", "exercise", "settle"]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, NoReturn

from workshop_lib.course import progress
from workshop_lib.course.checks.copies import changed, snapshot
from workshop_lib.course.checks.describe import describe, first_difference, same
from workshop_lib.course.checks.explain import explain, is_unwritten

Check = Callable[[Any], None]
Case = tuple[Any, ...]  # the arguments of one call


class CheckFailed(AssertionError):  # noqa: N818 - nothing broke: a word of help
    """What a check found, in words; a notebook shows the words and no traceback."""

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines()


class _NotWritten(CheckFailed):
    """The exercise has not been begun: this counts as no attempt."""


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that is easy to arrive at, and what to say to it.

    Args:
        hint: says what is likely to have happened, and which way to look; not the
            solution.
        answer: takes the arguments of the exercise, gives what this mistake gives.
    """

    hint: str
    answer: Callable[..., Any]


class Trial:
    """One attempt at an exercise.

    Args:
        name: of the exercise.
        call: how its function is called, e.g. "convolve(image, kernel)".
        function: the learner's.
    """

    def __init__(self, name: str, call: str, function: Any) -> None:
        self.name, self.call, self.function = name, call, function
        if not callable(function):
            self._refuse(function)

    def run(self, case: str, *args: Any) -> Any:
        """Call the learner's function and return what it gives.

        Raises:
            CheckFailed: it stopped with an error, gave nothing, or changed what it was
                given.
        """
        before = snapshot(args)
        try:
            result = self.function(*args)
        except Exception as error:  # whatever it is, it is explained
            if is_unwritten(error):
                self._unwritten(str(error).partition("\n")[0])
            came, likely = explain(error, self.function, self.call, args)
            self.fail(case, likely, came)
        if changed(args, before):
            self.fail(
                case,
                "your function changed its argument. Whoever called it still needs the"
                " original: build a new tensor, or begin with `.clone()`. Names that"
                " end in _ (`add_`) and assignments to x[...] change in place.",
                "another content in the argument than before the call",
                "the argument as it was",
            )
        if result is Ellipsis:
            self._unwritten()
        if result is None:
            self.fail(
                case,
                "your function returned nothing: is the last line `return ...`, and"
                " does it stand inside the function?",
                "None",
            )
        return result

    def compare(
        self,
        cases: Mapping[str, Case],
        answer: Callable[..., Any],
        mistakes: Sequence[Mistake],
        look: str,
    ) -> None:
        """Compare the learner's results with the right ones.

        Args:
            cases: arguments by the name of the case.
            answer: gives the right result of the same arguments.
            mistakes: the known ones; one is named if it explains every case.
            look: where to look when none does.

        Raises:
            CheckFailed: some result differs.
        """
        expected = {case: answer(*args) for case, args in cases.items()}
        came = {case: self.run(case, *args) for case, args in cases.items()}
        wrong = [case for case in cases if not same(came[case], expected[case])]
        if not wrong:
            return
        likely = look
        for mistake in mistakes:
            if all(same(came[c], mistake.answer(*args)) for c, args in cases.items()):
                likely = mistake.hint
                break
        case = wrong[0]
        self.fail(
            case,
            likely,
            describe(came[case]),
            describe(expected[case]),
            first_difference(came[case], expected[case]),
        )

    def fail(
        self, case: str, likely: str, came: str = "", expected: str = "", at: str = ""
    ) -> NoReturn:
        """Say on which input what came, what was expected, and what is likely.

        Raises:
            CheckFailed: always.
        """
        rows = [("came", came), ("expected", expected), ("differs", at)]
        lines = [f"✗ {self.name}: not yet. Tried on {case}."]
        lines += [f"  {name + ':':<10} {text}" for name, text in rows if text]
        raise CheckFailed("\n".join([*lines, f"  {'likely:':<10} {likely}"])) from None

    def _refuse(self, given: Any) -> NoReturn:
        if given is Ellipsis:
            self._unwritten()
        own = self.call.partition("(")[0]
        self.fail(
            "what you gave",
            f"give the function itself, without brackets: checks.{self.name}({own}).",
            describe(given),
            "a function",
        )

    def _unwritten(self, said: str = "") -> NoReturn:
        text = (
            f"… {self.name}: not written yet. Write {self.call}, run its cell, then run"
            " this one again."
        )
        raise _NotWritten(f"{text}\n  {said}" if said else text) from None


def settle(name: str, attempt: Callable[[], str]) -> None:
    """Make an attempt, keep its outcome in the progress, and print what was verified.

    Args:
        name: of the exercise.
        attempt: returns what was verified, in words.

    Raises:
        CheckFailed: as `attempt` raised it.
    """
    try:
        verified = attempt()
    except _NotWritten:
        raise
    except CheckFailed:
        progress.record_check(name, passed=False)
        raise
    progress.record_check(name, passed=True)
    print(f"✓ {name}: {verified}")


def exercise(call: str) -> Callable[[Callable[[Trial], str]], Check]:
    """Make a check of a function that tries and returns what it verified.

    Args:
        call: how the learner's function is called; its name is that of the check.
    """

    def decorate(attempt: Callable[[Trial], str]) -> Check:
        name = attempt.__name__

        @wraps(attempt)
        def check(function: Any) -> None:
            settle(name, lambda: attempt(Trial(name, call, function)))

        return check

    return decorate
