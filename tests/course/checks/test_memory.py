"""A prediction of memory is judged by its factor, and each slip is named first."""

import pytest

from workshop_lib.course import checks
from workshop_lib.errors import WorkshopError

B, MU = 8, 7
IMAGES = B * (1 + 2 * MU)
MEASURED = 170_000 * IMAGES * 4  # bytes


@pytest.mark.parametrize("factor", [1, 0.7, 1.45])
def test_near_enough(factor, capsys):
    checks.predict_memory(factor * MEASURED, MEASURED, batch_size=B, mu=MU)
    said = capsys.readouterr().out
    assert said.startswith("✓ predict_memory:") and "81.6 MB measured" in said


@pytest.mark.parametrize(
    ("guess", "hint"),
    [
        (MEASURED / 4, "numbers were counted, not bytes"),
        (MEASURED / 2, "half precision"),
        (MEASURED * 2, "8 bytes"),
        (MEASURED * 8, "bits were counted"),
        (MEASURED * (1 + MU) / (1 + 2 * MU), "only one view of the 56 unlabeled"),
        (MEASURED / (1 + 2 * MU), "the labeled images alone"),
        (MEASURED / IMAGES, "a single image was counted: a step has 120"),
        (MEASURED * IMAGES, "multiplied in twice"),
        (MEASURED / 1e6, "in MB"),
        (MEASURED / 1e9, "in GB"),
        (MEASURED / 1e3, "in kB"),
        (MEASURED / 2**30, "in GB"),  # whoever divides by 2**30 slips in the same way
        (MEASURED * 30, "no single slip explains"),
        (0, "give one number above 0"),
        ("much", "give one number above 0"),
    ],
)
def test_slips(guess, hint, refusal):
    said = refusal(checks.predict_memory, guess, MEASURED, batch_size=B, mu=MU)
    assert said.partition("likely: ")[2].partition(" Or: ")[0].count(hint) == 1


@pytest.mark.parametrize(
    ("guess", "measured", "came", "expected"),
    [
        (11.92e9, 22.53e9, "came: 11.9 GB ", "expected: about 22.5 GB, within a"),
        (22.5, 22.53e9, "came: 22.5 bytes ", "expected: about 22.5 GB, within a"),
        (5.6e6, 22.53e9, "came: 5.6 MB ", "factor of 1.5"),
    ],
)
def test_it_speaks_in_the_units_of_the_notebook(
    guess, measured, came, expected, refusal
):
    said = refusal(checks.predict_memory, guess, measured, batch_size=B, mu=MU)
    assert came in said and expected in said


def test_two_slips_of_one_factor_are_both_named(refusal):
    said = refusal(
        checks.predict_memory, MEASURED / 1.95, MEASURED, batch_size=B, mu=MU
    )
    assert "half precision" in said and "Or: only one view" in said


def test_the_measurement_must_be_one():
    with pytest.raises(WorkshopError, match="measured=0"):
        checks.predict_memory(5, 0, batch_size=8, mu=7)
