"""Progress: kept across notebooks, never lost, shown in plain text; the certificate."""

import json
import os
import re
from datetime import date
from pathlib import Path

import pytest

from workshop_lib.course import progress
from workshop_lib.course.progress import CHECKS, CORE, UNITS, Done, certificate
from workshop_lib.course.questions import questions
from workshop_lib.errors import WorkshopError

TODAY = date.today().isoformat()


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pass_checks(units: str) -> None:
    for unit in units.split():
        for name in CHECKS[unit]:
            progress.record_check(name, passed=True)


def test_nothing_yet():
    assert progress.load() == {"checks": {}, "quiz": {}}
    assert not progress.PATH.exists()


def test_tries_and_the_first_day():
    progress.record_check("convolve", passed=False)
    assert progress.load()["checks"]["convolve"] == Done(1, "")
    progress.record_check("convolve", passed=True)
    progress.record_answer("01-filter", right=True)
    records = progress.load()
    assert records["checks"]["convolve"] == Done(2, TODAY)
    assert records["quiz"]["01-filter"] == Done(1, TODAY)
    assert not records["checks"]["convolve"].first_try
    assert records["quiz"]["01-filter"].first_try


def test_what_was_passed_stays_passed(monkeypatch):
    progress.record_check("convolve", passed=True)
    before = progress.PATH.read_bytes()
    progress.record_check("convolve", passed=False)
    assert progress.PATH.read_bytes() == before


@pytest.mark.parametrize(
    "damage",
    [
        b"{",
        b"",
        b"\xff\xfe",
        b"[1]",
        b'{"version": 2, "checks": {}, "quiz": {}}',
        b'{"version": 1, "checks": {}}',
        b'{"version": 1, "checks": {"convolve": 3}, "quiz": {}}',
        b'{"version": 1, "checks": [], "quiz": {}}',
        b'{"version": 1, "checks": {"a": {"tries": 0, "day": ""}}, "quiz": {}}',
        b'{"version": 1, "checks": {"a": {"tries": 1, "day": "soon"}}, "quiz": {}}',
    ],
)
def test_a_damaged_file_is_kept_aside(damage, capsys):
    progress.PATH.parent.mkdir()
    progress.PATH.write_bytes(damage)
    progress.record_check("convolve", passed=True)
    aside = progress.PATH.with_name("progress.damaged-1.json")
    assert aside.read_bytes() == damage
    assert progress.load()["checks"] == {"convolve": Done(1, TODAY)}
    said = capsys.readouterr().out
    assert said == (
        "runs/progress.json cannot be read: it is kept as"
        " runs/progress.damaged-1.json, and a new one is begun.\n"
    )


def test_damaged_files_do_not_overwrite_each_other():
    progress.PATH.parent.mkdir()
    for content in ("{1", "{2"):
        progress.PATH.write_text(content)
        progress.load()
    found = [progress.PATH.with_name(f"progress.damaged-{i}.json") for i in (1, 2)]
    assert [path.read_text() for path in found] == ["{1", "{2"]


def test_what_cannot_be_written_does_not_spoil_a_right_answer(capsys):
    Path("runs").write_text("a file where the folder should be")
    progress.record_check("convolve", passed=True)
    said = capsys.readouterr().out
    assert said.startswith("Your progress was not kept: cannot write")
    assert os.getcwd() not in said


def test_shown_as_a_table(capsys):
    pass_checks("01")
    progress.record_answer("01-filter", right=False)
    progress.record_answer("01-filter", right=True)
    progress.show()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(UNITS) + 3 and max(map(len, lines)) <= 88
    assert lines[0].split() == [
        *("unit", "checks", "quiz", "first", "try", "last", "day")
    ]
    assert "########## 2/2" in lines[1] and "##........ 1/5" in lines[1]
    assert "2 of 3" in lines[1] and lines[1].endswith(TODAY)
    assert ".......... 0/3" in lines[2] and lines[2].endswith("-")
    assert lines[-2:] == [
        "First try: right at the first try (checks and quiz).",
        "Next check: count_labels",
    ]


def test_all_done(capsys):
    pass_checks(" ".join(UNITS))
    asked = [name for names in questions().values() for name in names]
    for name in asked[2:]:
        progress.record_answer(name, right=True)
    progress.record_answer(asked[1], right=False)
    capsys.readouterr()
    progress.show()
    said = capsys.readouterr().out
    assert f"Quiz open: {asked[0]}, {asked[1]}\nAll checks passed." in said
    for name in asked:
        progress.record_answer(name, right=True)
    progress.show()
    assert "Quiz open" not in capsys.readouterr().out


def test_all_done_tells_how_to_get_the_certificate(capsys):
    pass_checks(" ".join(UNITS))
    progress.show()
    said = capsys.readouterr().out
    asked = [name for names in questions().values() for name in names]
    listed = said.partition("Quiz open: ")[2].partition("All checks")[0]
    assert " ".join(listed.split()) == ", ".join(asked)  # over lines, none cut in two
    assert max(map(len, said.splitlines())) <= 88
    command = said.partition("with your name on it:")[2].strip()
    exec("\n".join(line.strip() for line in command.splitlines()), {})
    assert Path("runs/certificate.html").exists()


def test_the_units_of_two_hours_are_enough_for_the_certificate(capsys):
    for unit in CORE:
        for name in CHECKS[unit]:
            assert "certificate" not in said_by_show(capsys)
            progress.record_check(name, passed=True)
    said = said_by_show(capsys)
    after = list(UNITS)[len(CORE)]
    assert f"Next check: {CHECKS[after][0]}\nQuiz open: 01-" in said
    assert "All checks of units 01 to 06 passed. A certificate" in said
    assert f" {after}-" not in said.partition("Quiz open")[2]  # not begun, not asked


def said_by_show(capsys) -> str:
    capsys.readouterr()
    progress.show()
    return capsys.readouterr().out


def test_names_of_a_later_version_are_kept():
    content = {
        "version": 1,
        "checks": {"later": {"tries": 3, "day": TODAY}},
        "quiz": {},
    }
    progress.PATH.parent.mkdir()
    progress.PATH.write_text(json.dumps(content))
    progress.record_answer("01-filter", right=True)
    assert progress.load()["checks"]["later"] == Done(3, TODAY)


def test_every_unit_has_a_quiz():
    assert list(questions()) == list(UNITS)


# ---- the certificate


PAGE = Path("runs") / "certificate.html"


def words(path: Path = PAGE) -> str:
    page = path.read_text(encoding="utf-8").partition("<body>")[2]
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_a_certificate_of_some_units(capsys, own_folder):
    pass_checks("01 02")
    progress.record_check("weak_view", passed=False)
    progress.record_answer("01-filter", right=True)
    capsys.readouterr()
    assert certificate("Ada  Example") is None  # nothing that a notebook would show
    assert capsys.readouterr().out == (
        f"Written: runs/certificate.html, in the folder {own_folder.name!r}.\n"
        "Open it in a browser, and print it.\n"
    )
    said = words()
    total = sum(map(len, CHECKS.values()))
    whole = f"all checks of 2 of {len(UNITS)} units: 01, 02."
    assert f"Ada Example has passed 5 of {total} checks, and {whole}" in said
    assert f"01 Introduction ✓ 2 of 2 1 of 5 {TODAY}" in said
    assert "03 Augmentation 0 of 2 0 of 5" in said and "weak_view" not in said
    assert f"draw_split {TODAY}" in said
    assert "first try" not in said.lower()
    assert "Self-issued on" in said and "Nobody supervised it." in said


def test_a_certificate_of_all_units(tmp_path, capsys):
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
