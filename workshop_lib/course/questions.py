"""Quiz questions, read from one YAML file per unit.

An instructor edits `quizzes/unit_01.yaml` and the others by hand, so a mistake in one
of them is reported with the file and the question that it is in.
"""

__all__ = ["LETTERS", "Question", "load_yaml", "questions", "read_quiz"]

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from workshop_lib.errors import WorkshopError

LETTERS = "abcd"
_FOLDER = Path(__file__).parent / "quizzes"


@dataclass(frozen=True)
class Question:
    """A question with its choices, and for each choice why it is right or wrong.

    Args:
        text: the question.
        choices: two to four, in the order a, b, c, d.
        right: the letter of the right one.
        why: an explanation for each choice, in the same order; that of a wrong choice
            says what it would be right for, or what it overlooks.
    """

    text: str
    choices: tuple[str, ...]
    right: str
    why: tuple[str, ...]

    @property
    def letters(self) -> str:
        """The letters of the choices, such as "abc"."""
        return LETTERS[: len(self.choices)]


@cache
def questions() -> dict[str, dict[str, Question]]:
    """Return all questions: unit -> name -> question, in the order of asking.

    >>> questions()["04"]["04-threshold"].right
    'a'

    Raises:
        WorkshopError: a file is not a quiz; the message names the question.
    """
    files = sorted(_FOLDER.glob("unit_*.yaml"))
    return {path.stem.removeprefix("unit_"): read_quiz(path) for path in files}


def read_quiz(path: Path) -> dict[str, Question]:
    """Read and check the quiz of one unit.

    Args:
        path: a YAML file named after its unit, e.g. unit_04.yaml: a list of questions,
            each with a name (04-threshold), the question, the letter that is right,
            and choices with their reasons (`choice:`, `why:`).

    Raises:
        WorkshopError: the file is no such list, or a question is incomplete.
    """
    entries = load_yaml(path)
    if not isinstance(entries, list):
        raise WorkshopError(f"{path.name}: expected a list, '- name: ...' and so on.")
    start = path.stem.removeprefix("unit_") + "-"
    quiz: dict[str, Question] = {}
    for number, entry in enumerate(entries, 1):
        where = f"{path.name}, question {number}"
        name, question = _read_question(entry, where)
        if not name.startswith(start) or name in quiz:
            raise WorkshopError(
                f"{where}: name {name!r} must begin with {start!r} and occur once."
            )
        quiz[name] = question
    return quiz


def load_yaml(path: Path) -> Any:
    """Read a YAML file that people edit.

    Raises:
        WorkshopError: it is not valid YAML; names the file and the line.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise WorkshopError(f"{path.name} is not valid YAML: {error}") from None


def _read_question(entry: Any, where: str) -> tuple[str, Question]:
    """Check one entry of the list, and return its name and the question."""
    if isinstance(entry, dict) and isinstance(entry.get("name"), str):
        where = f"{where} ({entry['name']})"
    _check_keys(entry, ("name", "question", "right", "choices"), where)
    choices = entry["choices"]
    if not isinstance(choices, list) or not 2 <= len(choices) <= len(LETTERS):
        raise WorkshopError(
            f"{where}: give two to four choices as a list, '- choice:'."
        )
    for letter, choice in zip(LETTERS, choices, strict=False):
        _check_keys(choice, ("choice", "why"), f"{where}, choice {letter}")
        _check_text(choice, f"{where}, choice {letter}")
    _check_text({k: v for k, v in entry.items() if k != "choices"}, where)
    question = Question(
        text=entry["question"],
        choices=tuple(choice["choice"] for choice in choices),
        right=entry["right"],
        why=tuple(choice["why"] for choice in choices),
    )
    if len(question.right) != 1 or question.right not in question.letters:
        raise WorkshopError(
            f"{where}: right is {question.right!r}; expected one of the letters"
            f" {', '.join(question.letters)}."
        )
    return entry["name"], question


def _check_keys(entry: Any, expected: tuple[str, ...], where: str) -> None:
    if not isinstance(entry, dict) or set(entry) != set(expected):
        found = ", ".join(map(str, entry)) if isinstance(entry, dict) else repr(entry)
        raise WorkshopError(
            f"{where}: found {found}; expected {', '.join(expected)}, each once."
        )


def _check_text(entry: dict[str, Any], where: str) -> None:
    for key, value in entry.items():
        if not isinstance(value, str) or not value.strip():
            raise WorkshopError(
                f"{where}: {key} is {value!r}, which YAML does not read as text: put it"
                f' in quotes, {key}: "{value}".'
            )
