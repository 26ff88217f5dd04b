"""What a learner has done so far, in one file that all notebooks share."""

__all__ = [
    "PATH",
    "Done",
    "load",
    "record_answer",
    "record_check",
    "show",
]

import json
import os
import textwrap
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from workshop_lib.course.questions import questions
from workshop_lib.course.units import CHECKS, CORE, UNITS
from workshop_lib.errors import WorkshopError
from workshop_lib.files import read_json, write_text

# Below the folder in which the notebooks run, beside the trainings
PATH = Path("runs") / "progress.json"
_VERSION = 1
_BAR = 10  # characters of a full bar
_WIDE = 78  # characters of a line that no notebook cuts off

_FINISHED = """\
{what} passed. A certificate to print, with your name on it:

    from workshop_lib.course.certificate import certificate

    certificate("Your name")"""

Records = dict[str, dict[str, "Done"]]  # "checks" and "quiz" -> name -> what was done


@dataclass(frozen=True)
class Done:
    """What became of one check or one question.

    Args:
        tries: attempts until it was right, or so far.
        day: on which it was right, as 2025-03-14; empty if it was not yet.
    """

    tries: int = 0
    day: str = ""

    @property
    def first_try(self) -> bool:
        """Whether the first attempt was right."""
        return self.tries == 1 and bool(self.day)


def record_check(name: str, passed: bool) -> None:
    """Keep the outcome of an attempt; what was passed once stays passed."""
    _record("checks", name, passed)


def record_answer(name: str, right: bool) -> None:
    """Keep an answer to a question of the quiz."""
    _record("quiz", name, right)


def load() -> Records:
    """Read what was done; nothing yet if there is no file.

    A damaged file is put aside under another name, which is printed, and never
    overwritten: what is in it may be mended by hand.
    """
    if not PATH.exists():
        return {"checks": {}, "quiz": {}}
    try:
        return _parse(read_json(PATH))
    except (WorkshopError, KeyError, TypeError, ValueError, AttributeError):
        aside = _put_aside()
        print(
            f"{PATH.as_posix()} cannot be read: it is kept as {aside.as_posix()}, and a"
            " new one is begun."
        )
        return {"checks": {}, "quiz": {}}


def show() -> None:
    """Print how far each unit is, and what comes next.

    A row per unit: checks passed, questions of the quiz answered right, how many of
    both were right at the first try, and the last day. Below it the next check. Where
    all checks of the units 01 to 06 are passed, or all there are, also the open
    questions of the units done and how to get the certificate.
    """
    records = load()
    checks = {unit: records_of(records["checks"], CHECKS[unit]) for unit in UNITS}
    answers = {unit: records_of(records["quiz"], questions()[unit]) for unit in UNITS}
    print(f"{'unit':<22}{'checks':<19}{'quiz':<19}{'first try':<11}last day")
    for unit, title in UNITS.items():
        done = [*checks[unit].values(), *answers[unit].values()]
        days = sorted(one.day for one in done if one.day)
        right = sum(one.first_try for one in done)
        print(
            f"{unit + ' ' + title:<22}"
            f"{_bar(checks[unit], len(CHECKS[unit])):<19}"
            f"{_bar(answers[unit], len(questions()[unit])):<19}"
            f"{f'{right} of {len(days)}' if days else '-':<11}"
            f"{days[-1] if days else '-'}"
        )
    todo = [n for names in CHECKS.values() for n in names if not _day(records, n)]
    print("First try: right at the first try (checks and quiz).")
    if todo:
        print(f"Next check: {todo[0]}")
    whole = [unit for unit in UNITS if len(checks[unit]) == len(CHECKS[unit])]
    if not set(CORE) <= set(whole):
        return
    asked = [name for unit in whole for name in questions()[unit]]
    still = [name for name in asked if name not in records_of(records["quiz"], asked)]
    if still:
        text = f"Quiz open: {', '.join(still)}"
        print(textwrap.fill(text, _WIDE, break_on_hyphens=False))
    what = "All checks" if not todo else f"All checks of units {CORE[0]} to {CORE[-1]}"
    print(_FINISHED.format(what=what))


def records_of(done: Mapping[str, Done], names: Any) -> dict[str, Done]:
    """Keep what was done right, of the given names, in their order."""
    return {name: done[name] for name in names if name in done and done[name].day}


def _day(records: Records, check: str) -> str:
    return records["checks"].get(check, Done()).day


def _bar(done: Mapping[str, Done], total: int) -> str:
    full = _BAR * len(done) // total
    return f"{'#' * full}{'.' * (_BAR - full)} {len(done)}/{total}"


def _record(kind: str, name: str, right: bool) -> None:
    records = load()
    before = records[kind].get(name, Done())
    if before.day:
        return
    day = date.today().isoformat() if right else ""
    records[kind][name] = Done(before.tries + 1, day)
    content: dict[str, Any] = {"version": _VERSION}
    for part, found in records.items():
        content[part] = {key: asdict(one) for key, one in sorted(found.items())}
    try:
        write_text(PATH, json.dumps(content, indent=1) + "\n")
    except WorkshopError as error:
        # A full disk is no reason to call a right answer wrong
        print(f"Your progress was not kept: {error}")


def _parse(content: dict[str, Any]) -> Records:
    if content["version"] != _VERSION:
        raise ValueError(f"version {content['version']}")
    return {
        kind: {name: _done(one) for name, one in content[kind].items()}
        for kind in ("checks", "quiz")
    }


def _done(values: dict[str, Any]) -> Done:
    tries, day = values["tries"], values["day"]
    if not isinstance(tries, int) or tries < 1:
        raise ValueError(f"tries {tries!r}")
    if day:
        date.fromisoformat(day)
    return Done(tries, day)


def _put_aside() -> Path:
    """Rename the damaged file to the first free name, and return that."""
    number = 1
    while (aside := PATH.with_name(f"progress.damaged-{number}.json")).exists():
        number += 1
    os.replace(PATH, aside)
    return aside
