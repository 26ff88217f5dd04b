"""The precision benchmark: pairs seeds, and says what lies within their noise."""

import json
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import precision
from workshop_lib.presets import preset


def table(**accuracies: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        {"name": name, "seed": seed, "accuracy": value, "seconds": 1.0}
        for name, values in accuracies.items()
        for seed, value in enumerate(values)
    )


def test_differences_are_those_of_the_same_seed():
    rows = table(fp32=[0.80, 0.90, 0.85], bf16=[0.81, 0.89, 0.85])
    text = precision.summary(rows.iloc[::-1].sort_values("name", ascending=False))
    assert "fp32  85.0 ± 5.0 %  (80.0, 90.0, 85.0)" in text
    assert "bf16 - fp32, seed by seed: +0.0 points (+1.0, -1.0, +0.0)" in text
    assert "within the 4.5 points" in text

    text = precision.summary(table(fp32=[0.90, 0.91], fp16=[0.80, 0.81]))
    assert "-10.0 points (-10.0, -10.0); more than the 0.7 points" in text
    text = precision.summary(table(fp32=[0.9], bf16=[0.8]))
    assert "90.0 %" in text and "one seed says nothing" in text


@pytest.mark.slow
def test_the_benchmark_trains_in_both_formats(tmp_path):
    base = preset("ci", steps=4, eval_every=4, batch_size=4, mu=1)
    found = precision.run(base, ["fp32", "bf16"], [0, 1], tmp_path)
    assert list(found["name"]) == ["fp32", "bf16"] * 2
    for row in found.itertuples():
        facts = json.loads((Path(row.folder) / "run.json").read_text())
        assert facts["precision"] == row.name
    assert "seed by seed" in precision.summary(found)
