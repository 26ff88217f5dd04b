"""Badges, and one set-up cell that adds what Colab lacks and leaves torch alone."""

import importlib
import importlib.util
import posixpath
import re
import subprocess
import sys
from pathlib import Path

import pytest

from workshop_lib import __version__
from workshop_lib.course import setup_cell
from workshop_lib.course.setup_cell import KEPT, badges, setup_code, setup_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PATH = "notebooks/01_intro.ipynb"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]


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
    exec(compile(setup_code(), "cell", "exec"), {})
    return calls


def test_nothing_happens_where_the_library_is_there(monkeypatch):
    assert run_cell(monkeypatch, missing=set()) == []


def test_installs_dependencies_then_library_and_never_torch(monkeypatch):
    needs, library = run_cell(monkeypatch, missing={"workshop_lib"})
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    assert needs[:5] == library[:5] == pip
    kept = [line for line in PROJECT["dependencies"] if line not in needs]
    assert {re.split(r"\W", line)[0] for line in kept} == set(KEPT)
    assert sorted(needs[5:] + kept) == sorted(PROJECT["dependencies"])
    address = f"git+{PROJECT['urls']['Repository']}@v{__version__}"
    assert library[5:] == ["--no-deps", address]


def test_says_what_to_do_where_there_is_no_torch(monkeypatch):
    with pytest.raises(SystemExit, match="Colab"):
        run_cell(monkeypatch, missing={"torch", "workshop_lib"})


def test_fits_a_narrow_notebook():
    lines = setup_code().splitlines()
    assert max(map(len, lines)) <= 78
    assert len(lines) <= 25


GITHUB = "https://github.com/some-one/few.labels"
ELSEWHERE = "https://gitlab.com/some-one/few-labels"


@pytest.mark.parametrize("end", ["", "/", ".git"])
def test_github_gets_three_badges_at_the_release(end, monkeypatch):
    monkeypatch.setattr(setup_cell, "repository", lambda: GITHUB + end)
    line, here = badges(PATH), f"some-one/few.labels/blob/v{__version__}"
    assert f"(https://colab.research.google.com/github/{here}/{PATH})" in line
    page = f"https://github.com/{here}/{PATH}"
    assert f"(https://kaggle.com/kernels/welcome?src={page})" in line
    binder = f"some-one/few.labels/v{__version__}?labpath={PATH}"
    assert f"(https://mybinder.org/v2/gh/{binder})" in line
    assert "\n" not in line
    assert line.count("[![Open in ") == 2 and line.count("[![Launch Binder]") == 1
    glossary = f"[glossary](https://github.com/{here}/docs/glossary.md)"
    assert glossary in setup_text(PATH)  # a notebook from GitHub has no file beside it


@pytest.mark.parametrize(
    "address",
    [
        ELSEWHERE,
        "https://github.com.example.org/some-one/few-labels",
        "https://github.com/some-one",
    ],
)
def test_other_hosts_get_no_badge_that_would_not_work(address, monkeypatch):
    monkeypatch.setattr(setup_cell, "repository", lambda: address)
    assert badges(PATH) == ""


@pytest.mark.parametrize("path", [PATH, "notebooks/solutions/01_intro.ipynb"])
def test_glossary_is_the_file_of_the_checkout(path, monkeypatch):
    monkeypatch.setattr(setup_cell, "repository", lambda: ELSEWHERE)
    link = setup_text(path).partition("[glossary](")[2].partition(")")[0]
    found = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
    assert (ROOT / found).read_text(encoding="utf-8").startswith("# Glossary")


def test_set_up_installs_first_and_makes_what_sources_may_use():
    code = setup_code()
    scope: dict[str, object] = {}
    exec(compile(code, "cell", "exec"), scope)
    assert {"device", "session", "todo"} <= set(scope)
    # Colab folds a cell away whose first line begins so
    assert code.startswith("# @title ")
