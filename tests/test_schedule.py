"""The instructor's plans add up, and name what the notebooks have."""

import re
from pathlib import Path

import pytest

from benchmarks.notebook_minutes import stated_minutes
from workshop_lib.course.progress import UNITS

ROOT = Path(__file__).parents[1]
PLAN = ROOT / "slides" / "instructor" / "schedule.md"
PARTS = dict(re.findall(r"^## (.+)\n([\s\S]*?)(?=^## |\Z)", PLAN.read_text(), re.M))


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def sections(unit: str) -> set[str]:
    (path,) = (ROOT / "notebooks" / "src").glob(f"{unit}_*.py")
    return set(re.findall(r"^# ## (.+)$", path.read_text(encoding="utf-8"), re.M))


PLANS = [("Two hours", 120), ("One hour", 60), ("The afternoon", 120)]


@pytest.mark.parametrize(("plan", "whole"), PLANS)
def test_the_clock_of_a_plan_is_the_sum_of_its_minutes(plan, whole):
    timed = [row for row in rows(PARTS[plan]) if re.fullmatch(r"\d:\d\d", row[0])]
    clock = 0
    for start, _, minutes, slides in timed:
        assert start == f"{clock // 60}:{clock % 60:02}"
        assert int(slides) <= int(minutes)
        clock += int(minutes)
    assert clock == whole


def test_the_two_hours_hold_every_unit_and_say_what_is_left_out():
    found = rows(PARTS["Two hours"])
    given = {row[1][:2]: int(row[2]) for row in found if row[1][:2] in UNITS}
    assert set(given) == set(list(UNITS)[:6])
    left_out = {unit: 0 for unit in given}
    for unit, section, minutes in (row for row in found if row[0] in UNITS):
        assert section in sections(unit)
        left_out[unit] += int(minutes)
    for unit, minutes in given.items():
        (path,) = (ROOT / "notebooks" / "solutions").glob(f"{unit}_*.ipynb")
        assert minutes >= stated_minutes(path) - left_out[unit] - 1


def test_the_afternoon_gives_each_unit_its_minutes():
    found = rows(PARTS["The afternoon"])
    given = {row[1][:2]: int(row[2]) for row in found if row[1][:2] in UNITS}
    assert set(given) == set(list(UNITS)[6:8])
    for unit, minutes in given.items():
        (path,) = (ROOT / "notebooks" / "solutions").glob(f"{unit}_*.ipynb")
        assert minutes >= stated_minutes(path)
    assert any(row[1].startswith("Break") for row in found)


def test_sections_named_in_the_text_are_there():
    known = set().union(*(sections(unit) for unit in UNITS))
    named = set(re.findall(r'"([A-Z][^"\n]+?),?"', PLAN.read_text().replace("\n", " ")))
    assert len(named) >= 8
    assert named <= known
