"""One question of the quiz."""

__all__ = ["LETTERS", "Question"]

from dataclasses import dataclass

LETTERS = "abcd"


@dataclass(frozen=True)
class Question:
    """A question with its choices, and for each choice why it is right or wrong.

    Args:
        text: the question.
        choices: three or four, in the order a, b, c, d.
        right: the letter of the right one.
        why: an explanation for each choice, in the same order; a wrong choice is told
            what it would be right for, or what it overlooks.
    """

    text: str
    choices: tuple[str, ...]
    right: str
    why: tuple[str, ...]

    @property
    def letters(self) -> str:
        """The letters of the choices, such as "abc"."""
        return LETTERS[: len(self.choices)]
