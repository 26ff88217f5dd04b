"""The table of the segmentation page: summed up, written between its marks."""

from pathlib import Path

import pandas as pd
import pytest

from benchmarks import segmentation
from workshop_lib.presets import TASKS, TIMES
from workshop_lib.training.optim import OPTIMIZERS


def rows(methods, seeds, tiles=10):
    base = {"supervised": 0.40, "supervised_strong": 0.45}
    return pd.DataFrame(
        {
            "tiles": tiles, "name": method, "seed": seed,
            "value": base.get(method, 0.52) + 0.01 * seed, "accuracy": 0.7,
            "rare": 0.2, "seconds": 90.0,
        }
        for method in methods for seed in seeds
    )  # fmt: skip


def test_the_gain_is_over_the_better_baseline_split_by_split():
    table = rows(["supervised", "supervised_strong", "fixmatch"], [0, 1])
    table.loc[(table["seed"] == 1) & (table["name"] == "supervised"), "value"] = 0.50
    text = segmentation.summary(table)
    assert "mean +5.0 points (+7.0, +3.0): adds." in text
    assert "| 10 | fixmatch | **52.5** ± 0.7 |" in text
    assert "better" not in segmentation.summary(rows(["fixmatch"], [0]))


def test_every_optimizer_of_the_library_is_compared():
    assert set(segmentation.OPTIMIZERS) == set(OPTIMIZERS)


@pytest.mark.slow
def test_a_finished_training_is_not_done_again(tmp_path: Path, monkeypatch):
    small = {"batch_size": 2, "mu": 1, "encoder": "unet-2"}
    monkeypatch.setenv("WORKSHOP_PRESET", "ci")
    monkeypatch.setitem(TIMES, "ci", {"steps": 2, "eval_every": 2})
    monkeypatch.setitem(TASKS, "segment", {**TASKS["segment"], **small})
    arguments = ("methods", [0], [1], "mini_eo", tmp_path)
    first = segmentation.run(*arguments)
    assert set(first["name"]) == set(segmentation.METHODS)
    assert (first["tiles"] == 10).all()
    pd.testing.assert_frame_equal(first, segmentation.run(*arguments))
