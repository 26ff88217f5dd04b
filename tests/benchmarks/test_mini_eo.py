"""The benchmark's table, its gains and its picture, from figures made up here."""

import pandas as pd
import pytest

from benchmarks import mini_eo
from workshop_lib.presets import TIMES

LADDER = {
    "supervised": [0.5, 0.6],
    "supervised_strong": [0.7, 0.5],
    "fixmatch_labelled_only": [0.7, 0.6],
    "fixmatch": [0.9, 0.8],
    "supervised_all": [0.95, 0.96],
}
ROWS = pd.DataFrame(
    {
        "data": "mini_eo", "labels_per_class": 4, "labels": 40, "name": name,
        "metric": "accuracy", "seed": seed, "split_seed": seed, "split": seed,
        "value": value, "seconds": 1.0, "config": "", "machine": "cpu",
    }
    for name, values in LADDER.items() for seed, value in enumerate(values)
)  # fmt: skip


def test_gains_count_against_the_better_baseline_of_each_seed():
    text = mini_eo.summary(ROWS)
    assert (
        "the better supervised baseline: mean +20.0 points (+20.0, +20.0): adds" in text
    )
    assert "weak augmentation: mean +30.0 points (+40.0, +20.0)" in text
    assert "85.0 ± 7.1 (80.0 to 90.0)" in text


def test_the_ladder_is_drawn_from_the_rows():
    assert "FixMatch: 85.0 %" in mini_eo.ladder(ROWS).alt


@pytest.mark.slow
def test_every_method_is_trained_on_every_seed(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_PRESET", "ci")
    monkeypatch.setitem(TIMES, "ci", {"steps": 4, "eval_every": 2})
    methods = ["supervised", "fixmatch_labelled_only"]
    rows = mini_eo.run([0, 1], methods, tmp_path, "mini_eo")
    assert rows["name"].tolist() == methods * 2
    kept = pd.read_csv(tmp_path / "mini_eo" / "runs.csv")
    assert kept["value"].tolist() == pytest.approx(rows["value"].tolist())
