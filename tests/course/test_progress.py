"""Progress: kept across notebooks, never lost, shown in plain text; the certificate."""

import json
import os
import re
from datetime import date
from pathlib import Path

import pytest

from workshop_lib.course import progress
from workshop_lib.course.progress import CORE, UNITS, Done, certificate, record
from workshop_lib.course.quiz import questions
from workshop_lib.errors import WorkshopError

TODAY = date.today().isoformat()
CHECKS = progress.unit_checks()
QUESTIONS = [name for names in questions().values() for name in names]


def pass_checks(*units: str) -> None:
    for unit in units:
        for name in CHECKS[unit]:
            record("checks", name, True)


def said_by_show(capsys) -> str:
    capsys.readouterr()
    progress.show()
    return capsys.readouterr().out


# ---- the file


def test_tries_and_the_first_day():
    assert progress.load() == {"checks": {}, "quiz": {}}
    assert not progress.PATH.exists()
    record("checks", "convolve", False)
    assert progress.load()["checks"]["convolve"] == Done(1, "")
    record("checks", "convolve", True)
    record("quiz", "01-filter", True)
    found = progress.load()
    assert found["checks"]["convolve"] == Done(2, TODAY)
    assert found["quiz"]["01-filter"] == Done(1, TODAY)


def test_what_was_passed_stays_passed():
    record("checks", "convolve", True)
    before = progress.PATH.read_bytes()
    record("checks", "convolve", False)
    assert progress.PATH.read_bytes() == before


@pytest.mark.parametrize(
    "damage",
    [
        b"{",
        b"\xff\xfe",
        b'{"version": 2, "checks": {}, "quiz": {}}',
        b'{"version": 1, "checks": {}}',
        b'{"version": 1, "checks": {"convolve": 3}, "quiz": {}}',
        b'{"version": 1, "checks": [], "quiz": {}}',
    ],
)
def test_a_damaged_file_is_kept_aside(damage, capsys):
    progress.PATH.parent.mkdir()
    progress.PATH.write_bytes(damage)
    record("checks", "convolve", True)
    aside = progress.PATH.with_name("progress.damaged-1.json")
    assert aside.read_bytes() == damage
    assert progress.load()["checks"] == {"convolve": Done(1, TODAY)}
    said = capsys.readouterr().out
    assert said == (
        "runs/progress.json cannot be read: it is kept as"
        " runs/progress.damaged-1.json, and a new one is begun.\n"
    )
    progress.PATH.write_bytes(b"{2")
    progress.load()
    assert aside.read_bytes() == damage
    assert progress.PATH.with_name("progress.damaged-2.json").read_bytes() == b"{2"


def test_what_cannot_be_written_does_not_spoil_a_right_answer(capsys):
    Path("runs").write_text("a file where the folder should be")
    record("checks", "convolve", True)
    said = capsys.readouterr().out
    assert said.startswith("Your progress was not kept: cannot write")
    assert os.getcwd() not in said


def test_names_of_a_later_version_are_kept():
    later = {"later": {"tries": 3, "day": TODAY}}
    progress.PATH.parent.mkdir()
    progress.PATH.write_text(json.dumps({"version": 1, "checks": later, "quiz": {}}))
    record("quiz", "01-filter", True)
    assert progress.load()["checks"]["later"] == Done(3, TODAY)


# ---- the table


def test_every_unit_has_a_quiz_and_checks():
    assert list(questions()) == list(UNITS) == list(CHECKS)
    assert {u: list(q) for u, q in questions().items()} == progress.unit_questions()


def test_shown_as_a_table(capsys):
    pass_checks("01")
    record("quiz", "01-filter", False)
    record("quiz", "01-filter", True)
    lines = said_by_show(capsys).splitlines()
    assert len(lines) == len(UNITS) + 3 and max(map(len, lines)) <= 88
    assert re.fullmatch("unit +checks +quiz +first try +last day", lines[0])
    assert "########## 2/2" in lines[1] and "##........ 1/5" in lines[1]
    assert "2 of 3" in lines[1] and lines[1].endswith(TODAY)
    assert ".......... 0/3" in lines[2] and lines[2].endswith("-")
    assert lines[-2:] == [
        "First try: right at the first try (checks and quiz).",
        "Next check: count_labels",
    ]


def test_all_done(capsys):
    pass_checks(*UNITS)
    said = said_by_show(capsys)
    listed = said.partition("Quiz open: ")[2].partition("All checks passed.")[0]
    assert " ".join(listed.split()) == ", ".join(QUESTIONS)  # none is cut in two
    assert max(map(len, said.splitlines())) <= 88
    command = said.partition("with your name on it:")[2].strip()
    exec("\n".join(line.strip() for line in command.splitlines()), {})
    assert PAGE.exists()
    for name in QUESTIONS:
        record("quiz", name, True)
    assert "Quiz open" not in said_by_show(capsys)


def test_the_units_of_two_hours_are_enough_for_the_certificate(capsys):
    for name in [name for unit in CORE for name in CHECKS[unit]]:
        assert "certificate" not in said_by_show(capsys)
        record("checks", name, True)
    said = said_by_show(capsys)
    after = list(UNITS)[len(CORE)]
    assert f"Next check: {CHECKS[after][0]}\nQuiz open: 01-" in said
    assert "All checks of units 01 to 06 passed. A certificate" in said
    assert f" {after}-" not in said.partition("Quiz open")[2]  # not begun, not asked
    certificate("Ada")
    assert "units: 01, 02, 03, 04, 05, 06." in words()


# ---- the certificate


PAGE = Path("runs") / "certificate.html"


def words() -> str:
    page = PAGE.read_text(encoding="utf-8").partition("<body>")[2]
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_a_certificate_of_some_units(capsys, own_folder):
    pass_checks("01", "02")
    record("checks", "weak_view", False)
    record("quiz", "01-filter", True)
    capsys.readouterr()
    for name in (" ", 61 * "a"):
        with pytest.raises(WorkshopError, match="give 1 to 60"):
            certificate(name)
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
    assert "Self-issued on" in said and "Nobody supervised it." in said


def test_a_certificate_of_all_units():
    pass_checks(*UNITS)
    certificate("Ada")
    said = words()
    assert f"has passed every check of all {len(UNITS)} units." in said
    assert said.count("✓") == len(UNITS) + 1  # and one in the caption


def test_the_page_is_alone_and_safe():
    pass_checks("01")
    certificate("<script>alert(1)</script>")
    page = PAGE.read_text(encoding="utf-8")
    assert "<script" not in page and "&lt;script&gt;" in page
    assert "http" not in page.replace("http-equiv", "") and os.getcwd() not in page


def test_nothing_done_is_no_certificate(own_folder):
    record("checks", "convolve", False)
    record("quiz", "01-filter", True)
    with pytest.raises(WorkshopError) as refused:
        certificate("Ada")
    assert f"in the folder {own_folder.name!r}" in str(refused.value)
    assert "Run this in the notebooks folder" in str(refused.value)
    assert not PAGE.exists()
