"""Running a notebook as a learner would: what all tests of this folder share."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RUNNER = Path(__file__).with_name("runner.py")


@pytest.fixture(scope="session")
def without_network() -> tuple[str, ...]:
    """The words before a command that take its network away; none where forbidden."""
    words = ("unshare", "--map-root-user", "--net")
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return ()
    allowed = subprocess.run([*words, "true"], capture_output=True).returncode == 0
    return words if allowed else ()


@pytest.fixture(scope="session")
def run_notebook(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., list[dict[str, Any]]]:
    """Gives `run(notebook, work, *words, before=(), **environment)`.

    It runs a notebook (a path, or what is in one) by runner.py with preset ci in the
    folder `work`, which is made; `words` are more of the runner's own, `before` stands
    before the command. Returns what the runner wrote about each cell.
    """

    def run(
        notebook: Path | dict[str, Any],
        work: Path,
        *words: object,
        before: tuple[str, ...] = (),
        **environment: str,
    ) -> list[dict[str, Any]]:
        work.mkdir(parents=True, exist_ok=True)
        place = tmp_path_factory.mktemp("notebook")
        out = place / "done.json"
        if isinstance(notebook, dict):
            (place / "changed.ipynb").write_text(json.dumps(notebook))
            notebook = place / "changed.ipynb"
        command = [*before, sys.executable, RUNNER, notebook, out, *words]
        done = subprocess.run(
            list(map(str, command)),
            cwd=work,
            env=os.environ | {"WORKSHOP_PRESET": "ci", "CI": "1", **environment},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(out.read_text())

    return run
