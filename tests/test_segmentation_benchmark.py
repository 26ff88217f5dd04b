"""The table of the segmentation page: resumed, summed up, written between its marks."""

import json

import pandas as pd
import pytest

from benchmarks import segmentation, segmentation_choices
from workshop_lib.recipe import PRESETS
from workshop_lib.training.optimizer import OPTIMIZERS


def rows(methods, seeds, tiles=10):
    base = {"supervised, weak": 0.40, "supervised, strong": 0.45}
    return pd.DataFrame(
        {
            "tiles": tiles, "method": method, "seed": seed,
            "miou": base.get(method, 0.52) + 0.01 * seed, "accuracy": 0.7,
            "rare": 0.2, "process_seconds": 60.0, "seconds": 90.0,
            "mask_rate": None if method in base else 0.5,
        }
        for method in methods for seed in seeds
    )  # fmt: skip


def test_the_gain_is_over_the_better_baseline_seed_by_seed():
    table = rows(["supervised, weak", "supervised, strong", "fixmatch"], [0, 1])
    table.loc[(table.seed == 1) & (table.method == "supervised, weak"), "miou"] = 0.50
    text = segmentation.summary(table)
    assert "seed by seed: +7.0, +3.0; mean **+5.0** points" in text
    assert "| 10 | fixmatch | **52.5** ± 0.7 |" in text
    alone = segmentation.summary(rows(["fixmatch"], [0]))
    assert "better" not in alone


@pytest.mark.parametrize("mark", [segmentation.MARK, segmentation_choices.MARK])
def test_the_page_keeps_what_is_around_the_table(tmp_path, mark):
    page = tmp_path / "page.md"
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    segmentation.write_page("new", page, mark)
    assert page.read_text() == f"before\n{begin}\nnew\n{end}\nafter\n"
    assert begin in segmentation.PAGE.read_text(encoding="utf-8")


def test_every_optimizer_and_loss_of_the_library_is_compared():
    assert tuple(segmentation_choices.RATES) == OPTIMIZERS
    losses = {knobs.get("mask_loss") for knobs in segmentation_choices.LOSSES.values()}
    assert losses - {None} == {"focal", "dice", "cross_entropy+dice"}


@pytest.mark.slow
def test_a_finished_training_is_not_done_again(tmp_path, monkeypatch):
    monkeypatch.setitem(PRESETS["segment"], "batch_size", 2)
    monkeypatch.setitem(PRESETS["segment"], "mu", 1)
    monkeypatch.setitem(PRESETS["segment"], "model", "unet-2")
    arguments = ([10], ["supervised, weak"], [0], "mini_eo", 2, tmp_path)
    first = segmentation.run(*arguments)
    path = tmp_path / "segmentation-2.json"
    before = path.read_text()
    assert json.loads(before)[0]["labeled_tiles"] == 10
    again = segmentation.run(*arguments)
    assert path.read_text() == before
    pd.testing.assert_frame_equal(first, again)


@pytest.mark.slow
def test_the_best_rate_is_chosen_by_validation_and_the_trunk_is_taken_over(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(segmentation_choices, "RATES", {"adamw": (1e-9, 0.01)})
    monkeypatch.setattr(segmentation_choices, "LOSSES", {"Dice": {"mask_loss": "dice"}})
    monkeypatch.setitem(PRESETS["segment"], "model", "unet-2")
    table = segmentation_choices.run(
        ["optimizers", "losses", "pretraining"], [0], 8, tmp_path
    )
    logs = {
        rate: pd.read_csv(tmp_path / "rates" / f"adamw-{rate}" / "log.csv")
        for rate in (1e-9, 0.01)
    }
    best = max(logs, key=lambda rate: logs[rate]["val_miou"].max())
    assert table["choice"].tolist() == [
        f"adamw, {best}", "Dice",
        "U-Net, random weights", "FCN, random weights", "FCN, trunk from scenes",
    ]  # fmt: skip
    assert (table["miou"] > 0).all()
    text = segmentation_choices.summary(table)
    assert "| losses | Dice | **" in text
