"""A page to print: which units and checks somebody has done, by their own machine."""

__all__ = ["certificate"]

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from workshop_lib import __version__
from workshop_lib.course.progress import PATH, Done, load, records_of
from workshop_lib.course.questions import questions
from workshop_lib.course.units import CHECKS, UNITS
from workshop_lib.errors import WorkshopError
from workshop_lib.files import write_text

_LONGEST = 60  # characters of a name that fit on one line of the page


@dataclass(frozen=True)
class _Row:
    """One unit, as the page shows it."""

    unit: str
    title: str
    checks: str
    quiz: str
    names: list[tuple[str, str]]  # of the checks passed, and the day of each
    day: str  # of the last check or answer
    complete: bool


def certificate(name: str, folder: Path | str = PATH.parent) -> None:
    """Write a certificate of what was done, one page A4, and print where it lies.

    It is made from the progress so far, which the notebooks keep in `runs`, so it is
    called where they run. It is issued by the learner to themselves, and says so:
    nobody watched. Any browser prints it.

    Args:
        name: of the learner, as it is to stand there.
        folder: where `certificate.html` is written, usually `runs`.

    Raises:
        WorkshopError: no name, a name too long for the line, nothing done yet or not
            in this folder, or the page cannot be written.
    """
    shown = " ".join(name.split())
    if not 0 < len(shown) <= _LONGEST:
        raise WorkshopError(
            f"a name of {len(shown)} characters: give 1 to {_LONGEST}, as it is to"
            " stand on the certificate."
        )
    here = Path.cwd().name
    if not PATH.exists():
        raise WorkshopError(
            f"there is no {PATH.as_posix()} in the folder {here!r}: in it the exercises"
            " keep what you have passed. Run this in the notebooks folder, after a"
            " first check."
        )
    records = load()
    rows = [_row(unit, records["checks"], records["quiz"]) for unit in UNITS]
    if not any(row.names for row in rows):
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
        rows=rows,
        complete=sum(row.complete for row in rows),
        passed=sum(len(row.names) for row in rows),
        total=sum(map(len, CHECKS.values())),
        version=__version__,
        today=date.today().isoformat(),
    )
    path = Path(folder) / "certificate.html"
    write_text(path, page)
    where = "" if path.is_absolute() else f", in the folder {here!r}"
    print(f"Written: {path.as_posix()}{where}.")
    print("Open it in a browser, and print it.")


def _row(unit: str, checks: Mapping[str, Done], quiz: Mapping[str, Done]) -> _Row:
    passed = records_of(checks, CHECKS[unit])
    right = records_of(quiz, questions()[unit])
    done = [*passed.values(), *right.values()]
    return _Row(
        unit=unit,
        title=UNITS[unit],
        checks=f"{len(passed)} of {len(CHECKS[unit])}",
        quiz=f"{len(right)} of {len(questions()[unit])}",
        names=[(name, one.day) for name, one in passed.items()],
        day=max((one.day for one in done), default=""),
        complete=len(passed) == len(CHECKS[unit]),
    )
