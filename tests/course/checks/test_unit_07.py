"""Unit 07: facts, statistics, fusion and verdicts, as a learner would write them."""

import numpy as np
import pytest
import torch

from workshop_lib.augment import BandNormalize
from workshop_lib.course import checks
from workshop_lib.course.checks import fusion, unit_07
from workshop_lib.data.metadata import METADATA_ENCODERS
from workshop_lib.data.mini_eo import CLIMATE_ZONES
from workshop_lib.models.fusion import FUSIONS


def encode(day, zone, num_zones):
    angle = 2 * torch.pi * day / 365
    onehot = torch.nn.functional.one_hot(zone, num_zones)
    return torch.cat([angle.sin()[:, None], angle.cos()[:, None], onehot], 1)


def encode_with_numpy(day, zone, num_zones):
    angle = 2 * np.pi * day.numpy() / 365
    onehot = np.eye(num_zones)[zone.numpy()]
    return np.column_stack([np.sin(angle), np.cos(angle), onehot])


def encode_with_loops(day, zone, num_zones):
    rows = []
    for d, z in zip(day.tolist(), zone.tolist(), strict=True):
        turn = 2 * np.pi * d / 365
        rows.append([np.sin(turn), np.cos(turn), *(float(z == k) for k in
                                                   range(num_zones))])  # fmt: skip
    return torch.tensor(rows)


def statistics(images, train):
    some = images[train]
    mean = some.nanmean((0, 2, 3))
    return mean, (some - mean[:, None, None]).square().nanmean((0, 2, 3)).sqrt()


def with_numpy(images, train):
    some = images[train].double().numpy()
    return np.nanmean(some, (0, 2, 3)), np.nanstd(some, (0, 2, 3), ddof=1)


def librarys(images, train):
    fitted = BandNormalize.fit(images, train, gaps=True)
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
    "encode_facts": [encode, encode_with_numpy, encode_with_loops],
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
    "encode_facts": [
        (lambda d, z, n: encode(d / 2, z, n), "the whole circle is 2 pi"),
        (lambda d, z, n: encode(d, z, n)[:, [1, 0, *range(2, n + 2)]], "exchanged"),
        (lambda d, z, n: encode(d, z, n).roll(n, 1), "the day comes first"),
        (
            lambda d, z, n: torch.stack([d / 365, *torch.eye(n)[z].T], 1),
            "Put it on a circle",
        ),
        (
            lambda d, z, n: torch.cat([encode(d, z, n)[:, :2], z[:, None]], 1),
            "as if zone 4 were twice zone 2",
        ),
        (lambda d, z, n: encode(d, (z + 1) % n, n), "two columns for the day"),
        (lambda d, z, n: torch.cat([d, z], 0).view(-1, 1, 1), "two columns for the"),
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


def test_facts_are_encoded_as_the_library_does():
    day, zone = torch.tensor([1.0, 172.0, 365.0]), torch.tensor([0, 4, 2])
    date = METADATA_ENCODERS["date"].encode(day)
    climate = METADATA_ENCODERS["climate"].encode(zone.float())
    expected = torch.cat([date, climate], 1)
    found = unit_07._facts(day, zone, len(CLIMATE_ZONES))
    assert torch.allclose(found, expected, atol=1e-6)
