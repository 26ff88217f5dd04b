"""Counts of pseudo-labels: equal to a loop, resumed to the bit, kept with the run."""

import math
from dataclasses import replace

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.tiny import parts, quietly, short, tiny
from workshop_lib.errors import WorkshopError
from workshop_lib.models.class_heads import Categorical, MultiLabel
from workshop_lib.training.pseudo_labels import PseudoLabelCounts

CPU = torch.device("cpu")
SMALL = short(steps=12, eval_every=4, threshold=0.0)
SCENE = Categorical(1, 5)


def batches(seed: int, K: int, steps: int, n: int):
    g = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        pseudo = torch.randint(0, K, (n,), generator=g)
        truth = torch.randint(-1, K, (n,), generator=g)  # -1: nobody knows
        yield pseudo, torch.rand(n, generator=g) < 0.6, truth


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 4), st.integers(1, 9))
def test_counts_equal_a_loop(seed: int, K: int, steps: int, n: int) -> None:
    counts = PseudoLabelCounts("abcde"[:K])
    expected = {k: [0, 0, 0] for k in range(K)}
    for pseudo, mask, truth in batches(seed, K, steps, n):
        counts.add(SCENE, pseudo, mask, truth)
        for guess, use, true in zip(
            pseudo.tolist(), mask.tolist(), truth.tolist(), strict=True
        ):
            if true >= 0:
                expected[guess][0] += use
                expected[guess][1] += use and guess == true
                expected[true][2] += 1
    row = counts.flush(step=7)
    table = counts.table()
    assert table[["used", "correct", "true"]].to_numpy().tolist() == list(
        expected.values()
    )
    assert table["class"].tolist() == list("abcde"[:K])
    assert set(table["step"]) == {7}
    used = sum(e[0] for e in expected.values())
    correct = sum(e[1] for e in expected.values())
    if used:
        assert row == {"pseudo_accuracy": correct / used}
    else:
        assert math.isnan(row["pseudo_accuracy"])


def test_weights_count_as_far_as_they_weigh() -> None:
    counts = PseudoLabelCounts("ab")
    mask = torch.tensor([0.25, 0.5, 1.0], requires_grad=True)
    counts.add(SCENE, torch.tensor([0, 0, 1]), mask, torch.tensor([0, 1, 1]))
    assert counts.flush(1) == {"pseudo_accuracy": 1.25 / 1.75}
    assert counts.table()["used"].tolist() == [0.75, 1.0]


def test_the_run_keeps_a_row_per_class_and_validation(tmp_path):
    run = quietly(tmp_path, SMALL)
    table = run.pseudo_labels()
    assert list(table.columns) == ["step", "class", "used", "correct", "true"]
    assert len(table) == 3 * 3
    sums = table.groupby("step")[["used", "correct", "true"]].sum()
    assert sums.index.tolist() == [4, 8, 12]
    assert (sums["used"] == 4 * 4 * 2).all()  # threshold 0: every image of every step
    assert (sums["true"] == sums["used"]).all()
    accuracy = (sums["correct"] / sums["used"]).tolist()
    assert run.log["pseudo_accuracy"].tolist() == pytest.approx(accuracy)
    assert (table["correct"] <= table[["used", "true"]].min(axis=1)).all()


def test_pixels_and_several_labels_are_counted_as_in_a_loop() -> None:
    g = torch.Generator().manual_seed(0)
    dense = PseudoLabelCounts("abc")
    guess, truth = (torch.randint(0, 3, (2, 4, 5), generator=g) for _ in range(2))
    truth[0, :2] = 255
    weight = (torch.rand(2, 4, 5, generator=g) < 0.6).float()
    dense.add(Categorical((1,), 3, dense=True), guess, weight, truth.to(torch.uint8))
    several = PseudoLabelCounts("abc")
    tags = torch.randint(0, 2, (7, 3), generator=g).float()
    said = torch.randint(0, 2, (7, 3), generator=g).float()
    tags[2], sure = torch.nan, (torch.rand(7, 3, generator=g) < 0.6).float()
    several.add(MultiLabel(1, 3), said, sure, tags)
    pixels, labels = [[0, 0, 0] for _ in range(3)], [[0, 0, 0] for _ in range(3)]
    for a, w, b in zip(guess.flatten(), weight.flatten(), truth.flatten(), strict=True):
        if b != 255:
            pixels[int(a)][0] += int(w)
            pixels[int(a)][1] += int(w) * int(a == b)
            pixels[int(b)][2] += 1
    for row, col in torch.cartesian_prod(torch.arange(7), torch.arange(3)).tolist():
        if not tags[row, col].isnan():
            used, there = sure[row, col] * said[row, col], tags[row, col]
            for k, value in enumerate((used, used * there, there)):
                labels[col][k] += int(value)
    for counts, expected in ((dense, pixels), (several, labels)):
        counts.flush(1)
        table = counts.table()[["used", "correct", "true"]]
        assert table.to_numpy().tolist() == expected


def test_the_truth_is_for_the_log_alone(tmp_path):
    scenes = tiny()
    split = parts(scenes)
    labels = scenes.labels.clone()
    hidden = torch.tensor(sorted(set(split.unlabeled.tolist())))
    hidden = hidden[~torch.isin(hidden, split.labeled)]
    labels[hidden] = (labels[hidden] + 1) % 3  # a lie about every unlabelled image
    lied = replace(scenes, labels=labels)
    told = quietly(tmp_path / "a", SMALL)
    other = quietly(tmp_path / "b", SMALL, lied, split)
    drop = ["pseudo_accuracy", "seconds"]
    pd.testing.assert_frame_equal(
        told.log.drop(columns=drop), other.log.drop(columns=drop), check_exact=True
    )
    assert not told.pseudo_labels().equals(other.pseudo_labels())


def test_no_table_without_pseudo_labels_and_none_left_from_before(tmp_path):
    quietly(tmp_path, SMALL)
    assert (tmp_path / "pseudo_labels.csv").exists()
    run = quietly(tmp_path, SMALL.replace(method="supervised"), resume=False)
    assert run.pseudo_labels() is None


def test_a_class_called_na_stays_a_class_and_damage_is_told(tmp_path):
    scenes = tiny()
    named = replace(scenes, class_names=("NA", *scenes.class_names[1:]))
    run = quietly(tmp_path, SMALL, named)
    assert run.pseudo_labels()["class"].iloc[0] == "NA"
    (tmp_path / "pseudo_labels.csv").write_text("")
    with pytest.raises(WorkshopError, match=r"cannot read .*pseudo_labels\.csv"):
        run.pseudo_labels()
