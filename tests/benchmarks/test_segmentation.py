"""Tables of the pages on segmentation and on several tasks."""

from pathlib import Path

import pandas as pd
import pytest

from benchmarks import multitask, segmentation
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


def test_gains_of_several_tasks_are_over_the_task_alone_seed_by_seed():
    names = ("scene alone", "scene with cover", "scene with elevation")
    table = pd.DataFrame(
        {"name": n, "seed": s, "seconds": 9.0, "metric": "accuracy",
         "value": 0.5 + 0.1 * k + 0.02 * s * k}
        for k, n in enumerate(names) for s in (0, 1)
    )  # fmt: skip
    lines = multitask.task_table(table).splitlines()
    assert lines[2] == "| scene alone | accuracy | 50.0 ± 0.0 |  |  | 9 | 2 |"
    gain = "| +10.0, +12.0 | adds | 9 | 2 |"
    assert lines[3] == f"| scene with cover | accuracy | 61.0 ± 1.4 {gain}"


def test_label_curves_have_a_column_and_a_point_for_each_number_of_labels():
    table = pd.DataFrame(
        {"name": name, "labels_per_class": n, "labels": 10 * (n or 60), "seed": s,
         "accuracy": 0.5 + 0.001 * n + 0.1 * s}
        for name in ("random, frozen", "elsewhere") for s in (0, 1)
        for n in multitask.LABELS
    )  # fmt: skip
    row = multitask.transfer_table(table).splitlines()[2]
    assert row.startswith("| random, frozen | 55.1 ± 7.1 | 55.4 ± 7.1 |")
    assert row.endswith("| 55.0 ± 7.1 | 2 |")  # all labels
    (axes,) = multitask.transfer_picture(table).axes
    x, y = axes.lines[0].get_data()
    assert x.tolist() == [10, 40, 100, 250, 600]
    assert y.tolist() == pytest.approx([55.1, 55.4, 56.0, 57.5, 55.0])


@pytest.mark.slow
def test_both_studies_run_and_resume(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKSHOP_PRESET", "ci")
    monkeypatch.setattr(multitask, "LABELS", (1, 0))
    some = list(multitask.TRAININGS.items())[1:3]
    monkeypatch.setattr(multitask, "TRAININGS", dict(some))
    multitask.main("tasks", (0,), steps=2)
    multitask.main("transfer", (0,), steps=2)
    rows = pd.read_csv("runs/bench/multitask/transfer/2/small_cnn/runs.csv")
    assert len(rows) == 3 * 2 * 2 and rows["labels"].nunique() == 2
    first = capsys.readouterr().out
    multitask.main("transfer", (0,), steps=2)
    assert first.endswith(capsys.readouterr().out[-200:])
