"""The certificate: what was done, whose it is, and that it is self-issued."""

import os
import re
from datetime import date
from pathlib import Path

import pytest

from workshop_lib.course import progress
from workshop_lib.course.progress import CHECKS, UNITS, certificate
from workshop_lib.errors import WorkshopError


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pass_checks(units: str) -> None:
    for unit in units.split():
        for name in CHECKS[unit]:
            progress.record_check(name, passed=True)


PAGE = Path("runs") / "certificate.html"


def words(path: Path = PAGE) -> str:
    page = path.read_text(encoding="utf-8").partition("<body>")[2]
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_some_units(capsys, own_folder):
    pass_checks("01 02")
    progress.record_check("weak_view", passed=False)
    progress.record_answer("01-filter", right=True)
    capsys.readouterr()
    assert certificate("Ada  Example") is None  # nothing that a notebook would show
    assert capsys.readouterr().out == (
        f"Written: runs/certificate.html, in the folder {own_folder.name!r}.\n"
        "Open it in a browser, and print it.\n"
    )
    said, today = words(), date.today().isoformat()
    total = sum(map(len, CHECKS.values()))
    whole = f"all checks of 2 of {len(UNITS)} units: 01, 02."
    assert f"Ada Example has passed 5 of {total} checks, and {whole}" in said
    assert f"01 Introduction ✓ 2 of 2 1 of 5 {today}" in said
    assert "03 Augmentation 0 of 2 0 of 5" in said and "weak_view" not in said
    assert f"draw_split {today}" in said
    assert "first try" not in said.lower()
    assert "Self-issued on" in said and "Nobody supervised it." in said


def test_all_units(tmp_path, capsys):
    pass_checks(" ".join(UNITS))
    page = tmp_path / "elsewhere" / "certificate.html"
    certificate("Ada", page.parent)
    assert f"Written: {page.as_posix()}.\nOpen it" in capsys.readouterr().out
    said = words(page)
    assert f"has passed every check of all {len(UNITS)} units." in said
    assert said.count("✓") == len(UNITS) + 1  # and one in the caption


def test_the_workshop_of_two_hours_has_a_certificate_that_names_its_units():
    pass_checks("01 02 03 04 05 06")
    certificate("Ada")
    assert "units: 01, 02, 03, 04, 05, 06." in words()


def test_the_page_is_alone_and_safe():
    pass_checks("01")
    certificate("<script>alert(1)</script>")
    page = PAGE.read_text(encoding="utf-8")
    assert "<script" not in page and "&lt;script&gt;" in page
    assert "http" not in page.replace("http-equiv", "") and os.getcwd() not in page


def test_nothing_done_is_no_certificate():
    progress.record_check("convolve", passed=False)
    progress.record_answer("01-filter", right=True)
    with pytest.raises(WorkshopError, match="no check has been passed yet"):
        certificate("Ada")
    assert not PAGE.exists()


def test_elsewhere_it_says_where_to_run_it(tmp_path, monkeypatch):
    pass_checks("01")
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    with pytest.raises(WorkshopError) as refused:
        certificate("Ada")
    said = str(refused.value)
    assert "no runs/progress.json in the folder 'other'" in said
    assert "Run this in the notebooks folder, after" in said
    assert not any(other.iterdir())


@pytest.mark.parametrize("name", ["", "  ", "x" * 61])
def test_names_that_do_not_fit(name):
    pass_checks("01")
    with pytest.raises(WorkshopError, match="give 1 to 60"):
        certificate(name)
