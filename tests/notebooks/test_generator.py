"""Two notebooks from one source: equal bytes, nothing given away, mistakes named."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workshop_lib import cli
from workshop_lib.course import notebooks as module
from workshop_lib.course.notebooks import build, build_all
from workshop_lib.course.quiz import questions
from workshop_lib.errors import WorkshopError

ROOT = Path(__file__).parents[2]
TITLE = "# %% [markdown]\n# # 01 Title\n#\n# Objectives.\n"
EXERCISE = """
# %%
def double(x):
    ### BEGIN SOLUTION twice as "much"
    ### STUB y = ...
    y = 2 * x
    ### END SOLUTION
    return y
"""


def write(folder: Path, text: str, name: str = "01_topic.py") -> Path:
    path = folder / "src" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def cells(text: str) -> dict[str, Any]:
    """The cells of a notebook by their id."""
    found = json.loads(text)["cells"]
    by_id = {cell["id"]: cell for cell in found}
    assert len(by_id) == len(found)
    for cell in found:
        cell["source"] = "".join(cell["source"])
    return by_id


def make(folder: Path, body: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Build from a body after the title: cells of the learner, cells with solutions."""
    learner, solutions = build(write(folder, TITLE + body))
    return cells(learner), cells(solutions)


def complaint(folder: Path, text: str) -> str:
    with pytest.raises(WorkshopError) as caught:
        build(write(folder, text))
    return str(caught.value)


# ---- what is committed


def test_committed_notebooks_are_what_their_sources_say():
    built = build_all(ROOT / "notebooks")
    assert len(built) >= 2
    for path, text in built.items():
        assert path.read_bytes() == text.encode(), f"{path.name}: make notebooks"
    assert {*(ROOT / "notebooks").rglob("*_*.ipynb")} == set(built)


def test_another_process_writes_the_same_bytes(tmp_path):
    write(tmp_path, TITLE + EXERCISE)
    code = (
        "import sys, pathlib; from workshop_lib.course.notebooks import build;"
        "t = build(pathlib.Path(sys.argv[1])); sys.stdout.buffer.write(t[0].encode())"
    )
    path = tmp_path / "src" / "01_topic.py"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        env={"PYTHONHASHSEED": "77", "LC_ALL": "C", "TZ": "Asia/Tokyo"},
    )
    assert done.stdout == build(path)[0].encode(), done.stderr


def test_notebooks_hold_nothing_that_changes(tmp_path):
    for text in build(write(tmp_path, TITLE + EXERCISE)):
        notebook = json.loads(text)
        nbformat.validate(notebook)
        kept = {"kernelspec", "language_info", "workshop_lib"}
        assert set(notebook["metadata"]) == kept
        assert notebook["metadata"]["kernelspec"]["name"] == "python3"
        for cell in notebook["cells"]:
            assert not cell.get("outputs") and cell.get("execution_count") is None
        assert text.endswith("}\n") and "\r" not in text
        assert str(tmp_path) not in text


def test_line_ends_of_windows_change_nothing(tmp_path):
    path = write(tmp_path, TITLE + EXERCISE)
    before = build(path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert build(path) == before


# ---- exercises


def test_solution_gives_way_to_a_stub_and_follows_folded_up(tmp_path):
    learner, solutions = make(tmp_path, EXERCISE)
    stub = 'def double(x):\n    y = ...\n    todo("twice as \\"much\\"")\n    return y'
    solved = "def double(x):\n    y = 2 * x\n    return y"
    assert learner["01-002"]["source"] == stub
    assert solutions["01-002"]["source"] == solved
    assert learner["01-002"]["metadata"]["tags"] == ["exercise"]
    folded = learner["01-002-solution"]["source"]
    assert folded == (
        "<details>\n<summary>Solution</summary>\n\n"
        f"```python\n{solved}\n```\n\n</details>"
    )
    assert "01-002-solution" not in solutions


def test_hints_come_before_the_solution(tmp_path):
    hint = '\n# %% [markdown] tags=["hint"]\n# I get `a<b>`\n#\n# Look *again*.\n'
    learner, _ = make(tmp_path, EXERCISE + hint + hint + "\n# %%\nx = 1\n")
    order = [name for name in learner if "setup" not in name]
    assert order == [
        "01-001",
        "01-002",
        "01-003",
        "01-004",
        "01-002-solution",
        "01-005",
    ]
    assert learner["01-003"]["source"] == (
        "<details>\n<summary>Hint: I get <code>a&lt;b&gt;</code></summary>\n\n"
        "Look *again*.\n\n</details>"
    )


def test_answers_of_the_quiz_are_in_the_solutions_only(tmp_path):
    open_ = 'quiz.answer("01-levels", "...")  # a letter in place of the dots'
    learner, solutions = make(tmp_path, f'\n# %% tags=["quiz"]\n{open_}\n')
    assert learner["01-002"]["source"] == open_
    right = questions()["01"]["01-levels"].right
    assert solutions["01-002"]["source"] == f'quiz.answer("01-levels", "{right}")'
    assert solutions["01-002"]["metadata"] == {"tags": ["quiz"]}


def test_a_solution_with_backticks_stays_in_its_fence(tmp_path):
    body = (
        '\n# %%\n### BEGIN SOLUTION text\nx = """\n```\n````\n"""\n### END SOLUTION\n'
    )
    folded = make(tmp_path, body)[0]["01-002-solution"]["source"]
    assert folded.count("`````") == 2


names = st.integers(0, 10**6).map(lambda n: f"secret_{n} = {n}")
block = st.tuples(
    st.integers(0, 3), st.lists(names, min_size=1, max_size=4, unique=True)
)


@st.composite
def exercises(draw: st.DrawFn) -> tuple[list[str], list[str], list[str]]:
    """Source lines of a cell with solutions; what the learner sees; what is solved."""
    source, learner, solved = ["a = 0"], ["a = 0"], ["a = 0"]
    for k, (depth, lines) in enumerate(draw(st.lists(block, min_size=1, max_size=3))):
        indent = " " * 4 * depth
        lines = [indent + line for line in lines]
        source += [f"{indent}### BEGIN SOLUTION task {k}", *lines]
        source += [f"{indent}### END SOLUTION", f"b = {k}  # plain"]
        learner += [f'{indent}todo("task {k}")', f"b = {k}  # plain"]
        solved += [*lines, f"b = {k}  # plain"]
    return source, learner, solved


@given(exercise=exercises())
def test_learner_sees_the_task_and_never_the_solution(tmp_path_factory, exercise):
    source, learner, solved = exercise
    folder = tmp_path_factory.mktemp("drawn")
    made, full = make(folder, "\n# %%\n" + "\n".join(source) + "\n")
    assert made["01-002"]["source"].splitlines() == learner
    assert full["01-002"]["source"].splitlines() == solved


@given(exercise=exercises(), data=st.data())
def test_a_marker_lost_or_doubled_is_an_error_with_its_line(
    tmp_path_factory, exercise, data
):
    source = list(exercise[0])
    marked = [i for i, line in enumerate(source) if "###" in line]
    at = data.draw(st.sampled_from(marked))
    if data.draw(st.booleans()):
        del source[at]
    else:
        source.insert(at, source[at])
    text = TITLE + "# %%\n" + "\n".join(source) + "\n"
    found = complaint(tmp_path_factory.mktemp("drawn"), text)
    line = int(re.search(r"01_topic\.py:(\d+): ", found).group(1))
    assert "### " in text.splitlines()[line - 1]


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("x = 1\n### END SOLUTION", 7),
        ("x = 1\n### STUB x = 2", 7),
        ("### BEGIN SOLUTION a\nx = 1", 6),
        ("### BEGIN SOLUTION a\n### BEGIN SOLUTION b\nx\n### END SOLUTION", 7),
        ("### BEGIN SOLUTION\nx = 1\n### END SOLUTION", 6),
        ("# begin solution a\nx = 1\n### END SOLUTION", 6),
        ("### BEGIN SOLUTION a\nx = 1\n### END SOLUTIONS", 6),
        ("### BEGIN SOLUTION a\nx = 1\n    ### END SOLUTION", 6),
        ("\n\n### Something else", 8),
    ],
)
def test_malformed_markers(tmp_path, code, line):
    found = complaint(tmp_path, f"{TITLE}# %%\n{code}\n")
    assert f"01_topic.py:{line}: " in found
    assert "is no marker, or stands alone" in found


# ---- cells


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ('# %% tags=["hints"]\nx = 1', "Did you mean 'hint'"),
        ('# %% tags=["slow"]\nx = 1', "seconds=60"),
        ("# %% seconds=5\nx = 1", "seconds=60"),
        ("# %% tags=[slow]\nx = 1", "tags=[slow]"),
        ("# %% Some title\nx = 1", "Some title"),
        ("# %% [raw]\n# x", "'raw'"),
        ('# %% [markdown] tags=["hint"]\n# I get an error', "a blank line"),
        ('# %% [markdown] tags=["hint"]\n# Look\n#\n# there', "I get ..."),
    ],
)
def test_malformed_cells(tmp_path, cell, words):
    found = complaint(tmp_path, f"{TITLE}{cell}\n")
    assert "01_topic.py:5: " in found
    assert words in found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a file begins with '# %% [markdown]'"),
        ('"""A module."""\n\n' + TITLE, "2 cells: a file begins with"),
        ("# %%\nx = 1\n", ":1: the first cell is Markdown"),
        ("# %% [markdown]\n# ## Title\n", ":1: the first cell is Markdown"),
        (
            TITLE + '# %%\ns = """\n# %% inside\n"""\n',
            "no string in it has such a line",
        ),
    ],
)
def test_malformed_files(tmp_path, text, words):
    assert words in complaint(tmp_path, text)


def test_notes_for_instructors_are_in_the_solutions_only(tmp_path):
    note = '\n# %% [markdown] tags=["instructor"]\n# Ask.\n#\n# Wait.\n'
    learner, solutions = make(tmp_path, note + "\n# %%\nx = 1\n")
    assert "01-002" not in learner
    expected = "> **For instructors**\n>\n> Ask.\n>\n> Wait."
    assert solutions["01-002"]["source"] == expected
    assert learner["01-003"] == solutions["01-003"]


def test_slow_cells_say_so_and_tags_reach_the_notebook(tmp_path):
    body = '\n# %% tags=["slow", "quiz"] seconds=75\nx = 1\n'
    for made in make(tmp_path, body):
        cell = made["01-002"]
        assert cell["source"] == "# Takes about 75 s on two CPU cores\nx = 1"
        assert cell["metadata"] == {"tags": ["slow", "quiz"]}


def test_learners_do_not_see_what_the_formatter_is_told(tmp_path):
    body = "\n# %%\nf(1,\n  2)  # fmt: skip\ny = '# fmt: skip'\n"
    for made in make(tmp_path, body):
        assert made["01-002"]["source"] == "f(1,\n  2)\ny = '# fmt: skip'"


def test_a_figure_tag_reaches_the_notebook_and_names_a_figure(tmp_path):
    made, _ = make(tmp_path, '\n# %% tags=["figure:05_top_k"]\nx = 1\n')
    assert made["01-002"]["metadata"]["tags"] == ["figure:05_top_k"]
    with pytest.raises(WorkshopError, match="unknown tag 'figure:top_k'"):
        make(tmp_path, '\n# %% tags=["figure:top_k"]\nx = 1\n')


def test_title_badges_set_up(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(module, "badges", lambda path: asked.append(path) or "[b](c)")
    learner, solutions = make(tmp_path, "\n# %%\nx = 1\n")
    assert asked == ["notebooks/01_topic.ipynb", "notebooks/solutions/01_topic.ipynb"]
    assert list(learner) == ["01-001", "01-setup-text", "01-setup", "01-002"]
    assert learner["01-001"]["source"] == "# 01 Title\n\n[b](c)\n\nObjectives."
    assert "With solutions" in solutions["01-001"]["source"]
    assert learner["01-setup"]["source"].endswith("device = session.setup()")


# ---- the command


def command(folder: Path, *more: str) -> int:
    return cli.main(["notebooks", "--folder", str(folder), *more])


def test_command_writes_then_leaves_alone(tmp_path, capsys):
    write(tmp_path, TITLE + EXERCISE)
    assert command(tmp_path) == 0
    assert capsys.readouterr().out.count("written: ") == 2
    made = tmp_path / "solutions" / "01_topic.ipynb"
    before = made.stat().st_mtime_ns
    assert command(tmp_path) == command(tmp_path, "--check") == 0
    assert "written" not in capsys.readouterr().out
    assert made.stat().st_mtime_ns == before


def test_check_lists_what_differs_and_writes_nothing(tmp_path, capsys):
    write(tmp_path, TITLE + EXERCISE)
    command(tmp_path)
    stale, orphan = tmp_path / "01_topic.ipynb", tmp_path / "09_old.ipynb"
    stale.write_bytes(stale.read_bytes().replace(b"\n", b"\r\n"))
    orphan.write_text("{}")
    capsys.readouterr()
    assert command(tmp_path, "--check") == 1
    found = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in found] == [str(stale), str(orphan)]
    assert b"\r\n" in stale.read_bytes()


def test_a_malformed_source_stops_before_anything_is_written(tmp_path, capsys):
    write(tmp_path, TITLE + EXERCISE)
    write(tmp_path, TITLE + "# %%\n### END SOLUTION\n", "02_topic.py")
    assert command(tmp_path) == 2
    assert f"{Path('src') / '02_topic.py'}:6: " in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.ipynb"))


def test_command_elsewhere_says_where_to_go(tmp_path, capsys):
    assert command(tmp_path) == 2
    assert "repository's root" in capsys.readouterr().err


def test_command_without_jupytext(tmp_path, capsys, monkeypatch):
    write(tmp_path, TITLE)
    error = ModuleNotFoundError("No module named 'jupytext'", name="jupytext")

    def lacking(folder: Path) -> None:
        raise error

    monkeypatch.setattr(module, "build_all", lacking)
    assert command(tmp_path) == 2
    assert "pip install -e '.[test]'" in capsys.readouterr().err
