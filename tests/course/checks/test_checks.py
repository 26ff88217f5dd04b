"""Every check is in a unit, and every unit's checks exist."""

import pytest

from workshop_lib.course import checks
from workshop_lib.course.units import CHECKS, UNITS, unit_of_check


def test_checks_and_units_agree():
    listed = [name for names in CHECKS.values() for name in names]
    assert sorted(listed) == sorted(set(checks.__all__) - {"CheckFailed"})
    assert len(set(listed)) == len(listed) and list(CHECKS) == list(UNITS)
    assert unit_of_check("draw_split") == "02"
    with pytest.raises(KeyError, match="add it to CHECKS"):
        unit_of_check("imaginary")


@pytest.mark.parametrize("name", sorted(set(checks.__all__) - {"CheckFailed"}))
def test_every_check_is_explained(name):
    assert getattr(checks, name).__name__ == name
    assert "Check" in getattr(checks, name).__doc__
