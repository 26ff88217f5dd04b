"""A stub stops in words, and says where to write."""

import os

import pytest
from IPython.core.interactiveshell import InteractiveShell

from workshop_lib.course import NotYet, checks, todo


def half_written():
    todo("count each label.")


def test_in_a_function_the_message_names_it():
    with pytest.raises(NotYet) as caught:
        half_written()
    said = str(caught.value)
    assert said.startswith("Not yet: count each label.\nhalf_written() needs it")
    assert "todo(...)" in said


def test_in_a_cell_the_message_says_this_cell():
    with pytest.raises(NotYet, match="Write it in this cell"):
        exec(compile("todo('a')", "cell", "exec"), {"todo": todo})
    with pytest.raises(NotYet, match="Write it in this cell"):
        (lambda: todo("a"))()


@pytest.mark.parametrize(
    ("code", "first"),
    [
        ("todo('flip each image')", "Not yet: flip each image."),
        ("checks.l2_normalize(lambda x: x)", "✗ l2_normalize: not yet."),
    ],
)
def test_a_notebook_shows_the_words_and_no_traceback(code, first, capsys):
    shell = InteractiveShell()
    shell.user_ns |= {"todo": todo, "checks": checks}
    assert not shell.run_cell(code).success
    shown = capsys.readouterr().out
    assert shown.startswith(first)
    assert "Traceback" not in shown and os.sep + "checks" not in shown
