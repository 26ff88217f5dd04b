"""`pytest --nbval-lax`: what our own conftest asks of a cell beyond nbval."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
KERNEL = {"kernelspec": {"display_name": "P", "language": "python", "name": "python3"}}
QUIET = ["x = 1"] * 5
OFFLINE = """\
import socket
try:
    socket.create_connection(("192.0.2.1", 9), 1)
except OSError as error:
    assert "without a network" in str(error)
else:
    raise AssertionError("there is a network")"""

NOTEBOOKS = {
    "good": ["import os\nassert os.listdir() == []", OFFLINE, "open('a', 'w').close()"],
    "raises": ["1 / 0"],
    "stderr": ["import sys\nprint('x', file=sys.stderr)"],
    "warns": ["print('DeprecationWarning: x')"],
    "path": ["import os\nprint(os.getcwd() + os.sep)"],
    "silent": [*QUIET, "x"],
    "checked": [*QUIET[:4], "assert x == 1", "x = 2"],
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Notebook -> "PASSED" or "FAILED" of each cell."""
    place = tmp_path_factory.mktemp("nbval")
    (place / "solutions").mkdir()
    shutil.copy(ROOT / "notebooks" / "solutions" / "conftest.py", place / "solutions")
    for name, sources in NOTEBOOKS.items():
        cells = [new_code_cell(source) for source in sources]
        notebook = new_notebook(cells=cells, metadata=KERNEL)
        nbformat.write(notebook, place / "solutions" / f"{name}.ipynb")
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "solutions", "-rA"]
    # Not the options of the run that this test is part of
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    done = subprocess.run(command, cwd=place, env=env, capture_output=True, text=True)
    left = {path.name for path in (place / "solutions").iterdir()}
    made = {f"{name}.ipynb" for name in NOTEBOOKS} | {"conftest.py", "__pycache__"}
    assert left <= made, "a notebook leaves nothing beside itself"
    pattern = r"^(PASSED|FAILED) solutions/(\w+)\.ipynb::Cell (\d+)"
    found: dict[str, dict[int, str]] = {name: {} for name in NOTEBOOKS}
    for outcome, name, number in re.findall(pattern, done.stdout, re.M):
        found[name][int(number)] = outcome
    assert {k: len(v) for k, v in found.items()} == {
        name: len(sources) for name, sources in NOTEBOOKS.items()
    }, done.stdout
    return {k: [v[number] for number in sorted(v)] for k, v in found.items()}


@pytest.mark.parametrize("name", ["good", "checked"])
def test_quiet_cells_pass_in_an_empty_folder_without_a_network(outcomes, name):
    assert set(outcomes[name]) == {"PASSED"}


@pytest.mark.parametrize("name", ["raises", "stderr", "warns", "path"])
def test_a_cell_that_fails_warns_or_shows_a_path_is_a_failure(outcomes, name):
    assert outcomes[name] == ["FAILED"]


def test_after_the_set_up_one_cell_of_five_shows_or_checks(outcomes):
    assert outcomes["silent"] == [*["PASSED"] * 5, "FAILED"]
