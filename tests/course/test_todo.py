"""A stub stops in words, and says where to write."""

import pytest
from IPython.core.interactiveshell import InteractiveShell

from workshop_lib.course import NotYet, todo


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


def test_a_notebook_shows_the_words_and_no_traceback():
    shell = InteractiveShell()
    shown: list[str] = []
    shell._showtraceback = lambda kind, error, lines: shown.extend(lines)
    shell.user_ns["todo"] = todo
    result = shell.run_cell("x = 1\ntodo('flip each image')")
    assert isinstance(result.error_in_exec, NotYet)
    assert shown[0] == "Not yet: flip each image."
    assert len(shown) == 3
    assert "Traceback" not in "".join(shown)
