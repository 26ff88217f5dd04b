"""Quiz in plain text: questions, answers and explanations.

    quiz.ask("04-threshold")
    quiz.answer("04-threshold", "b")

Needs neither JavaScript nor a widget: it reads the same in Colab, in a terminal, on a
screen reader and in a printed notebook.
"""

__all__ = ["answer", "answered", "ask", "find"]

import re
import textwrap

from workshop_lib.course import progress
from workshop_lib.course.questions import Question, questions
from workshop_lib.errors import WorkshopError, unknown_name

_WIDTH = 78
# An open answer in a notebook's source, with its comment
_OPEN = re.compile(r'^(quiz\.answer\("([^"]*)", )"\.\.\."\).*$', re.MULTILINE)


def ask(name: str) -> None:
    """Print a question and its choices.

    Raises:
        WorkshopError: no such question.
    """
    question = find(name)
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
    question = find(name)
    letter = choice.strip().lower().rstrip(").")
    if not letter:
        print(f"No answer yet: give one of the letters {', '.join(question.letters)}.")
        return
    if len(letter) != 1 or letter not in question.letters:
        raise WorkshopError(
            f"answer {choice!r} to {name}: give one of the letters"
            f" {', '.join(question.letters)}."
        )
    right = letter == question.right
    progress.record_answer(name, right)
    sign = "✓ Right." if right else "✗ Not quite."
    print(
        _hanging(
            f"{letter}) ", f"{sign} {question.why[question.letters.index(letter)]}"
        )
    )
    if not right:
        print("Try again: another letter, and run the cell once more.")


def answered(source: str) -> str:
    """Replace the dots by the right letter, for the notebook of solutions.

    Raises:
        WorkshopError: no such question.
    """
    return _OPEN.sub(lambda m: f'{m[1]}"{find(m[2]).right}")', source)


def find(name: str) -> Question:
    """Return a question by name.

    Raises:
        WorkshopError: no such question.
    """
    known = {key: one for unit in questions().values() for key, one in unit.items()}
    if name not in known:
        raise unknown_name("question", name, known)
    return known[name]


def _hanging(start: str, text: str) -> str:
    """Wrap a paragraph, later lines indented to its text rather than its letter."""
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_on_hyphens=False,
    )
