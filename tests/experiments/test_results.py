"""The table of results: nothing averaged that differs, nothing lost."""

import json
import math
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.experiments.pictures import four_steps, write_pictures
from workshop_lib.config import Config
from workshop_lib.errors import WorkshopError
from workshop_lib.experiments.results import (
    as_markdown,
    as_text,
    collect,
    differences,
    run_row,
    summarize,
)
from workshop_lib.experiments.sweeps import sweep
from workshop_lib.methods import FixMatch


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, pd.DataFrame]:
    """FixMatch on two seeds, and without augmentation of the labelled images."""
    root = tmp_path_factory.mktemp("results")
    base = four_steps(write_pictures(root / "photos"))
    both = {"weak": base, "strong": base.replace(labeled_view="strong")}
    return root / "runs", sweep(both, 2, root / "runs", labels=[1], verbose=False)


def lines(**changes) -> pd.DataFrame:
    """Two seeds of one method, made up for the test."""
    usual = {
        "data": "d",
        "labels_per_class": 4,
        "labels": 40,
        "name": "uda",
        "metric": "accuracy",
        "seed": [0, 1],
        "split_seed": [0, 1],
        "split": ["a", "b"],
        "value": [0.5, 0.7],
        "seconds": [60.0, 120.0],
        "config": "",
        "machine": "cpu",
    }
    return pd.DataFrame({**usual, **changes})


def test_the_summary_has_mean_deviation_and_range(finished):
    rows = finished[1]
    table = summarize(rows).set_index("name")
    assert list(table.index) == ["weak", "strong"]
    assert set(table["seeds"]) == {"0, 1"}
    for name, row in table.iterrows():
        low, high = sorted(rows[rows["name"] == name]["value"])
        assert math.isclose(row["value"], (low + high) / 2)
        assert math.isclose(row["deviation"], abs(low - high) / math.sqrt(2))
        assert (row["lowest"], row["highest"]) == (low, high)


def test_runs_of_two_configs_are_never_averaged():
    table = summarize(lines(config=["steps=9", ""]))
    assert table["config"].tolist() == ["steps=9", ""]
    assert table["value"].tolist() == [0.5, 0.7]
    assert table["deviation"].isna().all()
    assert len(summarize(lines(metric=["accuracy", "miou"]))) == 2


def test_a_copied_run_counts_once_and_other_splits_are_named():
    table = summarize(pd.concat([lines(), lines()]))
    assert table["seeds"].tolist() == ["0, 1"]
    table = summarize(lines(seed=[0, 0]))
    assert table["seeds"].tolist() == ["0, 0 on split 1"]


def test_what_all_rows_share_stands_once_below_the_page():
    page = as_markdown(summarize(pd.concat([lines(), lines(name="ab|c")])))
    assert page.endswith("|\n\nMachine: cpu.\n") and "config" not in page
    assert "| data | labels | name | accuracy, % | time | seeds |" in page
    assert "| d | 40 | uda | 60.0 ± 14.1 (50.0 to 70.0) | 1.5 min | 0, 1 |" in page
    assert r"ab\|c" in page
    table = summarize(lines(config=["mu=2, steps=9", "steps=9"], machine=["a", "b"]))
    assert "| 0 | mu=2 | a |" in as_markdown(table)
    assert "| 1 |  | b |" in as_markdown(table)
    assert as_markdown(table).endswith("of all: steps=9; the rest is the default.\n")


def test_a_number_is_not_shown_in_percent():
    assert "0.600 ± 0.141" in as_text(summarize(lines(metric="r2")))
    both = as_text(summarize(pd.concat([lines(metric="r2"), lines()])))
    assert "metric" in both and "60.0 ± 14.1" in both


def test_a_config_is_named_by_what_differs():
    assert differences(Config(method=FixMatch())) == ""
    other = Config(method=FixMatch()).replace(
        name="x", labels_per_class=9, seed=1, split_seed=2
    )
    assert differences(other) == ""
    changed = other.replace(lr=0.5, encoder="wrn-10-1", sensors=("s2", "s1"))
    assert differences(changed) == "sensors=s2+s1, encoder=wrn-10-1, lr=0.5"
    assert differences(other.replace(threshold=0.7)) == "threshold=0.7"


def test_runs_are_collected_at_any_depth_and_unfinished_ones_named(finished, tmp_path):
    folder, table = finished
    rows, left_out = collect([folder])
    assert len(rows) == len(table) and not left_out
    assert set(rows["name"]) == {"fixmatch"}  # a folder does not know its sweep
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "config.json").write_text("{}")
    rows, left_out = collect([tmp_path, Path(rows["folder"][0])])
    assert len(rows) == 1
    assert left_out == [tmp_path / "a" / "b"]
    with pytest.raises(WorkshopError, match="no finished run"):
        collect([tmp_path])
    with pytest.raises(WorkshopError, match="there is no folder"):
        collect([folder, tmp_path / "misspelt"])


def test_a_run_without_scores_or_damaged_is_refused(finished, tmp_path):
    run = Path(shutil.copytree(finished[1]["folder"][0], tmp_path / "run"))
    found = json.loads((run / "evaluation.json").read_text())
    assert run_row(run)["value"] == found["value"]
    for broken in ('{"scores": {}}', '{"scores": 3}'):
        (run / "evaluation.json").write_text(broken)
        with pytest.raises(WorkshopError, match="cannot read .*evaluate again"):
            run_row(run)
    (run / "evaluation.json").unlink()
    with pytest.raises(WorkshopError, match=r"no test scores: `workshop evaluate"):
        run_row(run)
