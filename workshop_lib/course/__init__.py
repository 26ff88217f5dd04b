"""The course: exercises, quizzes, notebooks, progress and competition.

`todo` marks where a learner is to write. It stops at once, in plain words: a traceback
means nothing to a beginner, and a silent `...` fails three cells later.
"""

__all__ = ["NotYet", "todo"]

import sys
from typing import NoReturn


class NotYet(Exception):  # noqa: N818 - no mistake was made: nothing to call an error
    """Some code is still to be written; a notebook shows the words alone."""

    def _render_traceback_(self) -> list[str]:
        """Give IPython the lines to show in place of a traceback."""
        return str(self).splitlines()


def todo(what: str) -> NoReturn:
    """Stop here, and report what to write, where, and how to continue.

    Args:
        what: the task in a few words, e.g. "flip each image with probability 1/2".

    Raises:
        NotYet: always.
    """
    # A stub inside a function stops the cell that calls it, often a later one: so the
    # message names the function. The code of a cell itself has a name in brackets.
    name = sys._getframe(1).f_code.co_name
    if name.startswith("<"):
        where = "Write it in this cell in place of todo(...), then run the cell again."
    else:
        where = (
            f"{name}() needs it: write it there in place of todo(...), run that cell,"
            " then this one."
        )
    stuck = "Stuck? Hints and the solution are folded up below that cell."
    raise NotYet(f"Not yet: {what.rstrip('.')}.\n{where}\n{stuck}")
