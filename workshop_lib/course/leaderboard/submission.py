"""What a group hands in: read from bytes into plain values, nothing believed yet."""

__all__ = ["FORMAT", "Submission", "check_group", "parse"]

import io
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workshop_lib.course.leaderboard.predictions import from_csv, from_npz
from workshop_lib.course.leaderboard.refusal import RefusedError
from workshop_lib.data.splits import PARTS
from workshop_lib.errors import WorkshopError
from workshop_lib.recipe import Recipe

FORMAT = 1
_LONGEST = 40  # characters of a group's name
_MOST_ROWS = 1_000_000  # of predictions


@dataclass(frozen=True, eq=False)
class Submission:
    """One submission; `checks` holds it against the competition.

    Args:
        group: name of the group.
        recipe: the settings of its training.
        split_hash: of the split that it says it trained on.
        parts: names of the images in each part of that split, if it lists them.
        labels, steps, seconds: counted and measured by the run itself.
        machine: what it ran on, in words.
        log: its validations; columns step and seconds, val_accuracy if there.
        names: of the N images predicted.
        predicted: N names of classes.
        probs: (N, K) probabilities, None if only classes were handed in.
        class_names: K names, None likewise.
        truth: N names of classes that the file calls true, None if it holds no truth.
    """

    group: str
    recipe: Recipe
    split_hash: str
    parts: Mapping[str, tuple[str, ...]]
    labels: int
    steps: int
    seconds: float
    machine: str
    log: pd.DataFrame
    names: tuple[str, ...]
    predicted: tuple[str, ...]
    probs: NDArray[np.floating[Any]] | None = None
    class_names: tuple[str, ...] | None = None
    truth: tuple[str, ...] | None = None


def check_group(group: object) -> str:
    """Return a group's name in one spelling.

    Raises:
        WorkshopError: empty, longer than 40 characters, or with characters that
            cannot be printed.
    """
    name = " ".join(unicodedata.normalize("NFC", str(group)).split())
    if not isinstance(group, str) or not 1 <= len(name) <= _LONGEST:
        raise WorkshopError(f"a group's name has 1 to {_LONGEST} characters.")
    if not name.isprintable():
        raise WorkshopError("a group's name is made of characters that can be printed.")
    return name


def parse(files: Mapping[str, bytes]) -> Submission:
    """Read the files of a submission.

    Args:
        files: as `read_files` returns them.

    Raises:
        RefusedError: one is missing, or is not what its name says.
    """
    for name in ("submission.json", "recipe.json", "log.csv"):
        if name not in files:
            raise RefusedError("missing_file", f"it holds no {name}.")
    given = [n for n in ("predictions.npz", "predictions.csv") if n in files]
    if len(given) != 1:
        raise RefusedError(
            "missing_file",
            "it holds no predictions.npz or predictions.csv."
            if not given
            else "it holds two files of predictions: which one counts?",
        )
    said = _json(files, "submission.json")
    if said.get("format") != FORMAT:
        raise RefusedError("submission", f"its format is not {FORMAT}.")
    try:
        group = check_group(said.get("group"))
    except WorkshopError as problem:
        raise RefusedError("group", str(problem)) from problem
    split, run = said.get("split"), said.get("run")
    if not isinstance(split, dict) or not isinstance(run, dict):
        raise RefusedError("submission", "submission.json lacks 'split' or 'run'.")
    if not isinstance(split.get("sha256"), str):
        raise RefusedError(
            "split_hash", "submission.json does not give the split's sha256."
        )
    read = from_npz if given == ["predictions.npz"] else from_csv
    return Submission(
        group,
        _recipe(files["recipe.json"]),
        split["sha256"],
        _parts(split),
        int(_number(run, "labels", "labels")),
        int(_number(run, "steps", "log")),
        _number(run, "seconds", "time"),
        _machine(run),
        _log(files["log.csv"]),
        **read(files[given[0]]),
    )


def _json(files: Mapping[str, bytes], name: str) -> dict[str, Any]:
    try:
        found = json.loads(files[name].decode("utf-8"))
    except (ValueError, RecursionError) as problem:
        raise RefusedError("submission", f"{name} is no JSON text.") from problem
    if not isinstance(found, dict):
        raise RefusedError("submission", f"{name} holds no JSON object.")
    return found


def _recipe(content: bytes) -> Recipe:
    """Read a recipe; every knob has to be of the kind that it is by default."""
    try:
        recipe = Recipe.from_json(content.decode("utf-8"))
    except (ValueError, TypeError, RecursionError) as problem:
        text = str(problem) if isinstance(problem, WorkshopError) else "damaged"
        raise RefusedError("recipe", f"recipe.json: {text}") from problem
    for name, usual in vars(Recipe()).items():
        value = getattr(recipe, name)
        kinds = {type(usual), int} if isinstance(usual, float) else {type(usual)}
        if usual is not None and type(value) not in kinds:
            raise RefusedError(
                "recipe", f"recipe.json: {name}={value!r} is no setting."
            )
    return recipe


def _parts(split: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    listed = [part for part in PARTS if part in split]
    if not listed:
        return {}
    if len(listed) != len(PARTS):
        raise RefusedError("split_hash", "it lists some parts of its split only.")
    for part in PARTS:
        names = split[part]
        if not isinstance(names, list) or any(not isinstance(n, str) for n in names):
            raise RefusedError("split_hash", f"its {part} images are no list of names.")
    return {part: tuple(split[part]) for part in PARTS}


def _number(run: Mapping[str, Any], name: str, kind: str) -> float:
    value: Any = run.get(name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value < 1e9:  # which no NaN is
        raise RefusedError(
            kind, f"submission.json does not state the {name} of the run as a number."
        )
    if name != "seconds" and value != int(value):
        raise RefusedError(kind, f"{name}={value}: that is no whole number.")
    return float(value)


def _machine(run: Mapping[str, Any]) -> str:
    device, threads = str(run.get("device", "not told")), run.get("threads", "?")
    kind, _, rest = device.partition(" ")
    return rest.strip("()") if kind == "cuda" else f"{kind}, {threads} threads"


def _log(content: bytes) -> pd.DataFrame:
    try:
        table = pd.read_csv(io.BytesIO(content), nrows=_MOST_ROWS)
        wanted = [c for c in ("step", "seconds", "val_accuracy") if c in table]
        log = table[wanted].apply(pd.to_numeric).astype("float64")
    except (ValueError, TypeError, OverflowError) as problem:
        raise RefusedError("log", "log.csv is no table of numbers.") from problem
    missing = [name for name in ("step", "seconds") if name not in log]
    if missing or not len(log):
        raise RefusedError("time", "log.csv has no rows with step and seconds.")
    return log
