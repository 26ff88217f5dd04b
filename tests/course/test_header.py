"""Badges where the host can be opened from, and one set-up cell."""

import posixpath
from pathlib import Path

import pytest

from workshop_lib import __version__
from workshop_lib.course.header import badges, setup_code, setup_text
from workshop_lib.course.install_cell import install_cell, repository

PATH = "notebooks/01_intro.ipynb"
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("end", ["", "/", ".git"])
def test_github_gets_three_badges_at_the_release(end: str):
    line = badges(PATH, f"https://github.com/some-one/few.labels{end}")
    page = f"some-one/few.labels/blob/v{__version__}/{PATH}"
    assert f"(https://colab.research.google.com/github/{page})" in line
    assert f"(https://kaggle.com/kernels/welcome?src=https://github.com/{page})" in line
    assert (
        f"(https://mybinder.org/v2/gh/some-one/few.labels/v{__version__}?labpath={PATH})"
        in line
    )
    assert "\n" not in line
    assert line.count("[![Open in ") == 2 and line.count("[![Launch Binder]") == 1


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/few-labels-workshop",
        "https://gitlab.com/some-one/few-labels",
        "https://github.com.example.org/some-one/few-labels",
        "https://github.com/some-one",
    ],
)
def test_other_hosts_get_no_badge_that_would_not_work(address: str):
    assert badges(PATH, address) == ""


def test_address_is_the_one_of_pyproject_unless_told():
    assert badges(PATH) == badges(PATH, repository())


@pytest.mark.parametrize("path", [PATH, "notebooks/solutions/01_intro.ipynb"])
def test_glossary_is_the_file_of_the_checkout(path: str):
    text = setup_text(path, "https://example.org/few-labels-workshop")
    link = text.partition("[glossary](")[2].partition(")")[0]
    found = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
    assert (ROOT / found).read_text(encoding="utf-8").startswith("# Glossary")


def test_glossary_is_a_page_of_the_release_for_a_notebook_from_github():
    text = setup_text(PATH, "https://github.com/some-one/few-labels")
    page = f"some-one/few-labels/blob/v{__version__}/docs/glossary.md"
    assert f"[glossary](https://github.com/{page})" in text


def test_set_up_installs_first_and_makes_what_sources_may_use():
    code = setup_code()
    assert code.startswith(install_cell())
    scope: dict[str, object] = {}
    exec(compile(code, "cell", "exec"), scope)
    assert {"device", "session", "todo"} <= set(scope)
    # Colab folds a cell away whose first line begins so
    assert code.startswith("# @title ")
