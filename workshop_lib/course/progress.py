"""A learner's progress: attempts kept in one JSON file, the table, the certificate."""

__all__ = ["certificate", "load", "record", "show", "texts"]

import json
import os
import textwrap
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd
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
    "09": "Several tasks",
    "10": "Self-supervised",
    "11": "Place and date",
}
# The two-hour workshop: after these units `show` mentions the certificate
CORE = ("01", "02", "03", "04", "05", "06")

_BAR = 10  # characters of a full bar
_WIDTH = 78  # characters of a line that no notebook cuts off

_FINISHED = """\
{what} passed. A certificate to print, with your name on it:

    from workshop_lib.course.progress import certificate

    certificate("Your name")"""


class Done(NamedTuple):
    """The outcome of one check or one question.

    Args:
        tries: attempts until it was right, or so far.
        day: on which it was right, as 2025-03-14; empty if it was not yet.
    """

    tries: int = 0
    day: str = ""


def record(kind: Literal["checks", "quiz"], name: str, right: bool) -> None:
    """Record an attempt; what was right once stays right."""
    records = load()
    before = records[kind].get(name, Done())
    if before.day:
        return
    day = date.today().isoformat() if right else ""
    records[kind][name] = Done(before.tries + 1, day)
    parts = {
        part: {key: one._asdict() for key, one in sorted(found.items())}
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


def unit_checks() -> dict[str, list[str]]:
    """Return the checks of each unit, in the order in which a learner meets them.

    Each check has hints, so their files are the list.

    >>> unit_checks()["01"]
    ['majority_accuracy', 'convolve']
    """
    found = texts("hints")
    return {unit: list(found[f"unit_{unit}"]) for unit in UNITS}


def unit_questions() -> dict[str, list[str]]:
    """Return the names of each unit's quiz questions, in the order of asking.

    >>> unit_questions()["01"][0]
    '01-two-ssl'
    """
    found = texts("quizzes")
    return {unit: [one["name"] for one in found[f"unit_{unit}"]] for unit in UNITS}


@cache
def texts(folder: str) -> dict[str, Any]:
    """Read the texts of the course: "unit_04" -> the content of FOLDER/unit_04.yaml."""
    files = (Path(__file__).parent / folder).glob("*.yaml")
    return {f.stem: yaml.safe_load(f.read_text(encoding="utf-8")) for f in files}


def _table() -> pd.DataFrame:
    """Return one row per check and question; its day is empty while it is open."""
    found = load()
    names = {"checks": unit_checks(), "quiz": unit_questions()}
    rows = [
        (unit, kind, name, *found[kind].get(name, Done()))
        for unit in UNITS
        for kind in names
        for name in names[kind][unit]
    ]
    return pd.DataFrame(rows, columns=["unit", "kind", "name", "tries", "day"])


def show() -> None:
    """Print a row per unit, the next check, and how to get the certificate.

    A row holds the checks passed, the quiz questions answered right, how many of both
    were right at the first try, and the last day. Once the units 01 to 06 are passed,
    open questions and the certificate are mentioned too.
    """
    table = _table()
    print(f"{'unit':<22}{'checks':<19}{'quiz':<19}{'first try':<11}last day")
    for unit, mine in table.groupby("unit"):
        done = mine[mine["day"] != ""]
        bars = [_bar(days) for _, days in mine.groupby("kind")["day"]]
        first = f"{(done['tries'] == 1).sum()} of {len(done)}" if len(done) else "-"
        print(
            f"{f'{unit} {UNITS[str(unit)]}':<22}{bars[0]:<19}{bars[1]:<19}{first:<11}"
            f"{mine['day'].max() or '-'}"
        )
    print("First try: right at the first try (checks and quiz).")
    still = table[table["day"] == ""]
    todo = still[still["kind"] == "checks"]
    if len(todo):
        print(f"Next check: {todo['name'].iloc[0]}")
    if todo["unit"].isin(CORE).any():
        return
    asked = still[~still["unit"].isin(todo["unit"])]["name"]
    if len(asked):
        text = f"Quiz open: {', '.join(asked)}"
        print(textwrap.fill(text, _WIDTH, break_on_hyphens=False))
    some = f"All checks of units {CORE[0]} to {CORE[-1]}"
    print(_FINISHED.format(what=some if len(todo) else "All checks"))


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
    shown, here, table = " ".join(name.split()), Path.cwd().name, _table()
    if not 0 < len(shown) <= 60:  # what fits on a line
        raise WorkshopError(f"a name of {len(shown)} characters: give 1 to 60.")
    if not (table["day"][table["kind"] == "checks"] != "").any():
        raise WorkshopError(
            f"no check has been passed in the folder {here!r}, by {PATH.as_posix()}: a"
            " certificate needs at least one. Run this in the notebooks folder, after a"
            " first check."
        )
    content = {"name": shown, "titles": UNITS, "table": table, "version": __version__}
    content["today"] = date.today().isoformat()
    path = PATH.with_name("certificate.html")
    write_text(path, fill_template(TEMPLATES / path.name, content))
    print(f"Written: {path.as_posix()}, in the folder {here!r}.")
    print("Open it in a browser, and print it.")


def _bar(days: "pd.Series[str]") -> str:
    """Draw how many of some checks or questions are done."""
    done, total = int((days != "").sum()), len(days)
    full = _BAR * done // total
    return f"{'#' * full}{'.' * (_BAR - full)} {done}/{total}"
