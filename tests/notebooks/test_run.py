"""Every notebook runs: offline with solutions, and without them as far as it can.

Each is run with solutions in an empty folder, as in Colab, by runner.py; then without
them in the same folder. Where the system lets us, the runner has a network of its own
with nothing in it.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.name for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
SECONDS = 60  # with WORKSHOP_PRESET=ci on two cores
STOPS = ("NotYet", "_NotWritten")  # as in runner.py

Run = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the notebooks with solutions leave their trainings, a folder each."""
    return tmp_path_factory.mktemp("trained")


def printed(cell: dict[str, Any]) -> str:
    """All text that a cell shows; pictures are left out."""
    texts = []
    for output in cell["outputs"]:
        texts.append(output.get("text", ""))
        data = output.get("data", {})
        texts += [str(data[kind]) for kind in data if kind.startswith("text/")]
    return "\n".join(texts)


def is_seen_or_checked(cell: dict[str, Any], source: str) -> bool:
    shown = {kind for output in cell["outputs"] for kind in output.get("data", {})}
    drawn = any("image/" in kind or "widget" in kind for kind in shown)
    return drawn or "text/html" in shown or bool(re.search("assert |check", source))


def test_the_network_can_be_taken_away(without_network: tuple[str, ...]):
    if not without_network:
        pytest.skip("unshare is not allowed here: notebooks are run with the network")
    code = "import socket; socket.create_connection(('127.0.0.1', 9), 1)"
    command = [*without_network, sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "unreachable" in done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_with_solutions_every_cell_runs_quietly(
    name: str, run_notebook: Run, without_network: tuple[str, ...], trained: Path
):
    solved = ROOT / "notebooks" / "solutions" / name
    done = run_notebook(solved, trained / name, before=without_network)
    notebook = json.loads(solved.read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["error"] for cell in done] == [None] * len(code), done[-1]["words"]
    for cell in done:
        assert not cell["stderr"], f"{cell['id']}: {cell['stderr']}"
        text = printed(cell)
        assert "Warning" not in text, f"{cell['id']}: {text}"
        for place in (ROOT, Path.home(), sys.prefix, tempfile.gettempdir()):
            assert f"{place}{os.sep}" not in text, f"{cell['id']}: {text}"

    sources = {cell["id"]: "".join(cell["source"]) for cell in code}
    seen = [is_seen_or_checked(cell, sources[cell["id"]]) for cell in done]
    for start in range(1, len(seen) - 4):  # after the set-up
        ids = [cell["id"] for cell in done[start : start + 5]]
        assert any(seen[start : start + 5]), f"no picture and no check in {ids}"

    slow = {c["id"]: c["seconds"] for c in done if c["seconds"] > 10}
    seconds = sum(cell["seconds"] for cell in done)
    print(f"{name}: {seconds:.0f} s of {SECONDS}; above 10 s: {slow}")
    # Twice and more: a busy machine is no failure, a training that never ends is.
    assert seconds < 2.5 * SECONDS, slow


@pytest.mark.parametrize("name", NAMES)
def test_without_them_nothing_fails_but_the_stubs(
    name: str, run_notebook: Run, without_network: tuple[str, ...], trained: Path
):
    learner, solved = (
        ROOT / "notebooks" / folder / name for folder in ("", "solutions")
    )
    # Trainings that are there are loaded, as for a learner who comes back
    done = run_notebook(
        learner, trained / name, "--fill", solved, before=without_network
    )
    cells = json.loads(learner.read_text())["cells"]
    stubs = [c["id"] for c in cells if "exercise" in c["metadata"].get("tags", [])]
    for cell in done:
        assert cell["error"] in (None, *STOPS), f"{cell['id']}: {cell['words']}"
        if cell["error"] == "NotYet":
            (shown,) = [o for o in cell["outputs"] if o["output_type"] == "error"]
            assert shown["traceback"][0].startswith("Not yet: ")
            assert len(shown["traceback"]) == 3
    # One stop for each stub: otherwise one is never reached, so never checked.
    stops = [cell["id"] for cell in done if cell["error"]]
    assert len(stops) == len(stubs), f"stubs {stubs}, but stopped at {stops}"
    last = [cell["id"] for cell in cells if cell["cell_type"] == "code"][-1]
    assert (done[-1]["id"], done[-1]["error"]) == (last, None)


CELL = "\n# %%\n"
TITLE = "# %% [markdown]\n# # 01 Title\n"
STUB = "### BEGIN SOLUTION a\nx = 1\n### END SOLUTION"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        # A stub; another one, reached through the check after it
        (
            f"{STUB}{CELL}def f():\n    ### BEGIN SOLUTION b\n    return x\n"
            f"    ### END SOLUTION\n{CELL}assert f() == 1",
            ["NotYet", None, None, "NotYet", None, None],
        ),
        # What fails before the first stub is no stub's fault
        (f"1 / 0{CELL}{STUB}", ["ZeroDivisionError"]),
        # What fails after it, neither
        (f"{STUB}{CELL}y", ["NotYet", None, "NameError"]),
    ],
)
def test_the_runner_stops_where_it_should(
    tmp_path: Path, run_notebook: Run, body: str, expected: list[str | None]
):
    from workshop_lib.course.notebooks import build

    (tmp_path / "01_topic.py").write_text(TITLE + CELL + body + "\n")
    for path, text in zip(
        ("a.ipynb", "b.ipynb"), build(tmp_path / "01_topic.py"), strict=True
    ):
        (tmp_path / path).write_text(text)
    done = run_notebook(
        tmp_path / "a.ipynb", tmp_path / "work", "--fill", tmp_path / "b.ipynb"
    )
    assert [cell["error"] for cell in done] == [None, *expected]
