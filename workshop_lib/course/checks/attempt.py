"""Attempts at an exercise: call the learner's function, compare, and give a hint.

A check never says only "wrong". It computes what the likely mistakes of its exercise
would give; the first that matches the learner's results is named. If none does, the
learner sees what came, what was expected and the first place where they differ.

The hints themselves are text in `course/hints/unit_NN.yaml`, by exercise and mistake.
"""

__all__ = ["Attempt", "Case", "Check", "CheckFailed", "Mistakes", "exercise", "judge"]

import inspect
import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache, wraps
from pathlib import Path
from typing import Any, NoReturn

import yaml

from workshop_lib.course import NotYet
from workshop_lib.course.checks.values import (
    describe_value,
    fingerprint,
    first_difference,
    same,
)
from workshop_lib.course.records import record

Check = Callable[[Any], None]
Case = tuple[Any, ...]  # the arguments of one call

# The name of a hint -> what the function gives after that mistake
Mistakes = Mapping[str, Callable[..., Any]]

_HINTS = Path(__file__).parents[1] / "hints"
_SHAPES = re.compile(
    r"size of tensor|shape|size mismatch|mat1 and mat2|broadcast|dimension"
    r"|out of (range|bounds)",
    re.IGNORECASE,
)


@cache
def hints() -> dict[str, dict[str, str]]:
    """Return all hints: exercise -> name -> text, which is not the solution."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(_HINTS.glob("unit_*.yaml")):
        found |= yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


class CheckFailed(AssertionError):  # noqa: N818 - a hint rather than an error
    """The verdict of a check in words; a notebook shows these and no traceback."""

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines()


class _NotWritten(CheckFailed):
    """The exercise has not been begun, which does not count as an attempt."""


class Attempt:
    """One attempt at an exercise.

    Args:
        name: of the exercise.
        call: how its function is called, e.g. "convolve(image, kernel)".
        function: the learner's.

    Raises:
        CheckFailed: `function` is not a function.
    """

    def __init__(self, name: str, call: str, function: Any) -> None:
        self.name, self.call, self.function = name, call, function
        if function is Ellipsis:
            self._unwritten()
        if not callable(function):
            self.fail(
                "what you gave",
                "give the function itself, without brackets:"
                f" checks.{name}({call.partition('(')[0]}).",
                describe_value(function),
                "a function",
            )

    def hint(self, name: str, **values: Any) -> str:
        """Return a hint of the exercise, with these values filled in."""
        text = hints()[self.name][name]
        return text.format(**values) if values else text

    def run(self, case: str, *args: Any) -> Any:
        """Call the learner's function and return its result.

        Raises:
            CheckFailed: it raised an error, returned nothing, or changed its arguments.
        """
        before = fingerprint(args)
        try:
            result = self.function(*args)
        except (NotYet, NotImplementedError) as error:  # from todo(), or an own stub
            self._unwritten(str(error).partition("\n")[0])
        except Exception as error:  # whatever it is, it is explained
            came, likely = _explain(error, self.function, self.call, args)
            self.fail(case, likely, came)
        if fingerprint(args) != before:
            self.fail(
                case,
                "your function changed its argument, and the caller still needs the"
                " original: build a new tensor, or begin with `.clone()`. Names that"
                " end in _ (`add_`) and assignments to x[...] change in place.",
                "the argument has different content after the call",
                "the argument as it was",
            )
        if result is Ellipsis:
            self._unwritten()
        if result is None:
            self.fail(
                case,
                "your function returned nothing: is the last line `return ...`, and is"
                " it inside the function?",
                "None",
            )
        return result

    def compare(
        self,
        cases: Mapping[str, Case],
        answer: Callable[..., Any],
        mistakes: Mistakes,
    ) -> None:
        """Compare the learner's results with the right ones.

        Args:
            cases: arguments by the name of the case.
            answer: gives the right result for the same arguments.
            mistakes: the likely ones by the name of their hint; one is named if it
                explains every case. Otherwise the hint "look" says where to look.

        Raises:
            CheckFailed: some result differs.
        """
        came = {case: self.run(case, *args) for case, args in cases.items()}

        def first_wrong(give: Callable[..., Any]) -> str | None:
            """Return the first case in which the learner's result is another one."""
            return next((c for c in cases if not same(came[c], give(*cases[c]))), None)

        case = first_wrong(answer)
        if case is None:
            return
        explain = (name for name, give in mistakes.items() if not first_wrong(give))
        expected = answer(*cases[case])
        self.fail(
            case,
            self.hint(next(explain, "look")),
            describe_value(came[case]),
            describe_value(expected),
            first_difference(came[case], expected),
        )

    def require(
        self, holds: bool, case: str, hint: str, came: str, expected: str, **values: Any
    ) -> None:
        """Fail with a hint, by its name, unless a condition holds.

        Raises:
            CheckFailed: it does not.
        """
        if not holds:
            self.fail(case, self.hint(hint, **values), came, expected)

    def fail(
        self, case: str, likely: str, came: str = "", expected: str = "", at: str = ""
    ) -> NoReturn:
        """Report on which input what came, what was expected, and a likely reason.

        Raises:
            CheckFailed: always.
        """
        rows = [("came", came), ("expected", expected), ("differs", at)]
        lines = [f"✗ {self.name}: not yet. Tried on {case}."]
        lines += [f"  {name + ':':<10} {text}" for name, text in rows if text]
        raise CheckFailed("\n".join([*lines, f"  {'likely:':<10} {likely}"])) from None

    def _unwritten(self, said: str = "") -> NoReturn:
        text = (
            f"… {self.name}: not written yet. Write {self.call}, run its cell, then run"
            " this one again."
        )
        raise _NotWritten(f"{text}\n  {said}" if said else text) from None


def judge(name: str, attempt: Callable[[], str]) -> None:
    """Make an attempt, keep its outcome in the records, and print what was verified.

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
        record("checks", name, right=False)
        raise
    record("checks", name, right=True)
    print(f"✓ {name}: {verified}")


def exercise(call: str) -> Callable[[Callable[[Attempt], str]], Check]:
    """Make a check of a function that tries the learner's and returns what it verified.

    Args:
        call: how the learner's function is called; the check is named after the
            decorated function.
    """

    def decorate(attempt: Callable[[Attempt], str]) -> Check:
        name = attempt.__name__

        @wraps(attempt)
        def check(function: Any) -> None:
            judge(name, lambda: attempt(Attempt(name, call, function)))

        return check

    return decorate


def _explain(
    error: Exception, function: Callable[..., Any], call: str, args: Sequence[Any]
) -> tuple[str, str]:
    """Return what came, with the learner's own line of code, and the likely mistake."""
    came = f"{type(error).__name__}: {error}"
    file = getattr(getattr(function, "__code__", None), "co_filename", None)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame.line for frame in frames if frame.filename == file]
    if own:
        came += f"\n             in your line `{own[-1]}`"
    given = "; ".join(describe_value(arg) for arg in args)
    if isinstance(error, TypeError) and not own:
        name, signature = getattr(function, "__name__", "your function"), "(...)"
        with suppress(ValueError):  # built-in functions may have none
            signature = str(inspect.signature(function))
        return came, (
            f"the check calls {call}, your function is defined as {name}{signature}:"
            " give it the same arguments in the same order."
        )
    if isinstance(error, NameError):
        return came, (
            f"the name {error.name!r} is not known: is it spelt right, and has the cell"
            " that makes or imports it been run?"
        )
    if _SHAPES.search(str(error)):
        return came, (
            f"two shapes do not fit. Your function was given: {given}. Print the shape"
            " after each step on these."
        )
    return came, (
        f"your function raised an error. It was given: {given}. Call it on that"
        " yourself, in a cell of its own, to see the error in full."
    )
