"""The precision benchmark: both formats meet on the same seeds."""

import pytest

from benchmarks import precision
from workshop_lib.files import read_json
from workshop_lib.presets import preset


@pytest.mark.slow
def test_the_benchmark_trains_in_both_formats(tmp_path):
    base = preset("ci", steps=4, eval_every=4, batch_size=4, mu=1)
    found = precision.run(base, ["fp32", "bf16"], [0, 1], tmp_path)
    assert list(found["name"]) == ["fp32", "bf16"] * 2
    for row in found.itertuples():
        assert read_json(tmp_path / row.folder / "run.json")["precision"] == row.name
    said = precision.summary(found)
    assert "bf16 - fp32, seed by seed: mean" in said and "±" in said
