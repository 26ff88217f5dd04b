"""The install cell adds what Colab lacks, and leaves torch alone."""

import importlib
import importlib.util
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from workshop_lib import __version__
from workshop_lib.course import install_cell as module
from workshop_lib.course.install_cell import KEPT, install_cell
from workshop_lib.errors import WorkshopError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
PROJECT = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]


def run_cell(monkeypatch: pytest.MonkeyPatch, missing: set[str]) -> list[list[str]]:
    """Run the cell on a machine that lacks some modules; return what it calls."""
    calls: list[list[str]] = []
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name in missing else real(name),
    )
    monkeypatch.setattr(subprocess, "check_call", calls.append)
    exec(compile(install_cell(), "cell", "exec"), {})
    return calls


def test_nothing_happens_where_the_library_is_there(monkeypatch: pytest.MonkeyPatch):
    assert run_cell(monkeypatch, missing=set()) == []


def test_installs_dependencies_then_library_and_never_torch(
    monkeypatch: pytest.MonkeyPatch,
):
    needs, library = run_cell(monkeypatch, missing={"workshop_lib"})
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    assert needs[:5] == library[:5] == pip
    kept = [line for line in PROJECT["dependencies"] if line not in needs]
    assert {re.split(r"\W", line)[0] for line in kept} == set(KEPT)
    assert sorted(needs[5:] + kept) == sorted(PROJECT["dependencies"])
    address = f"git+{PROJECT['urls']['Repository']}@v{__version__}"
    assert library[5:] == ["--no-deps", address]


def test_says_what_to_do_where_there_is_no_torch(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(SystemExit, match="Colab"):
        run_cell(monkeypatch, missing={"torch", "workshop_lib"})


def test_fits_a_narrow_notebook():
    lines = install_cell().splitlines()
    assert max(map(len, lines)) <= 78
    assert len(lines) <= 20


def test_library_that_was_never_installed(monkeypatch: pytest.MonkeyPatch):
    def nothing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(module, "metadata", nothing)
    with pytest.raises(WorkshopError, match="make setup"):
        install_cell()
