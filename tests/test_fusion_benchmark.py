"""The fusion study: its plan, its page and its picture, from figures made up here."""

import pandas as pd
import pytest

from benchmarks import fusion
from benchmarks.fusion_page import page, verdict
from workshop_lib.channels import groups
from workshop_lib.data.load import describe_bands
from workshop_lib.errors import WorkshopError
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
        planned = fusion.recipes(study, 10)
        assert len(planned) >= 2 and len(
            {r.to_json() for r in planned.values()}
        ) == len(planned)
    kinds = fusion.recipes("fusions", 10)
    assert {r.modalities for r in kinds.values()} == {fusion.FUSED}
    sets = fusion.recipes("sets", 10)
    assert len({r.with_(modalities=()) for r in sets.values()}) == 1
    maps = fusion.recipes("maps", 10)
    assert all(r.task == "segment" for r in maps.values())


def test_every_set_can_be_packed_from_the_data():
    for recipe in fusion.recipes("sets", 10).values():
        found = [group.name for group in groups(describe_bands(recipe))]
        assert found == list(recipe.modalities)


@pytest.mark.parametrize(
    ("gains", "word"),
    [
        ([0.02, 0.05], "adds"),
        ([-0.02, -0.05], "harms"),
        ([0.02, -0.05], "not clear"),
        ([0.001, -0.002], "adds nothing"),
        ([0.5], "one seed only"),
    ],
)
def test_a_verdict_needs_every_seed(gains, word):
    assert verdict(pd.Series(gains)) == word


def test_the_page_says_means_deviations_and_gains_seed_by_seed():
    text = page({"sets": SETS, "maps": MAPS, "shift": SETS, "map_fusions": MAPS}, 500)
    assert "| what | accuracy, % | mIoU, % | parameters | seeds |" in text
    assert "| S2 + S1 | 51.0 ± 7.1 | 40.0 ± 7.1 | 1,234 | 2 |" in text
    assert "| S2 | 65.0 ± 7.1 | 66.0 ± 7.1 | 35.0 ± 7.1 | 46.0 ± 7.1 | 2, 2 |" in text
    assert "| S1 | S2 | +7.5 | +10.0, +5.0 | adds |" in text
    assert "| climate | S2 | +0.0 | -10.0, +10.0 | not clear |" in text
    assert "In a region never seen" in text and "FixMatch with twice" not in text
    assert "| S1 | 55.0 ± 7.1 | 56.0 ± 7.1 |  |  | 2 |" in text  # no maps of it


def test_the_picture_tells_each_mean_in_words():
    figure = modality_gains(SETS, MAPS)
    assert len(figure.axes) == 2
    words = describe(figure)
    assert "S2 + S1: 72.5 %" in words and "S2: 35.0 %" in words
    assert len(modality_gains(SETS, MAPS[:0]).axes) == 1
    with pytest.raises(WorkshopError, match="'S2'"):
        modality_gains(SETS[SETS["name"] != "S2"], MAPS)


def test_docs_are_written_from_what_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(fusion, "DOCS", tmp_path)
    with pytest.raises(WorkshopError, match="--studies sets"):
        fusion.write_docs(tmp_path / "runs", 500)
    (tmp_path / "runs" / "sets").mkdir(parents=True)
    SETS.to_csv(tmp_path / "runs" / "sets" / "rows.csv", index=False)
    fusion.write_docs(tmp_path / "runs", 500)
    assert "65.0 ± 7.1" in (tmp_path / "fusion.md").read_text(encoding="utf-8")
    assert (tmp_path / "fusion.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_the_region_shift_is_scored_at_home_and_away(tmp_path, monkeypatch):
    monkeypatch.setattr("workshop_lib.next.data.load.MINI_EO_COUNT", 300)
    found = fusion.shift(fusion.recipes("shift", 4), [0], tmp_path)
    assert list(found["name"]) == [
        *("S1, home", "S1, away"),
        *("S1 + longitude, home", "S1 + longitude, away"),
    ]
    assert found["accuracy"].between(0, 1).all()
