"""The questions of the quiz: unit -> name -> question, in the order of asking."""

__all__ = ["QUESTIONS", "Question"]

from workshop_lib.course.questions import (
    unit_01,
    unit_02,
    unit_03,
    unit_04,
    unit_05,
    unit_06,
    unit_07,
    unit_08,
)
from workshop_lib.course.questions.question import Question

QUESTIONS: dict[str, dict[str, Question]] = {
    "01": unit_01.QUESTIONS,
    "02": unit_02.QUESTIONS,
    "03": unit_03.QUESTIONS,
    "04": unit_04.QUESTIONS,
    "05": unit_05.QUESTIONS,
    "06": unit_06.QUESTIONS,
    "07": unit_07.QUESTIONS,
    "08": unit_08.QUESTIONS,
}
