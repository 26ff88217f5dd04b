"""Attempts at an exercise: call the learner's function, compare, and give a hint.

A check never says only "wrong". It computes what the likely mistakes of its exercise
would give; the first that matches the learner's results is named. If none does, the
learner sees what came, what was expected, the first place where they differ, the cases
that came out right, what the results have to do with the right ones, and a hint of the
first case that came out wrong.

All that the learner reads is text in `course/hints/unit_NN.yaml`: a hint by the name of
each mistake, and under "right" what a passed check verified. These files also list the
exercises: `course.progress` reads them.
"""

__all__ = [
    *("Answer", "Attempt", "Case", "Cases", "CheckFailed", "Mistakes"),
    *("comparison", "exercise"),
]

import inspect
import re
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import wraps
from typing import Any, NoReturn

from workshop_lib.course import NotYet
from workshop_lib.course.checks.values import (
    describe_value,
    fingerprint,
    first_difference,
    relation,
    same,
)
from workshop_lib.course.progress import record, texts

Check = Callable[[Any], None]
Answer = Callable[..., Any]  # gives the right result, or that of a mistake
Case = tuple[Any, ...]  # the arguments of one call
Cases = dict[str, Case]  # by the name of the case
Mistakes = dict[str, Answer]  # by the name of their hint
_ERRORS = {  # hint -> what the message of the error holds
    "text": r"'str'",
    "none_inside": "NoneType",
    "two_things": r"return_types|'bool' object has no",
    "shapes": r"sizes? of tensor|shape|size mismatch|mat1 and mat2|broadcast|dimension"
    r"|out of (range|bounds)",
}


def hints() -> dict[str, dict[str, str]]:
    """Return all hints: exercise -> name -> text, which is not the solution.

    Those of "every_exercise" are for mistakes that can be made in any of them.
    """
    units = texts("hints").values()
    return {name: known for unit in units for name, known in unit.items()}


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
    """

    def __init__(self, name: str, call: str, function: Any) -> None:
        self.name, self.call, self.function = name, call, function
        self.names = call.partition("(")[2].rstrip(")").split(", ")
        self.case = "what you gave"  # then the case that was tried last

    def run(self, case: str, *args: Any) -> Any:
        """Call the learner's function and return its result.

        Raises:
            CheckFailed: it is no function, raised an error, returned nothing, or
                changed its arguments.
        """
        if self.function is Ellipsis:
            self._unwritten()
        if not callable(self.function):
            own, given = self.call.partition("(")[0], describe_value(self.function)
            self.fail("no_function", given, "a function", name=self.name, own=own)
        self.case, before = case, fingerprint(args)
        try:
            result = self.function(*args)
        except (NotYet, NotImplementedError) as error:  # from todo(), or an own stub
            self._unwritten(str(error).partition("\n")[0])
        except Exception as error:  # whatever it is, it is explained
            self._explain(error, args)
        if fingerprint(args) != before:
            came = "the argument has different content after the call"
            self.fail("changed", came, "the argument as it was")
        if result is Ellipsis:
            self._unwritten()
        if result is None:
            self.fail("nothing", "None")
        return result

    def compare(self, cases: Cases, answer: Answer, mistakes: Mistakes) -> None:
        """Compare the learner's results with the right ones.

        Args:
            cases: at least one.
            answer: gives the right result for the same arguments.
            mistakes: the likely ones; one is named if it explains every case. Otherwise
                the hint by the name of the first wrong case, or "look", says where to
                look.

        Raises:
            CheckFailed: some result differs.
        """
        came = {case: self.run(case, *args) for case, args in cases.items()}

        def wrong_on(give: Answer) -> list[str]:
            """Return the cases in which the learner's result is another one."""
            return [c for c in cases if not same(came[c], give(*cases[c]))]

        wrong = wrong_on(answer)
        if not wrong:
            return
        self.case, known = wrong[0], hints()[self.name]
        results, expected = [came[c] for c in wrong], [answer(*cases[c]) for c in wrong]
        look = wrong[0] if wrong[0] in known else "look"
        hint = next((name for name in mistakes if not wrong_on(mistakes[name])), look)
        rows = {"differs": first_difference(results[0], expected[0])}
        rows["right on"] = "; ".join(c for c in cases if c not in wrong)
        if hint == look and (kind := relation(results, expected)):
            rows["notice"] = self._text(kind)
        words = describe_value(results[0]), describe_value(expected[0])
        self.fail(hint, *words, rows)

    def require(
        self, holds: bool, hint: str, came: str, expected: str, **values: Any
    ) -> None:
        """Fail unless a condition of the case tried last holds; see `fail`."""
        if not holds:
            self.fail(hint, came, expected, **values)

    def fail(
        self, hint: str, came: str, expected: str = "", rows: Any = None, **values: Any
    ) -> NoReturn:
        """Report of the case tried last what came, what was expected, and a hint.

        Args:
            hint: its name, among those of the exercise or of every exercise.
            came, expected: in words; "" leaves the row out.
            rows: more of them, by name.
            values: what is filled into the hint.

        Raises:
            CheckFailed: always.
        """
        shown = {"came": came, "expected": expected, **(rows or {})}
        shown["likely"] = self._text(hint, **values)
        lines = [f"  {name + ':':<10} {text}" for name, text in shown.items() if text]
        first = f"✗ {self.name}: not yet. Tried on {self.case}."
        raise CheckFailed("\n".join([first, *lines])) from None

    def _text(self, hint: str, **values: Any) -> str:
        known = (hints()["every_exercise"] | hints()[self.name])[hint]
        return known.format(**values) if values else known

    def _explain(self, error: Exception, args: Sequence[Any]) -> NoReturn:
        """Report an error of the learner's function, with their own line of code."""
        came, rows = f"{type(error).__name__}: {error}", {}
        file = getattr(getattr(self.function, "__code__", None), "co_filename", None)
        lines = traceback.extract_tb(error.__traceback__)
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        own = [k for k, line in enumerate(lines) if line.filename == file]
        if own:
            line, known = str(lines[own[-1]].line), frames[own[-1]].f_locals
            came += f"\n             in your line `{line}`"
            names = [name for name in re.findall(r"\w+", line) if name in known]
            there = {name: describe_value(known[name]) for name in names}
            rows["there"] = "; ".join(f"{name} is {there[name]}" for name in there)
        if isinstance(error, TypeError) and not own:
            name = getattr(self.function, "__name__", "your function")
            signature = "(...)"
            with suppress(ValueError):  # built-in functions may have none
                signature = str(inspect.signature(self.function))
            self.fail("arguments", came, call=self.call, defined=name + signature)
        if isinstance(error, NameError):
            self.fail("name", came, name=repr(error.name))
        given = "; ".join(describe_value(arg) for arg in args)
        kinds = (k for k, words in _ERRORS.items() if re.search(words, came, re.I))
        self.fail(next(kinds, "error"), came, rows=rows, given=given)

    def _unwritten(self, said: str = "") -> NoReturn:
        text = (
            f"… {self.name}: not written yet. Write {self.call}, run its cell, then run"
            " this one again."
        )
        raise _NotWritten(f"{text}\n  {said}" if said else text) from None


def exercise(call: str) -> Callable[[Callable[[Attempt], None]], Check]:
    """Make a check of a function that tries the learner's, by properties of its result.

    The check records the outcome, and prints what was verified.

    Args:
        call: how the learner's function is called. The check is named after the
            decorated function.
    """

    def decorate(attempt: Callable[[Attempt], None]) -> Check:
        name = attempt.__name__

        @wraps(attempt)
        def check(function: Any) -> None:
            try:
                attempt(Attempt(name, call, function))
            except CheckFailed as error:
                if not isinstance(error, _NotWritten):
                    record("checks", name, right=False)
                raise
            record("checks", name, right=True)
            print(f"✓ {name}: {hints()[name]['right']}")

        return check

    return decorate


def comparison(
    call: str, then: Callable[[Attempt, str, Case], None] | None = None
) -> Callable[[Callable[[Cases, Mistakes], Answer]], Check]:
    """Make a check that compares the learner's results with those of a right answer.

    The decorated function fills in the cases and the likely mistakes, and returns the
    right answer.

    Args:
        call: how the learner's function is called.
        then: tests what remains to be tested of right results, on the first case.

    Example:
        @comparison("mean(values)")
        def mean(cases: Cases, wrong: Mistakes) -> Answer:
            cases["three values"] = ([1.0, 2.0, 6.0],)
            wrong["sum"] = lambda values: sum(values)
            return lambda values: sum(values) / len(values)

        with the texts "look", "sum" and "right" of `mean` in hints/unit_NN.yaml.
    """

    def decorate(describe: Callable[[Cases, Mistakes], Answer]) -> Check:
        def check(attempt: Attempt) -> None:
            cases: Cases = {}
            wrong: Mistakes = {}
            attempt.compare(cases, describe(cases, wrong), wrong)
            if then:
                then(attempt, *next(iter(cases.items())))

        check.__name__, check.__doc__ = describe.__name__, describe.__doc__
        return exercise(call)(check)

    return decorate
