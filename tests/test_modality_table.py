"""The table of modalities: one row per training, resumed, both tasks."""

import pandas as pd
import pytest

from workshop_lib import modality_table
from workshop_lib.errors import WorkshopError
from workshop_lib.modality_table import SETS, deviations, measure, recipes_of_sets
from workshop_lib.recipe import Recipe

BASE = Recipe(
    method="supervised", steps=2, eval_every=2, batch_size=4, precision="fp32"
)
FEW = {"S1": ("s1",), "S1 + season": ("s1", "season")}


@pytest.fixture(autouse=True)
def small_data(monkeypatch):
    monkeypatch.setattr("workshop_lib.next.data.load.MINI_EO_COUNT", 150)


def test_a_row_per_training_and_what_is_finished_is_loaded(tmp_path, monkeypatch):
    recipes = recipes_of_sets(BASE, FEW)
    rows = measure(recipes, 2, tmp_path, verbose=False)
    assert list(rows["name"]) == ["S1", "S1 + season"] * 2
    assert list(rows["seed"]) == [0, 0, 1, 1]
    assert rows[["accuracy", "f1", "iou"]].stack().between(0, 1).all()
    assert rows["parameters"].nunique() == 2

    def no_training(*args, **kwargs):
        raise AssertionError("trained again")

    monkeypatch.setattr(modality_table, "train", no_training)
    again = measure(recipes, 2, tmp_path, verbose=False)
    pd.testing.assert_frame_equal(rows, again)
    with pytest.raises(AssertionError, match="trained again"):  # another recipe
        longer = recipes_of_sets(BASE.with_(steps=3), FEW)
        measure(longer, 2, tmp_path, verbose=False)
    kept = pd.read_csv(tmp_path / "rows.csv")
    assert list(kept["accuracy"]) == pytest.approx(list(rows["accuracy"]))


def test_maps_are_scored_by_pixel(tmp_path):
    maps = BASE.with_(task="segment", model="unet-4", labels_per_class=1)
    recipes = recipes_of_sets(maps, {"S2 + S1": ("s2", "s1")})
    rows = measure(recipes, 1, tmp_path, verbose=False)
    assert 0 <= float(rows["iou"][0]) < float(rows["accuracy"][0]) <= 1


def test_means_and_deviations_in_percent():
    rows = pd.DataFrame(
        {
            "name": ["b", "a", "b", "a"],
            "seed": [0, 0, 1, 1],
            "accuracy": [0.5, 0.2, 0.7, 0.4],
            "f1": [0.4, 0.1, 0.4, 0.1],
            "iou": [0.3, 0.0, 0.5, 0.2],
            "parameters": [10, 20, 10, 20],
            "seconds": [1.0, 2.0, 3.0, 4.0],
        }
    )
    found = deviations(rows).set_index("name")
    assert list(found.index) == ["b", "a"]
    assert found.loc["b", "accuracy"] == pytest.approx(60)
    assert found.loc["b", "accuracy_std"] == pytest.approx(14.142, abs=1e-3)
    assert found.loc["a", "iou"] == pytest.approx(10)
    assert found.loc["a", "seconds"] == 3 and found.loc["a", "seeds"] == 2
    assert deviations(rows[:2])["f1_std"].isna().all()


def test_every_set_differs_and_none_gives_the_answer():
    assert len({frozenset(one) for one in SETS.values()}) == len(SETS)
    assert not any("cover" in one for one in SETS.values())


def test_nothing_to_train_is_told(tmp_path):
    with pytest.raises(WorkshopError, match="nothing to train"):
        measure({}, 1, tmp_path)
    with pytest.raises(WorkshopError, match="unknown modality"):
        wrong = recipes_of_sets(BASE, {"S3": ("s3",)})
        modality_table.measure(wrong, 1, tmp_path, verbose=False)
