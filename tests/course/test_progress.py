"""Progress: kept across notebooks, never lost, shown in plain text."""

import json
import os
from datetime import date
from pathlib import Path

import pytest

from workshop_lib.course import progress
from workshop_lib.course.progress import CHECKS, CORE, UNITS, Done
from workshop_lib.course.questions import questions

TODAY = date.today().isoformat()


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


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
    for name in CHECKS["01"]:
        progress.record_check(name, passed=True)
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
    for names in CHECKS.values():
        for name in names:
            progress.record_check(name, passed=True)
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
    for names in CHECKS.values():
        for name in names:
            progress.record_check(name, passed=True)
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
