"""Unit 07: stacking, statistics, fusion and verdicts, as a learner would write them."""

import numpy as np
import pytest
import torch

from workshop_lib.augment.normalize import Normalize
from workshop_lib.course import checks
from workshop_lib.course.checks import fusion, unit_07
from workshop_lib.models.fusion import FUSIONS


def stack(first, second, facts):
    maps = facts[:, :, None, None].expand(-1, -1, *first.shape[2:])
    return torch.cat([first, second, maps], 1)


def statistics(images, train):
    some = images[train]
    mean = some.nanmean((0, 2, 3))
    return mean, (some - mean[:, None, None]).square().nanmean((0, 2, 3)).sqrt()


def with_numpy(images, train):
    some = images[train].double().numpy()
    return np.nanmean(some, (0, 2, 3)), np.nanstd(some, (0, 2, 3), ddof=1)


def librarys(images, train):
    fitted = Normalize.fit(images, train, gaps=True)
    return fitted.mean, fitted.std


def late(model, s2, s1):
    return model.head(torch.cat([model.s2(s2), model.s1(s1)], 1))


def counted(c2, c1, classes):
    def head(features):
        return features * classes + classes

    def stem(channels):
        return 216 * channels + 48

    def backbone(channels):
        return 216 * channels + 161_376

    return (
        backbone(c2 + c1) + head(96),
        stem(c2) + stem(c1) + backbone(48) + head(96),
        backbone(c2) + backbone(c1) + head(192),
        stem(c2) + stem(c1) + backbone(24) + head(192),
    )


def word(gains):
    if len(gains) < 2:
        return "unsure"
    for name, holds in (
        ("complementary", [g >= 1 for g in gains]),
        ("harmful", [g <= -1 for g in gains]),
        ("redundant", [abs(g) < 1 for g in gains]),
    ):
        if all(holds):
            return name
    return "unsure"


RIGHT = {
    "stack_modalities": [
        stack,
        lambda a, b, f: torch.cat(
            [a, b, f[..., None, None] * torch.ones_like(a[:, :1])], 1
        ),
        lambda a, b, f: torch.cat(
            [a, b, f.view(*f.shape, 1, 1).repeat(1, 1, *a.shape[2:])], dim=1
        ),
    ],
    "channel_statistics": [statistics, with_numpy, librarys],
    "late_forward": [late, lambda m, a, b: m.head(torch.hstack((m.s2(a), m.s1(b))))],
    "predict_parameters": [counted],
    "verdict": [word],
}


@pytest.mark.parametrize(
    ("name", "right"), [(name, right) for name in RIGHT for right in RIGHT[name]]
)
def test_right(name, right):
    getattr(checks, name)(right)


WRONG = {
    "stack_modalities": [
        (lambda a, b, f: torch.cat([a, b], 1), "the facts are missing"),
        (lambda a, b, f: stack(b, a, f), "the two sensors are exchanged"),
        (lambda a, b, f: torch.cat([a, b, f], 1), "two shapes do not fit"),
        (lambda a, b, f: stack(a, b, f.flip(1)), "facts (N, K, 1, 1)"),
    ],
    "channel_statistics": [
        (lambda x, i: statistics(x, slice(None)), "all patches were used"),
        (lambda x, i: statistics(x.nan_to_num(), i), "were counted as 0"),
        (
            lambda x, i: (x[i].mean((0, 2, 3)), x[i].std((0, 2, 3))),
            "NaN came: a missing value entered the mean",
        ),
        (lambda x, i: (x[i].nanmean(), x[i].nanmean()), "the mean over patches"),
        (lambda x, i: x.sub_(1.0), "changed its argument"),
    ],
    "late_forward": [
        (lambda m, a, b: late(m, b, a), "through each other's backbone"),
        (lambda m, a, b: m.head(m.s2(a) + m.s1(b)), "two shapes do not fit"),
        (
            lambda m, a, b: m.head(torch.cat([m.s2(a).detach(), m.s1(b)], 1)),
            "no gradient reaches model.s2",
        ),
        (lambda m, a, b: late(m, a, b).detach(), "no gradient reaches model.s2"),
        (lambda m, a, b: late(m, a, b).relu(), "three lines"),
    ],
    "predict_parameters": [
        (lambda a, b, k: sorted(counted(a, b, k)), "which parts it has"),
        (
            lambda a, b, k: [counted(a, b, k)[i] for i in (0, 1, 3, 2)],
            "late and shared are exchanged",
        ),
    ],
    "verdict": [
        (lambda gains: word([sum(gains) / len(gains)] * 2), "the mean decides"),
        (lambda gains: "unsure", "are there two seeds at all"),
        (lambda gains: word(gains).upper(), "give one of the words"),
        (lambda gains: max(gains), "give one of the words"),
        (lambda gains: gains >= 1, "your function raised an error"),
    ],
}


@pytest.mark.parametrize(
    ("name", "wrong", "hint"), [(name, *row) for name in WRONG for row in WRONG[name]]
)
def test_wrong(name, wrong, hint, refusal):
    assert hint in refusal(getattr(checks, name), wrong)


def test_the_learners_random_numbers_stay():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    checks.late_forward(late)
    checks.predict_parameters(counted)
    assert torch.equal(torch.rand(2), expected)


def test_all_fusions_of_the_library_are_counted():
    assert set(fusion.ORDER) == set(FUSIONS)


@pytest.mark.parametrize(
    "gains", [[1.0], [0.0, 0.9], [-1, -5], [4, -4], [2, 1], [1, -1]]
)
def test_the_word_is_that_of_the_notebook(gains):
    assert unit_07._word(gains) == word(gains)
