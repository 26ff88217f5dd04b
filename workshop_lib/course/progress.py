"""The units, a learner's progress through them, and the certificate."""

__all__ = [
    "CHECKS",
    "PATH",
    "UNITS",
    "Done",
    "certificate",
    "load",
    "record_answer",
    "record_check",
    "show",
]

import json
import os
import textwrap
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from workshop_lib import __version__
from workshop_lib.course.questions import questions
from workshop_lib.errors import WorkshopError
from workshop_lib.files import read_json, write_text

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
# The checks of each unit, in the order in which a learner meets them
CHECKS = {
    "01": ("majority_accuracy", "convolve"),
    "02": ("count_labels", "draw_split", "detective"),
    "03": ("weak_view", "cutout"),
    "04": ("predict_memory", "pseudo_labels", "confidence_mask", "fixmatch_loss"),
    "05": ("top_k_accuracy", "cohens_kappa", "mean_and_interval"),
    "06": ("l2_normalize", "nearest_neighbours", "knn_accuracy"),
    "07": (
        "encode_facts",
        "channel_statistics",
        "late_forward",
        "predict_parameters",
        "verdict",
    ),
    "08": (
        "times_seen",
        "head_parameters",
        "sum_scores",
        "window_starts",
        "mean_iou",
        "pixel_loss",
    ),
}

# Below the folder in which the notebooks run, beside the trainings
PATH = Path("runs") / "progress.json"
_VERSION = 1
_BAR = 10  # characters of a full bar
_WIDTH = 78  # characters of a line that no notebook cuts off
_LONGEST_NAME = 60  # characters of a name that fit on one line of the certificate

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


Records = dict[str, dict[str, Done]]  # "checks" and "quiz" -> name -> outcome


def record_check(name: str, passed: bool) -> None:
    """Record an attempt at a check; a check once passed stays passed."""
    _record("checks", name, passed)


def record_answer(name: str, right: bool) -> None:
    """Record an answer to a quiz question; one answered right stays right."""
    _record("quiz", name, right)


def load() -> Records:
    """Read the progress so far; empty if there is no file.

    A damaged file is renamed, never overwritten: it may be mended by hand.
    """
    if not PATH.exists():
        return {"checks": {}, "quiz": {}}
    try:
        content = read_json(PATH)
        if content["version"] != _VERSION:
            raise ValueError(f"version {content['version']}")
        return {
            kind: {name: _checked(**one) for name, one in content[kind].items()}
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
        return {"checks": {}, "quiz": {}}


def show() -> None:
    """Print a row per unit, the next check, and how to get the certificate.

    A row holds the checks passed, the quiz questions answered right, how many of both
    were right at the first try, and the last day. Once the units 01 to 06 are passed,
    open questions and the certificate are mentioned too.
    """
    units = _units(load())
    print(f"{'unit':<22}{'checks':<19}{'quiz':<19}{'first try':<11}last day")
    for unit in units:
        first = sum(one.first_try for one in unit.done)
        print(
            f"{unit.number + ' ' + unit.title:<22}"
            f"{_bar(len(unit.checks), len(CHECKS[unit.number])):<19}"
            f"{_bar(len(unit.quiz), len(questions()[unit.number])):<19}"
            f"{f'{first} of {len(unit.done)}' if unit.done else '-':<11}"
            f"{unit.day or '-'}"
        )
    print("First try: right at the first try (checks and quiz).")
    todo = [n for u in units for n in CHECKS[u.number] if n not in u.checks]
    if todo:
        print(f"Next check: {todo[0]}")
    whole = [unit for unit in units if unit.complete]
    if not set(CORE) <= {unit.number for unit in whole}:
        return
    still = [n for u in whole for n in questions()[u.number] if n not in u.quiz]
    if still:
        text = f"Quiz open: {', '.join(still)}"
        print(textwrap.fill(text, _WIDTH, break_on_hyphens=False))
    what = "All checks" if not todo else f"All checks of units {CORE[0]} to {CORE[-1]}"
    print(_FINISHED.format(what=what))


def certificate(name: str, folder: Path | str = PATH.parent) -> None:
    """Write a one-page certificate of the checks passed, and print where it is.

    It is made from the progress that the notebooks keep in `runs`, so call it where
    they run. Learners issue it to themselves, unsupervised, and the page says so.

    Args:
        name: of the learner, as it is to appear.
        folder: where `certificate.html` is written, usually `runs`.

    Raises:
        WorkshopError: no name or one too long for the line, no check passed yet, no
            progress in this folder, or the page cannot be written.
    """
    shown = " ".join(name.split())
    if not 0 < len(shown) <= _LONGEST_NAME:
        raise WorkshopError(
            f"a name of {len(shown)} characters: give 1 to {_LONGEST_NAME}, as it is to"
            " appear on the certificate."
        )
    here = Path.cwd().name
    if not PATH.exists():
        raise WorkshopError(
            f"there is no {PATH.as_posix()} in the folder {here!r}: in it the exercises"
            " keep what you have passed. Run this in the notebooks folder, after a"
            " first check."
        )
    units = _units(load())
    if not any(unit.checks for unit in units):
        raise WorkshopError(
            "no check has been passed yet: a certificate needs at least one. Open a"
            " notebook; its exercises end in a check."
        )
    environment = Environment(
        loader=PackageLoader("workshop_lib.course", "templates"),
        autoescape=True,  # the name comes from the learner
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("certificate.html").render(
        name=shown,
        units=units,
        checks={unit: len(names) for unit, names in CHECKS.items()},
        questions={unit: len(names) for unit, names in questions().items()},
        version=__version__,
        today=date.today().isoformat(),
    )
    path = Path(folder) / "certificate.html"
    write_text(path, page)
    where = "" if path.is_absolute() else f", in the folder {here!r}"
    print(f"Written: {path.as_posix()}{where}.")
    print("Open it in a browser, and print it.")


@dataclass(frozen=True)
class _Unit:
    """The checks passed and the questions answered right in one unit."""

    number: str
    title: str
    checks: dict[str, Done]
    quiz: dict[str, Done]

    @property
    def done(self) -> list[Done]:
        return [*self.checks.values(), *self.quiz.values()]

    @property
    def day(self) -> str:
        return max((one.day for one in self.done), default="")

    @property
    def complete(self) -> bool:
        return len(self.checks) == len(CHECKS[self.number])


def _units(records: Records) -> list[_Unit]:
    return [
        _Unit(
            number,
            title,
            _completed(records["checks"], CHECKS[number]),
            _completed(records["quiz"], questions()[number]),
        )
        for number, title in UNITS.items()
    ]


def _completed(done: dict[str, Done], names: Iterable[str]) -> dict[str, Done]:
    return {name: done[name] for name in names if name in done and done[name].day}


def _bar(done: int, total: int) -> str:
    full = _BAR * done // total
    return f"{'#' * full}{'.' * (_BAR - full)} {done}/{total}"


def _record(kind: str, name: str, right: bool) -> None:
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


def _checked(tries: int, day: str) -> Done:
    if not isinstance(tries, int) or tries < 1:
        raise ValueError(f"tries {tries!r}")
    if day:
        date.fromisoformat(day)
    return Done(tries, day)
