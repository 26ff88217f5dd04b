"""Unit 04: pseudo-label and mask as a learner would write them, and memory."""

import pytest
import torch

from workshop_lib.course import checks
from workshop_lib.errors import WorkshopError

B, MU = 8, 7
IMAGES = B * (1 + 2 * MU)
MEASURED = 170_000 * IMAGES * 4  # bytes


RIGHT = {
    "pseudo_labels": [
        lambda z: z.argmax(1),
        lambda z: z.softmax(-1).max(dim=-1).indices,
        lambda z: torch.tensor([int(r.argmax()) for r in z]),
        lambda z: z.double().numpy().argmax(axis=1),
    ],
    "confidence_mask": [
        lambda z, t: z.softmax(1).max(1).values >= t,
        lambda z, t: (z.softmax(1).amax(1) >= t).float(),
        lambda z, t: z.softmax(1).amax(1).ge(t).long(),
        lambda z, t: [float(row.softmax(0).max() >= t) for row in z],
        lambda z, t: (z.softmax(1) >= t).any(1),
    ],
}


@pytest.mark.parametrize(
    ("name", "right"), [(name, right) for name in RIGHT for right in RIGHT[name]]
)
def test_right(name, right):
    getattr(checks, name)(right)


WRONG = {
    "pseudo_labels": [
        (lambda z: z.argmax(0), "for each class you named"),
        (lambda z: z.max(1).values, "the largest logit"),
        (lambda z: z.softmax(1).amax(1), "the confidence"),
        (lambda z: torch.softmax(z, 1), "a soft pseudo-label"),
        (lambda z: z.argmax(1).float(), "but not integers"),
        (lambda z: z.argmax(), "name the column of its largest"),
    ],
    "confidence_mask": [
        (lambda z, t: z.softmax(1).amax(1) > t, "use >="),
        (lambda z, t: z.max(1).values >= t, "the logits them"),
        (lambda z, t: z.softmax(0).amax(1) >= t, "softmax ran over the images"),
        (lambda z, t: (z.softmax(1).amax(1) >= t).nonzero()[:, 0], "the positions"),
        (lambda z, t: z.softmax(1) >= t, "every class of"),
        (lambda z, t: z.softmax(1).amax(0) >= t, "three steps"),
    ],
}


@pytest.mark.parametrize(
    ("name", "wrong", "hint"), [(name, *row) for name in WRONG for row in WRONG[name]]
)
def test_wrong(name, wrong, hint, refusal):
    assert hint in refusal(getattr(checks, name), wrong)


@pytest.mark.parametrize("factor", [1, 0.7, 1.45])
def test_memory_is_close_enough(factor, capsys):
    checks.predict_memory(factor * MEASURED, MEASURED, batch_size=B, mu=MU)
    said = capsys.readouterr().out
    assert said.startswith("✓ predict_memory:") and "81.6 MB measured" in said


@pytest.mark.parametrize(
    ("guess", "hint"),
    [
        (MEASURED / 4, "numbers were counted, not bytes"),
        (MEASURED * (1 + MU) / (1 + 2 * MU), "only one view of the unlabelled images"),
        (MEASURED / (1 + 2 * MU), "only the labelled images"),
        (MEASURED / IMAGES, "a single image was counted: a step has 120"),
        (MEASURED / 1e6, "in MB"),
        (MEASURED / 1e9, "in GB"),
        (MEASURED / 2**30, "in GB"),  # a division by 2**30 is the same slip
        (MEASURED * 30, "no single slip explains"),
        (0, "give one number above 0"),
        ("much", "give one number above 0"),
    ],
)
def test_slips_about_memory(guess, hint, refusal):
    said = refusal(checks.predict_memory, guess, MEASURED, batch_size=B, mu=MU)
    assert said.partition("likely: ")[2].partition(" Or: ")[0].count(hint) == 1


@pytest.mark.parametrize(
    ("guess", "came", "expected"),
    [
        (11.92e9, "came: 11.9 GB ", "expected: about 22.5 GB, within a factor of 1.5"),
        (22.5, "came: 22.5 bytes ", "expected: about 22.5 GB"),
        (5.6e6, "came: 5.6 MB ", "expected: about 22.5 GB"),
    ],
)
def test_memory_is_in_the_units_of_the_notebook(guess, came, expected, refusal):
    said = refusal(checks.predict_memory, guess, 22.53e9, batch_size=B, mu=MU)
    assert came in said and expected in said


def test_two_slips_of_one_factor_are_both_named(refusal):
    # One labelled image per step: "only the labelled" and "a single" are the same
    said = refusal(checks.predict_memory, MEASURED / 15.5, MEASURED, batch_size=1, mu=7)
    assert "only the labelled images" in said and " Or: " in said


def test_the_measurement_must_be_positive():
    with pytest.raises(WorkshopError, match="measured=0"):
        checks.predict_memory(5, 0, batch_size=8, mu=7)
