"""A competition: the rules that every group trains by, and the groups' submissions.

A submission is a CSV file: a few `# key: value` lines about the run, then the predicted
class of each test image.
"""

__all__ = ["Competition", "Submission", "read_submission", "submit"]

import hashlib
import io
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workshop_lib.data.dataset import Dataset
from workshop_lib.data.mini_eo import DEFAULT_SEED
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError, listed
from workshop_lib.evaluation.predictions import Predictions
from workshop_lib.files import read_json, write_text
from workshop_lib.training.run import Run

_REQUIRED = ("group", "data", "split", "labels", "seconds")  # lines of the header
_LONGEST_NAME = 40  # characters of a group's name, so that it fits the projector


class Competition:
    """Data set and split that every group trains with.

    Args:
        data: as in a config: "mini_eo", "ucm", a folder of images.
        scenes: these images.
        split: with the labels that a group may use. Of a split by `Split.random` a
            group may use fewer labels: equally many for each class, by the same seed.

    Raises:
        WorkshopError: images with several labels; a split that leaks.
    """

    def __init__(self, data: str, scenes: Dataset, split: Split) -> None:
        if scenes.multi_label:
            raise WorkshopError(
                f"{data} has several labels per image, but a competition is about one"
                " class per image: choose data with one label per image."
            )
        self.data, self.scenes, self.split = data, scenes, split
        audit = split.audit(scenes, near_duplicates=False, neighbour_km=0)
        if not audit.ok:
            raise WorkshopError(f"this split is not fit for a competition:\n{audit}")
        self.test_names = tuple(scenes.names[i] for i in split.test.tolist())
        self.test_labels = scenes.labels[split.test].cpu().numpy()  # (N,) true classes

    def split_hash(self, labels: int) -> str:
        """Compute the hash of the split of a run that used this many labels in all.

        Fewer labels than allowed are fine, if each class has the same number.

        Raises:
            WorkshopError: more labels than allowed, or not as many for each class.
        """
        most, classes = len(self.split.labeled), self.scenes.num_classes
        if labels == most:
            return self.split.digest(self.scenes)
        if not classes <= labels < most or labels % classes:
            raise WorkshopError(
                f"it used {labels} labels: use {most}, or fewer but equally many for"
                " each class."
            )
        fewer = Split.random(self.scenes, labels // classes, seed=self.split.seed)
        return fewer.digest(self.scenes)


class Submission(NamedTuple):
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
    group, facts = _check_group(group), run.facts
    kind = facts["heads"][run.main_head]["kind"]
    if kind != "categorical":
        raise WorkshopError(
            f"{run.folder} has a {kind} head: the competition ranks scene"
            " classification only; submit a run that predicts one class per image."
        )
    found = Predictions.load(run.folder / "predictions.npz")
    about = {
        "group": group,
        "data": run.config.data.name,
        "split": read_json(run.folder / "identity.json").get("split"),
        "labels": facts["labels"],
        "seconds": facts["seconds"],
        "method": run.config.method_name,
        "machine": _machine(str(facts.get("device")), facts.get("threads")),
    }
    header = "".join(f"# {key}: {value}\n" for key, value in about.items())
    classes = [found.class_names[k] for k in found.probs.argmax(dim=1).tolist()]
    table = pd.DataFrame({"image": found.names, "class": classes})
    content = header + table.to_csv(index=False, lineterminator="\n")
    slug = re.sub(r"[^a-z0-9]+", "-", group.lower()).strip("-") or "group"
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    target = Path(to) / f"{slug}-{digest}.csv"
    write_text(target, content)
    return target


def read_submission(path: Path, competition: Competition) -> Submission:
    """Read a submission and hold it against the competition.

    Raises:
        WorkshopError: why it does not count.
    """
    about, table = _parse(path)
    missing = [key for key in _REQUIRED if not about.get(key)]
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
    _check_split(about, labels, competition)
    _check_images(table, competition)
    number = {name: k for k, name in enumerate(competition.scenes.class_names)}
    given = table.set_index("image")["class"].map(number)
    predicted = given[list(competition.test_names)].to_numpy()  # (N,)
    return Submission(
        file=path.name,
        group=_check_group(about["group"]),
        predicted=predicted,
        accuracy=float((predicted == competition.test_labels).mean()),
        seconds=seconds,
        labels=labels,
        method=about.get("method", ""),
        machine=about.get("machine", ""),
    )


def _check_group(group: str) -> str:
    """Return a group's name with single spaces; refuse one that cannot be shown."""
    name = " ".join(unicodedata.normalize("NFC", group).split())
    if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable():
        raise WorkshopError(
            f"group={name[:60]!r}: a group's name has 1 to {_LONGEST_NAME} printable"
            " characters."
        )
    return name


def _parse(path: Path) -> tuple[dict[str, str], pd.DataFrame]:
    """Split a file into its header and its table of images and classes, all as text."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets put a mark first
        lines = text.splitlines()
        about = {}
        while lines and lines[0].startswith("#"):
            # A spreadsheet fills lines up with commas
            key, _, value = lines.pop(0)[1:].rstrip(",").partition(":")
            about[key.strip().lower()] = value.strip()
        rest = io.StringIO("\n".join(lines))
        table = pd.read_csv(rest, dtype=str, na_filter=False, usecols=[0, 1])
    except (OSError, ValueError) as error:  # pandas' errors are ValueErrors
        raise WorkshopError(f"it cannot be read as a CSV table: {error}") from error
    if list(table.columns) != ["image", "class"]:
        raise WorkshopError("its table lacks the columns image,class.")
    return about, table


def _check_split(
    about: Mapping[str, str], labels: int, competition: Competition
) -> None:
    mine, theirs = _with_seed(competition.data), _with_seed(about["data"])
    # A folder has another name on each machine, and the hash vouches for its content;
    # but every seed of MiniEO has the same names and labels
    if mine != theirs and "mini_eo:" in f"{mine} {theirs}":
        raise WorkshopError(f"it was trained on {theirs!r}, not on {mine}.")
    wanted = competition.split_hash(labels)
    if about["split"] != wanted:
        raise WorkshopError(
            f"its split ({about['split'][:12]!r}) is not the competition's"
            f" ({wanted[:12]}): train with the same data, labels and split seed."
        )


def _check_images(table: pd.DataFrame, competition: Competition) -> None:
    """Require each test image once, and classes that exist."""
    given, wanted = Counter(table["image"]), Counter(competition.test_names)
    classes = set(competition.scenes.class_names)
    problems: dict[str, Iterable[str]] = {
        "does not predict": wanted - given,
        "predicts twice, or without being asked,": given - wanted,
        "has unknown classes:": set(table["class"]) - classes,
    }
    for problem, odd in problems.items():
        if names := [repr(one) for one in sorted(odd)]:
            raise WorkshopError(f"it {problem} {listed(names, 3)}.")


def _with_seed(data: str) -> str:
    return f"mini_eo:{DEFAULT_SEED}" if data == "mini_eo" else data


def _machine(device: str, threads: object) -> str:
    """Name the GPU, or the kind of processor and the number of threads."""
    kind, _, name = device.partition(" ")
    return name.strip("()") if kind == "cuda" else f"{kind}, {threads} threads"
