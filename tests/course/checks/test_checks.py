"""Every check is in a unit, and every unit's checks exist."""

import pytest

from workshop_lib.course import checks
from workshop_lib.course.progress import CHECKS, UNITS


def test_checks_and_units_agree():
    listed = [name for names in CHECKS.values() for name in names]
    assert sorted(listed) == sorted(set(checks.__all__) - {"CheckFailed"})
    assert len(set(listed)) == len(listed) and list(CHECKS) == list(UNITS)


@pytest.mark.parametrize("name", sorted(set(checks.__all__) - {"CheckFailed"}))
def test_every_check_is_explained(name):
    assert getattr(checks, name).__name__ == name
    assert "Check" in getattr(checks, name).__doc__
