"""The benchmark's table and its gains, from figures made up for the test."""

import json

import pandas as pd
import pytest

from benchmarks import mini_eo, pictures


def table(rows: dict[str, list[float]]) -> pd.DataFrame:
    return pd.DataFrame(
        {"seed": seed, "method": method, "accuracy": value, "seconds": 1.0}
        for method, values in rows.items()
        for seed, value in enumerate(values)
    )


LADDER = {
    "supervised": [0.5, 0.6],
    "supervised_strong": [0.7, 0.5],
    "fixmatch_labelled_only": [0.7, 0.6],
    "fixmatch": [0.9, 0.8],
    "supervised_all": [0.95, 0.96],
}


def test_gains_count_against_the_better_baseline_of_each_seed():
    text = mini_eo.summary(table(LADDER))
    assert "the better supervised baseline: mean +20.0 (+20.0, +20.0)" in text
    assert "weak augmentation: mean +30.0 (+40.0, +20.0)" in text
    assert "85.0" in text


@pytest.mark.slow
def test_the_benchmark_writes_its_list(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORKSHOP_PRESET", "ci")
    methods = ["supervised", "fixmatch_labelled_only"]
    found = mini_eo.run([0], methods, tmp_path, steps=4, data="mini_eo")
    rows = json.loads((tmp_path / "mini_eo-4.json").read_text())
    assert [row["method"] for row in rows] == methods
    assert set(rows[0]) == {"seed", "method", "accuracy", "seconds"}
    assert len(found) == 2
    assert capsys.readouterr().out.count("seed 0: accuracy") == 2
    mini_eo.run([0], ["fixmatch"], tmp_path, steps=4, data="mini_eo")
    again = json.loads((tmp_path / "mini_eo-4.json").read_text())
    assert [row["method"] for row in again] == [*methods, "fixmatch"]


def test_the_ladder_is_drawn_from_the_list(tmp_path):
    path = tmp_path / "mini_eo.json"
    path.write_text(table(LADDER).to_json(orient="records"))
    figure = pictures.ladder_of_seeds(path)
    assert "FixMatch: 85.0 %" in figure.alt
