"""Records of a learner's attempts at checks and questions, in one JSON file."""

__all__ = ["PATH", "Done", "load", "record"]

import json
import os
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from workshop_lib.errors import WorkshopError
from workshop_lib.files import read_json, write_text

# Below the folder in which the notebooks run, beside the trainings
PATH = Path("runs") / "progress.json"
_VERSION = 1


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
    if not PATH.exists():
        return {"checks": {}, "quiz": {}}
    try:
        content = read_json(PATH)
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
        return {"checks": {}, "quiz": {}}
