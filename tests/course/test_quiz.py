"""The quiz: well-formed questions, an explanation for each choice, plain text."""

from collections import Counter
from pathlib import Path

import pytest

from workshop_lib.course import progress, quiz
from workshop_lib.course.quiz import LETTERS, questions, read_quiz
from workshop_lib.errors import WorkshopError

ALL = {name: one for unit in questions().values() for name, one in unit.items()}
GOOD = """
- name: 01-one
  question: Which?
  right: b
  choices:
    - choice: This
      why: No.
    - choice: That
      why: Yes.
"""


@pytest.mark.parametrize("name", ALL)
def test_question_is_well_formed(name):
    question = ALL[name]
    assert 3 <= len(question.choices) <= len(LETTERS)
    assert len(question.why) == len(question.choices)
    assert len(set(question.choices)) == len(set(question.why)) == len(question.choices)
    assert question.right in question.letters
    assert all(len(text) > 15 and text[-1] in ".?" for text in question.why)


@pytest.mark.parametrize("unit", questions())
def test_units_have_four_or_five_under_their_number(unit):
    assert 4 <= len(questions()[unit]) <= 5
    assert all(name.startswith(f"{unit}-") for name in questions()[unit])


def test_the_right_letter_cannot_be_guessed():
    letters = Counter(question.right for question in ALL.values())
    assert max(letters.values()) <= len(ALL) / 2 and set(letters) >= set("abc")


def test_ask(capsys):
    quiz.ask("04-threshold")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("The confidence threshold is raised")
    assert [line[:5] for line in lines if line.startswith("  ") and line[2] != " "] == [
        "  a) ", "  b) ", "  c) ",
    ]  # fmt: skip
    assert lines[-1].endswith('quiz.answer("04-threshold", "...")')
    assert max(map(len, lines)) <= 78
    assert progress.load()["quiz"] == {}


@pytest.mark.parametrize("name", ALL)
def test_every_choice_is_explained(name, capsys):
    question = ALL[name]
    wrong = [letter for letter in question.letters if letter != question.right]
    for letter, why in zip(question.letters, question.why, strict=True):
        quiz.answer(name, f" {letter.upper()}) ")
        said = " ".join(capsys.readouterr().out.split())
        assert why in said
        assert ("✓ Right." in said) == (letter == question.right)
        assert ("Try again" in said) == (letter != question.right)
    done = progress.load()["quiz"][name]
    before = [w for w in wrong if w < question.right]
    assert done.tries == len(before) + 1 and done.day


@pytest.mark.parametrize("nothing", ["...", "", "  "])
def test_no_answer_yet(nothing, capsys):
    quiz.answer("01-filter", nothing)
    assert capsys.readouterr().out == (
        "No answer yet: give one of the letters a, b, c, d.\n"
    )
    assert not progress.PATH.exists()


def test_other_letters_and_names():
    with pytest.raises(WorkshopError, match="one of the letters a, b, c\\."):
        quiz.answer("04-threshold", "d")
    with pytest.raises(WorkshopError, match="Did you mean '04-threshold'"):
        quiz.ask("04-treshold")


def test_answered_puts_the_right_letter_in_place_of_the_dots(capsys):
    source = """from workshop_lib.course import quiz

quiz.answer("04-mean", "...")  # a letter in place of the dots"""
    filled = quiz.answered(source)
    assert "..." not in filled and "#" not in filled
    exec(filled, {})
    assert "✓ Right." in capsys.readouterr().out
    assert progress.load()["quiz"]["04-mean"].tries == 1


@pytest.mark.parametrize(
    "source", ['quiz.ask("04-mean")', 'quiz.answer("04-mean", "a")', "x = 1  # ...", ""]
)
def test_answered_leaves_the_rest_alone(source):
    assert quiz.answered(source) == source


def test_answered_knows_its_questions():
    with pytest.raises(WorkshopError, match="04-mean"):
        quiz.answered('quiz.answer("04-men", "...")')


def read(folder: Path, text: str) -> dict:
    path = folder / "unit_01.yaml"
    path.write_text(text, encoding="utf-8")
    return read_quiz(path)


def test_a_unit_can_be_edited_by_hand(own_folder):
    ((name, question),) = read(own_folder, GOOD).items()
    assert name == "01-one" and question.choices == ("This", "That")
    assert question.right == "b" and question.why == ("No.", "Yes.")
    numbers = read(own_folder, GOOD.replace("This", "84"))["01-one"]
    assert numbers.choices == ("84", "That")


FORM = "unit_01.yaml, question 1 must have a name of its own"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  right: b\n", "", FORM),
        ("right: b", "right: c", FORM),
        ("      why: Yes.\n", "", FORM),
        ("    - choice: That\n      why: Yes.\n", "", FORM),
        (GOOD, "- Which?", FORM),
        ("01-one", "02-one", "question 1 must have a name .*01-"),
        ("Which?", "Which: this?", "unit_01.yaml is not valid YAML: .*line 3"),
        (GOOD, GOOD + GOOD, "question 2 must have a name of its own"),
        (GOOD, "name: 01-one", FORM),
    ],
)
def test_mistakes_in_a_file_are_named_with_their_question(
    own_folder, old, new, message
):
    assert old in GOOD
    with pytest.raises(WorkshopError, match=f"(?s){message}"):
        read(own_folder, GOOD.replace(old, new))
