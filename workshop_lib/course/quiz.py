"""Quiz in plain text: questions, answers and explanations.

    quiz.ask("04-threshold")
    quiz.answer("04-threshold", "b")

Needs neither JavaScript nor a widget: it reads the same in Colab, in a terminal, on a
screen reader and in a printed notebook. The questions are in `quizzes/unit_NN.yaml`. An
instructor edits them by hand, so a mistake is reported with its file and question.
"""

__all__ = ["LETTERS", "Question", "answer", "answered", "ask", "questions", "read_quiz"]

import re
import textwrap
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from workshop_lib.course.progress import record
from workshop_lib.errors import WorkshopError, unknown_name

LETTERS = "abcd"
_FOLDER = Path(__file__).parent / "quizzes"
# An open answer in a notebook's source, with its comment
_OPEN = re.compile(r'^(quiz\.answer\("([^"]*)", )"\.\.\."\).*$', re.MULTILINE)


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


def ask(name: str) -> None:
    """Print a question and its choices.

    Raises:
        WorkshopError: no such question.
    """
    question = _find(name)
    print(_hanging("", question.text))
    for letter, choice in zip(question.letters, question.choices, strict=True):
        print(_hanging(f"  {letter})  ", choice))
    print(f'Answer in the next cell: quiz.answer("{name}", "...")')


def answer(name: str, choice: str) -> None:
    """Report whether a choice is right and why, and record the answer.

    Args:
        name: of the question, as "04-threshold".
        choice: its letter; "..." or an empty text is no answer yet.

    Raises:
        WorkshopError: no such question, or not one of its letters.
    """
    question = _find(name)
    letter, letters = choice.strip().lower().rstrip(")."), ", ".join(question.letters)
    if not letter:
        print(f"No answer yet: give one of the letters {letters}.")
        return
    if letter not in tuple(question.letters):
        raise WorkshopError(
            f"answer {choice!r} to {name}: give one of the letters {letters}."
        )
    right = letter == question.right
    record("quiz", name, right)
    sign = "✓ Right." if right else "✗ Not quite."
    why = question.why[question.letters.index(letter)]
    print(_hanging(f"{letter}) ", f"{sign} {why}"))
    if not right:
        print("Try again: another letter, and run the cell once more.")


def answered(source: str) -> str:
    """Replace the dots by the right letter, for the notebook of solutions.

    Raises:
        WorkshopError: no such question.
    """
    return _OPEN.sub(lambda m: f'{m[1]}"{_find(m[2]).right}")', source)


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
    try:
        # The base loader takes every value as text, also 84 and yes
        found = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise WorkshopError(f"{path.name} is not valid YAML: {error}") from None
    start = path.stem.removeprefix("unit_") + "-"
    quiz: dict[str, Question] = {}
    for number, entry in enumerate(found if isinstance(found, list) else [found], 1):
        with suppress(KeyError, TypeError, AttributeError):
            name, listed = entry["name"], entry["choices"]
            choices, why = (tuple(o[key] for o in listed) for key in ("choice", "why"))
            question = Question(entry["question"], choices, entry["right"], why)
            named = name.startswith(start) and name not in quiz
            right = question.right in tuple(question.letters)
            several = 2 <= len(choices) <= len(LETTERS)
            if named and right and several and all([question.text, *choices, *why]):
                quiz[name] = question
                continue
        raise WorkshopError(
            f"{path.name}, question {number} must have a name of its own ({start}...),"
            f" question, right (a letter of {LETTERS}) and a list of two to four"
            " choices, each with choice and why; none is empty."
        )
    return quiz


def _find(name: str) -> Question:
    known = {key: one for unit in questions().values() for key, one in unit.items()}
    if name not in known:
        raise unknown_name("question", name, known)
    return known[name]


def _hanging(start: str, text: str) -> str:
    """Wrap a paragraph, later lines indented to its text rather than its letter."""
    later = " " * len(start)
    whole = start + text
    return textwrap.fill(whole, 78, subsequent_indent=later, break_on_hyphens=False)
