"""Comparing: one table, honest about what was run; stops, resumes, loses nothing."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from workshop_lib import cli
from workshop_lib import compare as module
from workshop_lib.compare import compare, plan, time_left
from workshop_lib.errors import WorkshopError
from workshop_lib.recipe import Recipe
from workshop_lib.report.results import (
    as_markdown,
    collect,
    differences,
    run_row,
    summarize,
)
from workshop_lib.training.trainer import Trainer

METHODS = ("supervised_strong", "fixmatch")


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORKSHOP_PRESET", raising=False)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Recipe:
    """A recipe on two classes of twelve small pictures: bright and dark."""
    rng = np.random.default_rng(0)
    photos = tmp_path_factory.mktemp("pictures") / "photos"
    for name, level in (("bright", 180), ("dark", 40)):
        (photos / name).mkdir(parents=True)
        for k in range(12):
            pixels = rng.normal(level, 20, (16, 16, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(photos / name / f"{k}.png")
    return Recipe(
        data=str(photos),
        size=16,
        steps=4,
        eval_every=2,
        batch_size=4,
        mu=2,
        warmup_steps=0,
        precision="fp32",
    )


@pytest.fixture(scope="module")
def finished(base, tmp_path_factory) -> tuple[Path, pd.DataFrame]:
    """A comparison of two methods and the ceiling, on two seeds."""
    folder = tmp_path_factory.mktemp("compare")
    names = [*METHODS, "supervised_all"]
    return folder, compare(base, names, [1], 2, folder, verbose=False)


def test_the_table_has_a_row_for_each_number_of_labels_and_method(finished):
    folder, table = finished
    assert list(zip(table["labels"], table["method"], strict=True)) == [
        (2, "supervised_strong"),
        (2, "fixmatch"),
        (14, "supervised_all"),
    ]
    assert set(table["seeds"]) == {"0, 1"}
    assert table["seconds"].gt(0).all()
    lines = pd.read_csv(folder / "runs.csv")
    assert len(lines) == 6
    for row in table.itertuples():
        same = (lines["labels"] == row.labels) & (lines["method"] == row.method)
        values = lines[same]["accuracy"].tolist()
        low, high = values
        assert math.isclose(row.accuracy, (low + high) / 2)
        assert math.isclose(row.deviation, abs(low - high) / math.sqrt(2))
        assert (row.lowest, row.highest) == (min(values), max(values))


def test_the_methods_of_a_seed_meet_on_the_same_split(finished):
    lines = pd.read_csv(finished[0] / "runs.csv")
    few = lines[lines["labels_per_class"] > 0]
    per_seed = few.groupby(["labels", "seed"])["split"]
    assert (per_seed.nunique() == 1).all()
    assert few["split"].nunique() == 2
    assert (lines["seed"] == lines["split_seed"]).all()


def test_what_is_finished_is_neither_trained_nor_scored_again(
    base, finished, monkeypatch, capsys
):
    folder, table = finished
    stamps = {p: p.stat().st_mtime_ns for p in folder.rglob("*.pt")}
    for owner, name in ((Trainer, "step"), (module, "evaluate")):
        monkeypatch.setattr(owner, name, lambda *_: pytest.fail("done again"))
    again = compare(base, METHODS, [1], [0, 1], folder)
    expected = table[(table["labels"] == 2)].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, expected)
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*.pt")} == stamps
    assert "fixmatch, 1 labels per class, seed 1" in capsys.readouterr().out
    assert len(pd.read_csv(folder / "runs.csv")) == 6  # those not asked for are kept


def test_stopped_in_the_middle_it_goes_on_there(base, tmp_path, monkeypatch):
    whole = compare(base, METHODS, [1], 1, tmp_path / "whole", verbose=False)
    real, steps = Trainer.step, []

    def step(self):
        if len(steps) == 7:  # three steps into the second run
            raise KeyboardInterrupt
        steps.append(self.recipe.method)
        real(self)

    monkeypatch.setattr(Trainer, "step", step)
    with pytest.raises(KeyboardInterrupt):
        compare(base, METHODS, [1], 1, tmp_path / "cut", verbose=False)
    lines = pd.read_csv(tmp_path / "cut" / "runs.csv")
    assert lines["method"].tolist() == ["supervised_strong"]
    steps.clear()
    table = compare(base, METHODS, [1], 1, tmp_path / "cut", verbose=False)
    assert steps == ["fixmatch"] * 2  # from the checkpoint after two steps
    same = ["method", "accuracy", "seeds", "recipe"]
    pd.testing.assert_frame_equal(table[same], whole[same])


def test_a_run_that_fails_does_not_cost_the_others(base, tmp_path, monkeypatch):
    real = Trainer.step

    def step(self):
        if self.recipe.method == "uda":
            raise WorkshopError("the loss became nan")
        real(self)

    monkeypatch.setattr(Trainer, "step", step)
    folder = tmp_path / "c"
    with pytest.raises(WorkshopError, match="1 of 2 runs failed") as told:
        compare(base, ["uda", "supervised"], [1], 1, folder, verbose=False)
    assert "uda, 1 labels per class, seed 0: the loss became nan" in str(told.value)
    assert pd.read_csv(folder / "runs.csv")["method"].tolist() == ["supervised"]


def test_wrong_names_are_told_before_anything_is_trained(base, tmp_path):
    with pytest.raises(WorkshopError, match="Did you mean 'fixmatch'"):
        compare(base, ["supervised", "fixmach"], [4], 1, tmp_path / "c")
    with pytest.raises(WorkshopError, match="unknown model"):
        compare(base.with_(model="resnet19"), ["uda"], [4], 1, tmp_path / "c")
    for nothing in ({"methods": []}, {"labels": []}, {"seeds": 0}):
        asked = {"methods": ["uda"], "labels": [4], "seeds": 1} | nothing
        with pytest.raises(WorkshopError, match="at least one of each"):
            compare(base, **asked, folder=tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_a_folder_with_runs_of_another_recipe_is_not_mixed_up(base, finished):
    folder, _ = finished
    before = (folder / "runs.csv").read_bytes()
    with pytest.raises(WorkshopError, match="steps: 4 -> 6"):
        compare(base.with_(steps=6), METHODS, [1], 1, folder, verbose=False)
    assert (folder / "runs.csv").read_bytes() == before


@pytest.mark.parametrize("text", ["", "x,y\n1,2\n", "data,labels_per_class\n"])
def test_a_damaged_list_is_told_before_anything_is_trained(base, tmp_path, text):
    (tmp_path / "runs.csv").write_text(text)
    with pytest.raises(WorkshopError, match=r"runs.csv is damaged .* delete it"):
        compare(base, METHODS, [1], 1, tmp_path, verbose=False)
    assert (tmp_path / "runs.csv").read_text() == text


def test_seeds_come_first_so_half_a_comparison_is_fair(base):
    todo = plan(base, METHODS, [4, 25], 2, Path("c"))
    assert [one.recipe.seed for one in todo] == [0, 0, 0, 0, 1, 1, 1, 1]
    assert len({one.folder for one in todo}) == 8
    ceiling = plan(base, ["supervised_all"], [4, 25], 2, Path("c"))
    assert len(ceiling) == 2  # once for each seed, whatever the labels
    twice = plan(base, ["uda", "uda"], [4], [3], Path("c"))
    assert [str(one) for one in twice] == ["uda, 4 labels per class, seed 3"]


def test_the_time_left_is_that_of_the_same_methods():
    known = {"supervised": [10.0, 30.0, 11.0], "fixmatch": [70.0]}
    assert time_left(["supervised", "fixmatch"], known) == 81.0
    assert time_left(["comatch"], known) == (11 + 70) / 2
    assert time_left([], known) == 0
    assert time_left(["uda"], {}) is None
    assert time_left(["uda", "uda"], {}, now=20.0) == 40.0


def lines(**changes) -> pd.DataFrame:
    """Two seeds of one method, made up for the test."""
    usual = {
        "data": "d",
        "labels_per_class": 4,
        "labels": 40,
        "method": "uda",
        "seed": [0, 1],
        "split_seed": [0, 1],
        "split": ["a", "b"],
        "accuracy": [0.5, 0.7],
        "seconds": [60.0, 120.0],
        "recipe": "",
        "machine": "cpu",
    }
    return pd.DataFrame({**usual, **changes})


def test_runs_of_two_recipes_are_never_averaged():
    table = summarize(lines(recipe=["steps=9", ""]))
    assert table["recipe"].tolist() == ["steps=9", ""]
    assert table["accuracy"].tolist() == [0.5, 0.7]
    assert table["deviation"].isna().all()


def test_a_copied_run_counts_once_and_other_splits_are_named():
    table = summarize(pd.concat([lines(), lines()]))
    assert table["seeds"].tolist() == ["0, 1"]
    table = summarize(lines(seed=[0, 0]))
    assert table["seeds"].tolist() == ["0, 0 on split 1"]


def test_what_all_rows_share_stands_once_below_the_page():
    page = as_markdown(summarize(pd.concat([lines(), lines(method="ab|c")])))
    assert page.endswith("|\n\nMachine: cpu.\n") and "recipe" not in page
    assert "| d | 40 | uda | 60.0 ± 14.1 (50.0 to 70.0) | 1.5 min | 0, 1 |" in page
    assert r"ab\|c" in page
    table = summarize(lines(recipe=["mu=2, steps=9", "steps=9"], machine=["a", "b"]))
    assert "| 0 | mu=2 | a |" in as_markdown(table)
    assert "| 1 |  | b |" in as_markdown(table)
    assert as_markdown(table).endswith("of all: steps=9; the rest is the default.\n")


def test_a_recipe_is_told_by_what_differs():
    assert differences(Recipe()) == ""
    other = Recipe(data="x", labels_per_class=9, method="uda", seed=1, split_seed=2)
    assert differences(other) == ""
    assert differences(other.with_(lr=0.5, model="wrn-10-1")) == (
        "model=wrn-10-1, lr=0.5"
    )


def test_runs_are_collected_at_any_depth_and_unfinished_ones_named(finished, tmp_path):
    folder, table = finished
    rows, left_out = collect([folder])
    assert len(rows) == 6 and not left_out
    assert (tmp_path / "a" / "b").mkdir(parents=True) is None
    (tmp_path / "a" / "b" / "recipe.json").write_text("{}")
    rows, left_out = collect([tmp_path, Path(rows["folder"][0])])
    assert len(rows) == 1
    assert left_out == [tmp_path / "a" / "b"]
    with pytest.raises(WorkshopError, match="no finished run"):
        collect([tmp_path])
    with pytest.raises(WorkshopError, match="there is no folder"):
        collect([tmp_path / "nowhere"])


def test_a_run_without_scores_or_damaged_is_told(base, tmp_path):
    compare(base, ["supervised"], [1], 1, tmp_path, verbose=False)
    (run,) = (p.parent for p in tmp_path.rglob("evaluation.json"))
    scores = (run / "evaluation.json").read_text()
    (run / "evaluation.json").write_text('{"scores": {}}')
    with pytest.raises(WorkshopError, match="damaged"):
        run_row(run)
    (run / "evaluation.json").unlink()
    with pytest.raises(WorkshopError, match=r"no test scores: `workshop evaluate"):
        run_row(run)
    table = compare(base, ["supervised"], [1], 1, tmp_path, verbose=False)
    assert (run / "evaluation.json").read_text() == scores
    assert len(table) == 1


def run(*args: object) -> int:
    try:
        return cli.main([str(a) for a in args])
    except SystemExit as stopped:
        return int(stopped.code or 0)


def test_both_commands_from_a_shell(base, finished, tmp_path, capsys):
    folder, _ = finished
    flags = ["--data", base.data, "--size", 16, "--steps", 4, "--eval-every", 2]
    flags += ["--batch-size", 4, "--mu", 2, "--precision", "fp32"]
    flags += [
        "--methods",
        ",".join(METHODS),
        "--labels",
        1,
        "--seeds",
        2,
        "--warmup-steps",
        0,
    ]
    assert run("compare", *flags, "--folder", folder) == 0
    out = capsys.readouterr().out
    assert "(4 of 4)" in out and "±" in out and "0, 1" in out
    assert run("compare", *flags, "--labels", "4;25") == 2
    assert "like 4,25" in capsys.readouterr().err
    assert run("results", folder, "--out", "table.md") == 0
    page = (tmp_path / "table.md").read_text()
    assert "| photos | all 14 | supervised |" in page
    assert "labeled_view=strong, batch_size=64 |" in page
    assert "\nRecipe of all: size=16, steps=4, mu=2," in page
    assert run("results", folder, "--out", "table.csv") == 0
    assert len(pd.read_csv(tmp_path / "table.csv")) == 3
    assert run("results", folder, "--out", "table.pdf") == 2
    assert not (tmp_path / "table.pdf").exists()


def test_a_bar_tells_where_it_is_and_how_long_it_takes(base, capsys, monkeypatch):
    monkeypatch.setattr(module, "someone_watches", lambda: True)
    todo = plan(base, METHODS, [1], 1, Path("c"))
    with module._Progress(todo, verbose=True) as progress:
        progress.start(todo[0])
        progress.tick({"step": 2.0, "seconds": 100.0})
        shown = capsys.readouterr().err
        assert "supervised_strong, 1 labels per class, seed 0" in shown
        assert "0.5 of 2 runs" in shown
        assert "5 min left" in shown  # half of this run, and the other as long
        progress.finished(todo[0], {"accuracy": 0.5, "seconds": 60.0})
        assert "(1 of 2; 60 s left)" in capsys.readouterr().out
