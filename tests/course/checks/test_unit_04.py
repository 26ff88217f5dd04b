"""Unit 04: pseudo-label and mask, written as a learner would."""

import pytest
import torch

from workshop_lib.course import checks


@pytest.mark.parametrize(
    "right",
    [
        lambda z: z.argmax(1),
        lambda z: z.softmax(-1).max(dim=-1).indices,
        lambda z: torch.tensor([int(row.argmax()) for row in z]),
        lambda z: z.double().numpy().argmax(axis=1),
    ],
)
def test_pseudo_labels_right(right):
    checks.pseudo_labels(right)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda z: z.argmax(0), "for each class you named an image"),
        (lambda z: z.max(1).values, "the largest logit"),
        (lambda z: z.softmax(1).max(1).values, "you gave the confidence"),
        (lambda z: torch.softmax(z, 1), "a soft pseudo-label"),
        (lambda z: z.argmax(1).float(), "not whole numbers"),
        (lambda z: z.argmax(), "name the column of its largest number"),
    ],
)
def test_pseudo_labels_wrong(wrong, hint, refusal):
    assert hint in refusal(checks.pseudo_labels, wrong)


@pytest.mark.parametrize(
    "right",
    [
        lambda z, t: z.softmax(1).max(1).values >= t,
        lambda z, t: (z.softmax(1).amax(1) >= t).float(),
        lambda z, t: z.softmax(1).max(1).values.ge(t).long(),
        lambda z, t: [float(row.softmax(0).max() >= t) for row in z],
        lambda z, t: (z.softmax(1) >= t).any(1),
    ],
)
def test_mask_right(right):
    checks.confidence_mask(right)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda z, t: z.softmax(1).max(1).values > t, "use >= rather than >"),
        (lambda z, t: z.max(1).values >= t, "the logits themselves"),
        (lambda z, t: z.softmax(0).max(1).values >= t, "softmax ran over the images"),
        (lambda z, t: (z.softmax(1).amax(1) >= t).nonzero()[:, 0], "the positions"),
        (lambda z, t: z.softmax(1) >= t, "every class of every image"),
        (lambda z, t: z.softmax(1).amax(1) < t, "upside down"),
        (lambda z, t: z.softmax(1).amax(0) >= t, "three steps"),
    ],
)
def test_mask_wrong(wrong, hint, refusal):
    assert hint in refusal(checks.confidence_mask, wrong)
