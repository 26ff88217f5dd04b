"""A learner's progress through the units, and the certificate."""

__all__ = ["CHECKS", "CORE", "UNITS", "certificate", "show"]

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from workshop_lib import __version__
from workshop_lib.course.quiz import questions
from workshop_lib.course.records import PATH, Done, load
from workshop_lib.errors import WorkshopError
from workshop_lib.files import write_text

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

_BAR = 10  # characters of a full bar
_WIDTH = 78  # characters of a line that no notebook cuts off
_LONGEST_NAME = 60  # characters of a name that fit on one line of the certificate

_FINISHED = """\
{what} passed. A certificate to print, with your name on it:

    from workshop_lib.course.progress import certificate

    certificate("Your name")"""


@dataclass(frozen=True)
class _Unit:
    """The checks passed and the questions answered right in one unit."""

    number: str
    checks: dict[str, Done]
    quiz: dict[str, Done]

    @property
    def title(self) -> str:
        return UNITS[self.number]

    @property
    def done(self) -> list[Done]:
        return [*self.checks.values(), *self.quiz.values()]

    @property
    def day(self) -> str:
        return max((one.day for one in self.done), default="")

    @property
    def open_checks(self) -> list[str]:
        return [name for name in CHECKS[self.number] if name not in self.checks]

    @property
    def open_questions(self) -> list[str]:
        return [name for name in questions()[self.number] if name not in self.quiz]


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
            f"{_bar(len(unit.checks), len(CHECKS[unit.number])):<19}"
            f"{_bar(len(unit.quiz), len(questions()[unit.number])):<19}"
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


def certificate(name: str, folder: Path | str = PATH.parent) -> None:
    """Write a one-page certificate of the checks passed, and print where it is.

    It is made from the progress that the notebooks keep in `runs`, so call it where
    they run. Learners issue it to themselves, unsupervised, and the page says so.

    Args:
        name: of the learner, as it is to appear.
        folder: where `certificate.html` is written, usually `runs`.

    Raises:
        WorkshopError: no name or one too long for the line, no check passed in this
            folder, or the page cannot be written.
    """
    shown, here, units = " ".join(name.split()), Path.cwd().name, _units()
    if not 0 < len(shown) <= _LONGEST_NAME:
        raise WorkshopError(
            f"a name of {len(shown)} characters: give 1 to {_LONGEST_NAME}, as it is to"
            " appear on the certificate."
        )
    if not any(unit.checks for unit in units):
        raise WorkshopError(
            f"no check has been passed in the folder {here!r}, by {PATH.as_posix()}: a"
            " certificate needs at least one. Run this in the notebooks folder, after a"
            " first check."
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


def _units() -> list[_Unit]:
    records = load()

    def completed(kind: str, names: Iterable[str]) -> dict[str, Done]:
        found = {name: one for name, one in records[kind].items() if one.day}
        return {name: found[name] for name in names if name in found}

    return [
        _Unit(unit, completed("checks", names), completed("quiz", questions()[unit]))
        for unit, names in CHECKS.items()
    ]


def _bar(done: int, total: int) -> str:
    full = _BAR * done // total
    return f"{'#' * full}{'.' * (_BAR - full)} {done}/{total}"
