"""A group's submission: written from a run, read back and checked.

It is a CSV file: a few `# key: value` lines about the run, then the predicted class of
each test image. It is read as text; nothing in it is executed.
"""

__all__ = ["Submission", "printable", "read_submission", "submit"]

import csv
import hashlib
import io
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workshop_lib.course.competition import Competition
from workshop_lib.data.mini_eo import DEFAULT_SEED
from workshop_lib.errors import WorkshopError, listed
from workshop_lib.evaluation.predictions import Predictions
from workshop_lib.files import read_json, write_text
from workshop_lib.training.run import Run

REQUIRED = ("group", "data", "split", "labels", "seconds")
_LONGEST_NAME = 40  # characters of a group's name, so that it fits the projector
_MAX_BYTES = 16 * 2**20  # 27,000 predictions take 1 MB


@dataclass(frozen=True, eq=False)
class Submission:
    """A submission that passed every check.

    Args:
        file: its name in the folder.
        group: name of the group.
        predicted: (N,) classes, in the order of the competition's test images.
        accuracy: fraction of test images predicted correctly, 0 to 1.
        seconds: training time as the run measured it.
        labels: number of labels used.
        method, machine: for the table only, as the group states them.
    """

    file: str
    group: str
    predicted: NDArray[np.int64]
    accuracy: float
    seconds: float
    labels: int
    method: str
    machine: str


def submit(run: Run, group: str, to: Path | str) -> Path:
    """Write a group's submission: the predicted test classes, and a few facts.

    Only predictions go into the file, no true class. The same run and group give the
    same file.

    Args:
        run: finished and evaluated.
        group: name to appear on the leaderboard, at most 40 characters.
        to: folder for the file; made if necessary.

    Returns:
        The path of the file, GROUP-HASH.csv.

    Raises:
        WorkshopError: an unusable name; a run that is not evaluated, or that predicts
            maps; the file cannot be written.
    """
    group = check_group(group)
    data, method = _check_run(run)
    path = run.folder / "predictions.npz"
    if not path.exists():
        raise WorkshopError(
            f"{run.folder} has no predictions.npz yet: `workshop evaluate {run.folder}`"
            " makes it."
        )
    found, facts = Predictions.load(path), run.facts
    about = {
        "group": group,
        "data": data,
        "split": read_json(run.folder / "identity.json").get("split"),
        "labels": facts["labels"],
        "seconds": facts["seconds"],
        "method": method,
        "machine": _machine(str(facts.get("device")), facts.get("threads")),
    }
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerows([f"# {key}: {value}"] for key, value in about.items())
    table.writerow(["image", "class"])
    classes = [found.class_names[k] for k in found.probs.argmax(dim=1).tolist()]
    table.writerows(zip(found.names, classes, strict=True))
    content = text.getvalue()
    slug = re.sub(r"[^a-z0-9]+", "-", group.lower()).strip("-") or "group"
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    target = Path(to) / f"{slug}-{digest}.csv"
    write_text(target, content)
    return target


def _check_run(run: Run) -> tuple[str, str]:
    """Return the names of data and method of a run that names scenes."""
    kind = run.facts["heads"][run.main_head]["kind"]
    if kind != "categorical":
        raise WorkshopError(
            f"{run.folder} has a {kind} head: the competition ranks scene"
            " classification only; submit a run that predicts one class per image."
        )
    return run.config.data.name, run.config.method_name


def read_submission(path: Path, competition: Competition) -> Submission:
    """Read a submission and hold it against the competition.

    Raises:
        WorkshopError: why it does not count; of the data every reason at once.
    """
    about, rows = _parse(_read(path))
    missing = [key for key in REQUIRED if not about.get(key)]
    if missing:
        raise WorkshopError(
            f"its header lacks {listed(missing)}: see `workshop submit`."
        )
    try:
        seconds, labels = float(about["seconds"]), int(about["labels"])
    except ValueError:
        seconds, labels = math.nan, 0
    if not 0 < seconds < math.inf or labels < 1:
        raise WorkshopError("its seconds and labels must be positive numbers.")
    group = check_group(about["group"])
    problems = [
        *_check_split(about, labels, competition),
        *_check_rows(rows, competition),
    ]
    if problems:
        raise WorkshopError(" Also, ".join(problems))
    number = {name: k for k, name in enumerate(competition.scenes.class_names)}
    given = dict(rows)
    predicted = np.array([number[given[name]] for name in competition.test_names])
    return Submission(
        printable(path.name, 60),
        group,
        predicted,
        float((predicted == competition.test_labels).mean()),
        seconds,
        labels,
        printable(about.get("method", ""), 30),
        printable(about.get("machine", ""), 40),
    )


def check_group(group: str) -> str:
    """Return a group's name with single spaces.

    Raises:
        WorkshopError: empty, longer than 40 characters, or not printable.
    """
    name = " ".join(unicodedata.normalize("NFC", group).split())
    if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable():
        raise WorkshopError(
            f"group={name[:60]!r}: a group's name has 1 to {_LONGEST_NAME} printable"
            " characters."
        )
    return name


def printable(text: str, most: int = 300) -> str:
    """Shorten a text and mask control characters, which could steer a terminal.

    >>> printable("Forest\\x1b[31m")
    'Forest?[31m'
    """
    shown = "".join(c if c.isprintable() else "?" for c in text)
    return shown if len(shown) <= most else shown[: most - 3] + "..."


def _read(path: Path) -> str:
    if path.suffix.lower() != ".csv" or not path.is_file():
        raise WorkshopError("it is no .csv file: `workshop submit` writes one.")
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise WorkshopError(f"it has more than {_MAX_BYTES >> 20} MB.")
        return path.read_text(encoding="utf-8-sig")  # spreadsheets put a mark first
    except (OSError, UnicodeDecodeError) as error:
        raise WorkshopError(f"it cannot be read ({type(error).__name__}).") from error


def _parse(text: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Split a submission into its header and its (image, class) rows."""
    about: dict[str, str] = {}
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if any(row)]
    except csv.Error as error:
        raise WorkshopError(f"it is not a valid CSV table ({error}).") from error
    while rows and rows[0][0].startswith("#"):
        line = ",".join(rows.pop(0)).rstrip(",")  # a spreadsheet fills lines up
        key, _, value = line[1:].partition(":")
        about[key.strip().lower()] = value.strip()
    if not rows or rows[0][:2] != ["image", "class"]:
        raise WorkshopError("its table lacks the columns image,class.")
    if any(len(row) < 2 for row in rows):
        raise WorkshopError("its table has rows without a class.")
    return about, [(row[0], row[1]) for row in rows[1:]]


def _check_split(
    about: Mapping[str, str], labels: int, competition: Competition
) -> Iterator[str]:
    mine, theirs = _with_seed(competition.data), _with_seed(about["data"])
    # A folder has another name on each machine, and the hash vouches for its content;
    # but every seed of MiniEO has the same names and labels
    if mine != theirs and any(one.startswith("mini_eo:") for one in (mine, theirs)):
        yield f"it was trained on {printable(theirs, 60)}, not on {mine}."
    try:
        wanted = competition.split_hash(labels)
    except WorkshopError as error:
        yield str(error)
        return
    if about["split"] != wanted:
        yield (
            f"its split ({printable(about['split'], 12)}) is not the competition's"
            f" ({wanted[:12]}): train with the same data, labels and split seed."
        )


def _check_rows(rows: list[tuple[str, str]], competition: Competition) -> Iterator[str]:
    names = [name for name, _ in rows]
    given, wanted = set(names), set(competition.test_names)
    for problem, odd in (
        ("does not predict", wanted - given),
        ("predicts images that are not in the test set:", given - wanted),
        (
            "has unknown classes:",
            {k for _, k in rows} - {*competition.scenes.class_names},
        ),
    ):
        if odd:
            yield f"it {problem} {printable(listed(sorted(odd), 3), 120)}."
    if len(names) != len(given):
        yield "it predicts some images twice."


def _with_seed(data: str) -> str:
    return f"mini_eo:{DEFAULT_SEED}" if data == "mini_eo" else data


def _machine(device: str, threads: object) -> str:
    """Name the GPU, or the kind of processor and the number of threads."""
    kind, _, name = device.partition(" ")
    return name.strip("()") if kind == "cuda" else f"{kind}, {threads} threads"
