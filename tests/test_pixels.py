"""Confusion matrices of pixels against loops and against the scores of the report."""

import math

import pytest
import torch

from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.metrics import scores_from_confusion
from workshop_lib.pixels import IGNORE, mean_iou, pixel_confusion


def maps(seed=0, shape=(3, 5, 7), K=4):
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randint(0, K, shape, generator=generator).to(torch.uint8)
    truth[torch.rand(shape, generator=generator) < 0.2] = IGNORE
    return truth, torch.randint(0, K, shape, generator=generator)


def test_pixels_are_counted_as_in_a_loop_and_parts_add_up():
    truth, predicted = maps()
    expected = torch.zeros(4, 4, dtype=torch.int64)
    pairs = zip(truth.flatten().tolist(), predicted.flatten().tolist(), strict=True)
    for t, p in pairs:
        if t != IGNORE:
            expected[t, p] += 1
    assert torch.equal(pixel_confusion(truth, predicted, 4), expected)
    parts = [pixel_confusion(t, p, 4) for t, p in zip(truth, predicted, strict=True)]
    assert torch.equal(sum(parts), expected)


def test_mean_iou_is_that_of_the_scores():
    counts = pixel_confusion(*maps(), 4)
    names = ("a", "b", "c", "d")
    for _ in range(2):
        scores = scores_from_confusion(counts.numpy(), names)
        assert mean_iou(counts) == pytest.approx(scores.mean_iou)
        counts[2], counts[:, 2] = 0, 0  # neither there nor predicted: left out


def test_nothing_known_is_no_score():
    truth, predicted = maps()
    counts = pixel_confusion(torch.full_like(truth, IGNORE), predicted, 4)
    assert counts.sum() == 0
    assert math.isnan(mean_iou(counts))


def test_bad_maps_are_refused_in_words():
    truth, predicted = maps()
    with pytest.raises(WorkshopError, match="classes from 0 to 3 in a map of 3"):
        pixel_confusion(truth, predicted, 3)
