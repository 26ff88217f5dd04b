"""What metadata is worth: arms differ in nothing else, a table says how much."""

import pandas as pd
import pytest
from torch.nn.functional import one_hot

from benchmarks import spatiotemporal
from workshop_lib.data.mini_eo import mini_eo


@pytest.mark.parametrize("base", ["fixmatch", "freematch"])
def test_arms_differ_in_who_is_told_and_in_nothing_else(base):
    none, told, teacher, both = spatiotemporal.arms(base, metadata=("place",)).values()
    assert none.data.metadata == () and told.data.metadata == ("place",)
    assert (teacher.method.distill, both.method.distill) == ("none", "mse")
    rule = none.method.hyperparameters()
    assert told.method.hyperparameters() == rule
    for config in (teacher, both):
        assert config.method.rule.hyperparameters() == rule
        assert config.optim == none.optim and config.data == told.data


def test_the_table_has_each_change_against_no_metadata():
    rows = [
        {
            "base": "fixmatch",
            "name": name,
            "seed": 0,
            "home": a,
            "away": b,
            "seconds": 9,
        }
        for name, a, b in (("no metadata", 0.6, 0.5), ("metadata as input", 0.75, 0.25))
    ]
    lines = spatiotemporal.table(pd.DataFrame(rows)).splitlines()
    assert "| 75.0 | +15.0 (+15.0) | 25.0 | -25.0 (-25.0) |" in lines[-1]


def test_the_test_at_home_is_neither_trained_on_nor_chosen_by(tmp_path, monkeypatch):
    scenes = mini_eo(count=400)
    config = spatiotemporal.arms("fixmatch", metadata=("place",), labels_per_class=2)
    asked, split = [], {}

    def look(run, scenes, index):
        asked.append(set(index.tolist()))
        return one_hot(scenes.labels[index], 10)

    def train(config, scenes, parts, **how):
        split.update(
            {k: set(v.tolist()) for k, v in vars(parts).items() if k != "seed"}
        )
        return type("Run", (), {"facts": {"seconds": 1.0}})

    monkeypatch.setattr(spatiotemporal, "train", train)
    monkeypatch.setattr(spatiotemporal, "predict_run", look)
    spatiotemporal.accuracies(config["no metadata"], scenes, tmp_path)
    home, away = asked
    assert home and not home & (split["unlabeled"] | split["val"] | away)
    assert (scenes.metadata["region"][list(away)] == 4).all()
