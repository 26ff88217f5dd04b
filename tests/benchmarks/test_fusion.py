"""The fusion studies: configs, page and picture, from figures made up here."""

import shutil

import pandas as pd
import pytest

from benchmarks import fusion
from workshop_lib.data.load import describe as describe_data
from workshop_lib.errors import WorkshopError
from workshop_lib.experiments.sweeps import check_config
from workshop_lib.plots import describe, modality_gains


def rows(name: str, f1: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "name": name,
            "seed": seed,
            "accuracy": value + 0.01,
            "f1": value,
            "iou": value - 0.1,
            "parameters": 1234,
            "seconds": 1.0,
        }
        for seed, value in enumerate(f1)
    )


SETS = pd.concat(
    rows(name, values)
    for name, values in {
        "S2": [0.60, 0.70],
        "S1": [0.50, 0.60],
        "S2 + S1": [0.70, 0.75],
        "S2 + climate": [0.50, 0.80],
    }.items()
)
MAPS = pd.concat([rows("S2", [0.40, 0.50]), rows("S2 + S1", [0.45, 0.55])])


def test_every_study_differs_in_one_thing_alone():
    for study in fusion.STUDIES:
        planned = fusion.configs(study, 10)
        digests = {config.digest() for config in planned.values()}
        assert 2 <= len(digests) == len(planned)
    kinds = fusion.configs("fusions", 10)
    inputs = {(c.data.sensors, c.data.metadata) for c in kinds.values()}
    assert inputs == {(("s2", "s1"), ("climate",))}
    for study in ("sets", "metadata"):
        sets = fusion.configs(study, 10).values()
        assert len({c.replace(sensors=(), metadata=()).digest() for c in sets}) == 1
    maps = fusion.configs("maps", 10)
    assert all(c.model.heads == ("cover",) for c in maps.values())
    semi = fusion.configs("fixmatch", 10)["S2, FixMatch"]
    assert semi.method_name == "fixmatch" and semi.method.threshold == 0.8


def test_two_studies_that_share_a_folder_share_configs():
    sets, parts = fusion.configs("sets"), fusion.configs("metadata")
    shared = set(sets) & set(parts)
    assert shared == {"S2 + S1", "everything"}
    assert all(sets[name].digest() == parts[name].digest() for name in shared)


def test_every_config_can_be_built_from_the_data():
    for study in fusion.STUDIES:
        for config in fusion.configs(study, 10).values():
            check_config(config, describe_data(config.data)[0])


def test_tables_give_means_deviations_and_gains_seed_by_seed():
    text = fusion.table(MAPS, "maps")
    assert "| what | accuracy, % | mIoU, % | parameters | seeds |" in text
    assert "| S2 + S1 | 51.0 ± 7.1 | 40.0 ± 7.1 | 1,234 | 2 |" in text
    text = fusion.table_of_sets(SETS, MAPS)
    assert "| S2 | 65.0 ± 7.1 | 66.0 ± 7.1 | 35.0 ± 7.1 | 46.0 ± 7.1 | 2, 2 |" in text
    assert "| S1 | 55.0 ± 7.1 | 56.0 ± 7.1 |  |  | 2 |" in text  # no maps of it
    text = fusion.verdicts(SETS)
    assert "| S1 | S2 | +7.5 | +10.0, +5.0 | adds |" in text
    assert "| climate | S2 | +0.0 | -10.0, +10.0 | not clear |" in text


def test_the_picture_tells_each_mean_in_words():
    figure = modality_gains(SETS, MAPS)
    assert len(figure.axes) == 2
    words = describe(figure)
    assert "S2 + S1: 72.5 %" in words and "S2: 35.0 %" in words
    assert len(modality_gains(SETS, MAPS[:0]).axes) == 1
    with pytest.raises(WorkshopError, match="no row is named 'S2'"):
        modality_gains(SETS[SETS["name"] == "S1"], MAPS[:0])


def test_docs_are_written_from_what_is_there(tmp_path, monkeypatch):
    shutil.copy(fusion.DOCS / "fusion.md", tmp_path)
    monkeypatch.setattr(fusion, "DOCS", tmp_path)
    (tmp_path / "runs" / "sets").mkdir(parents=True)
    as_swept = SETS.rename(columns={"f1": "macro_f1", "iou": "mean_iou"})
    as_swept.to_csv(tmp_path / "runs" / "sets" / "runs.csv", index=False)
    fusion.update_page(tmp_path / "runs")
    text = (tmp_path / "fusion.md").read_text(encoding="utf-8")
    assert "| S2 | 65.0 ± 7.1 |" in text and "| S2 | 70.0 ± 2.4" not in text
    assert "| early | 74.3 ± 2.0 |" in text, "not measured anew: as it was"
    assert (tmp_path / "fusion.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_a_study_and_the_region_shift_in_miniature(tmp_path, monkeypatch):
    monkeypatch.setattr("workshop_lib.data.load.MINI_EO_COUNT", 600)
    planned = fusion.configs("metadata", 2)
    few = {name: c.replace(labels_per_class=2) for name, c in planned.items()}
    monkeypatch.setattr(fusion, "configs", lambda study, steps=2: few)
    fusion.run(["metadata"], [0, 1], 2, tmp_path)
    found = fusion.read(tmp_path, "metadata")
    assert list(found["name"]) == [*few, *few] and found["f1"].between(0, 1).all()
    monkeypatch.undo()
    monkeypatch.setattr("workshop_lib.data.load.MINI_EO_COUNT", 300)
    fusion.shift(fusion.configs("shift", 4), [0], tmp_path / "shift")
    found = fusion.read(tmp_path, "shift")
    assert list(found["name"]) == [
        *("S1, home", "S1, away"),
        *("S1 + longitude, home", "S1 + longitude, away"),
    ]
    assert found["accuracy"].between(0, 1).all()
