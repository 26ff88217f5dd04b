"""The benchmark of pretraining: every start is trained once, and its tables read so."""

import pandas as pd
import pytest

from benchmarks import pretraining
from workshop_lib.config import Config


def test_every_start_meets_the_same_labels(monkeypatch, tmp_path) -> None:
    seen: dict[tuple[str, int], Config] = {}
    starts = {"random": "", "SimCLR": "a", "two sensors": "b"}

    def sweep(configs, seeds, folder, labels, verbose) -> pd.DataFrame:
        named = [(name, n) for name in configs for n in labels]
        seen.update({(name, n): configs[name] for name, n in named})
        rows = [(name, n, seeds[0], 0.5 + n / 100) for name, n in named]
        return pd.DataFrame(rows, columns=["name", "labels_per_class", "seed", "value"])

    monkeypatch.setattr(pretraining, "pretrained", lambda *_: starts)
    monkeypatch.setattr(pretraining, "sweep", sweep)
    rows = pretraining.run([0, 1], tmp_path)
    assert len(seen) == 3 * (2 * 3 + 2) and len(rows) == 2 * len(seen)
    for (name, _), config in seen.items():
        start, training = name.split(", ")
        assert config.model.init_from == starts[start]
        assert config.model.freeze == -(training == "head alone")
    assert "| SimCLR, fine-tuned |  |  | 53.0 ± 0.0 | 74.0 ± 0.0 | 50.0 ± 0.0 |" in (
        pretraining.table(rows)
    )
    gains = pretraining.gains(rows)
    assert (
        "| two sensors, fine-tuned | 10 % | 100 % | +24.0 | +24.0, +24.0 | adds |"
        in (gains)
    )
    assert gains.count("FixMatch") == 4


@pytest.mark.slow
def test_it_pretrains_and_trains_on(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("WORKSHOP_PRESET", "ci")
    rows = pretraining.run([0], tmp_path)
    assert len(rows) == 24 and rows["value"].between(0, 1).all()
