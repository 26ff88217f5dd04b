"""Every exercise has a check, and every likely mistake its own hint."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workshop_lib.course import checks
from workshop_lib.course.checks.attempt import Attempt, hints
from workshop_lib.course.progress import unit_checks

NAMES = sorted(set(checks.__all__) - {"CheckFailed", "LeakySplit", "make_leaky_splits"})
# These test properties, and have no list of wrong answers
OTHERS = {"draw_split", "detective", "weak_view"}


class Caught(Exception):  # noqa: N818
    """Carries the mistakes out of a check."""


def mistakes_of(name: str) -> tuple[set[str], dict[str, Callable[..., Any]]]:
    def stop(self, cases, answer, mistakes):
        raise Caught(set(cases), mistakes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Attempt, "compare", stop)
        with pytest.raises(Caught) as caught:
            getattr(checks, name)(print)
    return caught.value.args


FOUND = {name: mistakes_of(name) for name in NAMES if name not in OTHERS}
CASES = {name: cases for name, (cases, _) in FOUND.items()}
KNOWN = {name: mistakes for name, (_, mistakes) in FOUND.items()}


def test_checks_and_units_agree():
    listed = [name for names in unit_checks().values() for name in names]
    assert sorted(listed) == NAMES
    assert all(getattr(checks, name).__name__ == name for name in NAMES)
    assert all("Check" in getattr(checks, name).__doc__ for name in NAMES)


@pytest.mark.parametrize(
    ("name", "mistake"), [(name, mistake) for name in KNOWN for mistake in KNOWN[name]]
)
def test_each_mistake_gets_its_own_hint(name: str, mistake: str, refusal):
    said = refusal(getattr(checks, name), KNOWN[name][mistake])
    assert said.endswith(f"likely: {hints()[name][mistake]}")
    assert said.startswith(f"✗ {name}: not yet. Tried on ")
    assert "came: " in said and "expected: " in said


@pytest.mark.parametrize("name", KNOWN)
def test_hints_differ(name: str):
    known = hints()[name]
    assert {*KNOWN[name], "look", "right"} <= set(known)
    assert len(set(known.values())) == len(known)


def test_every_hint_of_the_files_is_used_and_none_is_missing():
    assert set(hints()) == {*NAMES, "every_exercise"}
    folder = Path(checks.__file__).parent
    code = "".join(p.read_text(encoding="utf-8") for p in folder.glob("*.py"))
    for name, known in hints().items():
        for key, text in known.items():
            used = key in CASES.get(name, ()) or re.search(f"""["']{key}["']""", code)
            assert used, f"{name}: {key} is never shown"
            assert text == text.strip()
            assert (text[-1] in ".?}") or key == "right", text
