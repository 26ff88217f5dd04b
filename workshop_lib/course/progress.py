"""A learner's progress: attempts kept in one JSON file, the table, the certificate."""

__all__ = [
    "CORE",
    "PATH",
    "UNITS",
    "Done",
    "certificate",
    "load",
    "record",
    "show",
    "unit_checks",
    "unit_questions",
]

import json
import os
import textwrap
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from workshop_lib import __version__
from workshop_lib.errors import WorkshopError
from workshop_lib.files import fill_template, read_json, write_text

# Below the folder in which the notebooks run, beside the trainings
PATH = Path("runs") / "progress.json"
TEMPLATES = Path(__file__).parent / "templates"
_VERSION = 1

UNITS = {
    "01": "Introduction",
    "02": "Data and splits",
    "03": "Augmentation",
    "04": "Training",
    "05": "Evaluation",
    "06": "Embeddings",
    "07": "Fusion",
    "08": "Segmentation",
}
# The two-hour workshop: after these units `show` mentions the certificate
CORE = ("01", "02", "03", "04", "05", "06")

_BAR = 10  # characters of a full bar
_WIDTH = 78  # characters of a line that no notebook cuts off

_FINISHED = """\
{what} passed. A certificate to print, with your name on it:

    from workshop_lib.course.progress import certificate

    certificate("Your name")"""


@dataclass(frozen=True)
class Done:
    """The outcome of one check or one question.

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


def record(kind: Literal["checks", "quiz"], name: str, right: bool) -> None:
    """Record an attempt; what was right once stays right."""
    records = load()
    before = records[kind].get(name, Done())
    if before.day:
        return
    day = date.today().isoformat() if right else ""
    records[kind][name] = Done(before.tries + 1, day)
    parts = {
        part: {key: asdict(one) for key, one in sorted(found.items())}
        for part, found in records.items()
    }
    try:
        write_text(PATH, json.dumps({"version": _VERSION, **parts}, indent=1) + "\n")
    except WorkshopError as error:
        # A full disk is no reason to call a right answer wrong
        print(f"Your progress was not kept: {error}")


def load() -> dict[str, dict[str, Done]]:
    """Read the outcomes so far, as kind -> name -> outcome; empty if there is no file.

    A damaged file is renamed, never overwritten: it may be mended by hand.
    """
    empty: dict[str, Any] = {"version": _VERSION, "checks": {}, "quiz": {}}
    try:
        content = read_json(PATH) if PATH.exists() else empty
        if content["version"] != _VERSION:
            raise ValueError(f"version {content['version']}")
        return {
            kind: {name: Done(**one) for name, one in content[kind].items()}
            for kind in ("checks", "quiz")
        }
    except (WorkshopError, KeyError, TypeError, ValueError, AttributeError):
        number = 1
        while (aside := PATH.with_name(f"progress.damaged-{number}.json")).exists():
            number += 1
        os.replace(PATH, aside)
        print(
            f"{PATH.as_posix()} cannot be read: it is kept as {aside.as_posix()}, and a"
            " new one is begun."
        )
        return load()


@cache
def unit_checks() -> dict[str, list[str]]:
    """Return the checks of each unit, in the order in which a learner meets them.

    Each check has hints, so their files are the list.

    >>> unit_checks()["01"]
    ['majority_accuracy', 'convolve']
    """
    return {unit: list(content) for unit, content in _texts("hints").items()}


@cache
def unit_questions() -> dict[str, list[str]]:
    """Return the names of each unit's quiz questions, in the order of asking.

    >>> unit_questions()["01"][0]
    '01-two-ssl'
    """
    texts = _texts("quizzes").items()
    return {unit: [one["name"] for one in quiz] for unit, quiz in texts}


def _texts(folder: str) -> dict[str, Any]:
    """Read the texts of each unit: "04" -> the content of FOLDER/unit_04.yaml."""
    files = {u: Path(__file__).parent / folder / f"unit_{u}.yaml" for u in UNITS}
    return {u: yaml.safe_load(f.read_text(encoding="utf-8")) for u, f in files.items()}


@dataclass(frozen=True)
class _Unit:
    """What has been done in one unit, and the names of what is still open."""

    number: str
    title: str
    checks: dict[str, Done]
    quiz: dict[str, Done]
    open_checks: list[str]
    open_questions: list[str]

    @property
    def done(self) -> list[Done]:
        """All that was right, checks and questions."""
        return [*self.checks.values(), *self.quiz.values()]

    @property
    def day(self) -> str:
        """The last day on which something was right; empty before."""
        return max((one.day for one in self.done), default="")


def show() -> None:
    """Print a row per unit, the next check, and how to get the certificate.

    A row holds the checks passed, the quiz questions answered right, how many of both
    were right at the first try, and the last day. Once the units 01 to 06 are passed,
    open questions and the certificate are mentioned too.
    """
    units = _units()
    print(f"{'unit':<22}{'checks':<19}{'quiz':<19}{'first try':<11}last day")
    for unit in units:
        first = sum(one.first_try for one in unit.done)
        print(
            f"{unit.number + ' ' + unit.title:<22}"
            f"{_bar(unit.checks, unit.open_checks):<19}"
            f"{_bar(unit.quiz, unit.open_questions):<19}"
            f"{f'{first} of {len(unit.done)}' if unit.done else '-':<11}"
            f"{unit.day or '-'}"
        )
    print("First try: right at the first try (checks and quiz).")
    todo = [name for unit in units for name in unit.open_checks]
    if todo:
        print(f"Next check: {todo[0]}")
    whole = [unit for unit in units if not unit.open_checks]
    if not set(CORE) <= {unit.number for unit in whole}:
        return
    still = [name for unit in whole for name in unit.open_questions]
    if still:
        text = f"Quiz open: {', '.join(still)}"
        print(textwrap.fill(text, _WIDTH, break_on_hyphens=False))
    what = "All checks" if not todo else f"All checks of units {CORE[0]} to {CORE[-1]}"
    print(_FINISHED.format(what=what))


def certificate(name: str) -> None:
    """Write a one-page certificate of the checks passed, and print where it is.

    It is made from the progress that the notebooks keep in `runs`, so call it where
    they run. Learners issue it to themselves, unsupervised, and the page says so.

    Args:
        name: of the learner, as it is to appear.

    Raises:
        WorkshopError: no name, or one of more than 60 characters; no check passed in
            this folder, or the page cannot be written.
    """
    shown, here, units = " ".join(name.split()), Path.cwd().name, _units()
    if not 0 < len(shown) <= 60:  # what fits on a line
        raise WorkshopError(f"a name of {len(shown)} characters: give 1 to 60.")
    if not any(unit.checks for unit in units):
        raise WorkshopError(
            f"no check has been passed in the folder {here!r}, by {PATH.as_posix()}: a"
            " certificate needs at least one. Run this in the notebooks folder, after a"
            " first check."
        )
    today = date.today().isoformat()
    content = {"name": shown, "units": units, "version": __version__, "today": today}
    path = PATH.with_name("certificate.html")
    write_text(path, fill_template(TEMPLATES / path.name, content))
    print(f"Written: {path.as_posix()}, in the folder {here!r}.")
    print("Open it in a browser, and print it.")


def _units() -> list[_Unit]:
    found, units = load(), []
    for number, title in UNITS.items():
        names = {"checks": unit_checks()[number], "quiz": unit_questions()[number]}
        done = {
            kind: {n: found[kind][n] for n in known if found[kind].get(n, Done()).day}
            for kind, known in names.items()
        }
        still = [[n for n in names[kind] if n not in done[kind]] for kind in names]
        units.append(_Unit(number, title, done["checks"], done["quiz"], *still))
    return units


def _bar(done: Collection[str], still: Collection[str]) -> str:
    total = len(done) + len(still)
    full = _BAR * len(done) // total
    return f"{'#' * full}{'.' * (_BAR - full)} {len(done)}/{total}"
