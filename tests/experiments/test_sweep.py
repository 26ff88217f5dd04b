"""A sweep: honest about what was run; stops, resumes, loses nothing."""

import re
from pathlib import Path

import pandas as pd
import pytest

from tests.experiments.pictures import four_steps, write_pictures
from tests.training.tiny import short, tiny
from workshop_lib.config import Config
from workshop_lib.errors import WorkshopError
from workshop_lib.experiments import sweeps as module
from workshop_lib.experiments.baselines import baseline_config
from workshop_lib.experiments.sweeps import grid, sweep
from workshop_lib.methods import FixMatch
from workshop_lib.training.trainer import Trainer

METHODS = ("supervised_strong", "fixmatch")


def configs(base: Config, *names: str) -> dict[str, Config]:
    return {name: baseline_config(name, base) for name in names or METHODS}


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORKSHOP_PRESET", raising=False)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Config:
    return four_steps(write_pictures(tmp_path_factory.mktemp("pictures") / "photos"))


@pytest.fixture(scope="module")
def finished(base, tmp_path_factory) -> tuple[Path, pd.DataFrame]:
    """Two methods and the ceiling on two seeds."""
    folder = tmp_path_factory.mktemp("sweep")
    three = configs(base, *METHODS, "supervised_all")
    return folder, sweep(three, 2, folder, labels=[1, 2], verbose=False)


def test_a_row_for_each_run_in_the_order_of_training(finished):
    folder, rows = finished
    assert list(zip(rows["seed"], rows["labels"], rows["name"], strict=True)) == [
        (seed, labels, name)
        for seed in (0, 1)
        for labels, name in (
            (2, "supervised_strong"),
            (2, "fixmatch"),
            (14, "supervised_all"),  # which counts once, whatever the labels
            (4, "supervised_strong"),
            (4, "fixmatch"),
        )
    ]
    assert set(rows["metric"]) == {"accuracy"}
    assert rows[["value", "macro_f1", "mean_iou"]].stack().between(0, 1).all()
    assert (rows["value"] == rows["accuracy"]).all() and rows["seconds"].gt(0).all()
    assert set(rows["method"]) == {"supervised", "fixmatch"}
    assert len(pd.read_csv(folder / "runs.csv")) == 10


def test_the_configs_of_a_seed_meet_on_the_same_split(finished):
    rows = finished[1]
    few = rows[rows["labels_per_class"] > 0]
    assert (few.groupby(["labels", "seed"])["split"].nunique() == 1).all()
    assert few["split"].nunique() == 4
    assert (rows["seed"] == rows["split_seed"]).all()


def test_what_is_finished_is_neither_trained_nor_scored_again(
    base, finished, monkeypatch, capsys
):
    folder, rows = finished
    stamps = {p: p.stat().st_mtime_ns for p in folder.rglob("*.pt")}
    for owner, name in ((Trainer, "step"), (module, "evaluate")):
        monkeypatch.setattr(owner, name, lambda *_: pytest.fail("done again"))
    again = sweep(configs(base), [0, 1], folder, labels=[1])
    expected = rows[rows["labels"] == 2].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, expected)
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*.pt")} == stamps
    assert "fixmatch, 1 labels per class, seed 1: accuracy" in capsys.readouterr().out
    assert len(pd.read_csv(folder / "runs.csv")) == 10  # those not asked for are kept


def test_stopped_in_the_middle_it_resumes_there(base, tmp_path, monkeypatch):
    two = configs(base)
    whole = sweep(two, 1, tmp_path / "whole", labels=[1], verbose=False)
    real, steps = Trainer.step, []

    def step(self):
        if len(steps) == 7:  # three steps into the second run
            raise KeyboardInterrupt
        steps.append(self.config.method_name)
        real(self)

    monkeypatch.setattr(Trainer, "step", step)
    with pytest.raises(KeyboardInterrupt):
        sweep(two, 1, tmp_path / "cut", labels=[1], verbose=False)
    rows = pd.read_csv(tmp_path / "cut" / "runs.csv")
    assert rows["name"].tolist() == ["supervised_strong"]
    steps.clear()
    rows = sweep(two, 1, tmp_path / "cut", labels=[1], verbose=False)
    assert steps == ["fixmatch"] * 2  # from the checkpoint after two steps
    same = ["name", "value", "seed", "config"]
    pd.testing.assert_frame_equal(rows[same], whole[same])


def test_a_run_that_fails_does_not_cost_the_others(base, tmp_path, monkeypatch, capsys):
    real = Trainer.step

    def step(self):
        if self.config.method_name == "uda":
            raise WorkshopError("the loss became nan")
        real(self)

    monkeypatch.setattr(Trainer, "step", step)
    two = configs(base, "uda", "supervised")
    with pytest.raises(WorkshopError, match="1 of 2 runs failed") as raised:
        sweep(two, 1, tmp_path, labels=[1])
    assert "uda, 1 labels per class, seed 0: the loss became nan" in str(raised.value)
    assert pd.read_csv(tmp_path / "runs.csv")["name"].tolist() == ["supervised"]
    assert "FAILED, the loss became nan (1 of 2)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"encoder": "resnet19"}, r"unknown encoder.*Did you mean 'resnet18'"),
        ({"sensors": ("s1",)}, "unknown sensor of this data set 's1'"),
        ({"metadata": ("date",)}, "date"),
        ({"heads": ("cover",), "encoder": "unet-4"}, "unknown target"),
        ({"method": "simclr"}, "bad learns without labels"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_trained(
    base, tmp_path, changes, said
):
    two = {"good": base, "bad": base.replace(**changes)}
    with pytest.raises(WorkshopError, match=said):
        sweep(two, 1, tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_nothing_to_train_is_refused(base, tmp_path):
    for nothing in ({"configs": {}}, {"seeds": 0}, {"labels": []}):
        asked = {"configs": {"a": base}, "seeds": 1, "labels": [4]} | nothing
        with pytest.raises(WorkshopError, match="at least one of each"):
            sweep(**asked, folder=tmp_path / "c")
    with pytest.raises(WorkshopError, match="rename one"):
        sweep({"a + b": base, "a - b": base, "a b": base}, 1, tmp_path / "c")


def test_a_folder_with_runs_of_another_config_is_not_mixed_up(base, finished):
    folder, _ = finished
    before = (folder / "runs.csv").read_bytes()
    longer = configs(base.replace(steps=6))
    with pytest.raises(WorkshopError, match=r"steps: 4 -> 6"):
        sweep(longer, 1, folder, labels=[1], verbose=False)
    assert (folder / "runs.csv").read_bytes() == before


def test_a_damaged_list_of_runs_is_refused(base, tmp_path):
    for content in (b"", b"seed,name\n0,a\n", b"\xff\xfe", b"a\nb,c\nd,e,f,g\n"):
        (tmp_path / "runs.csv").write_bytes(content)
        with pytest.raises(WorkshopError, match=r"cannot read .*runs\.csv"):
            sweep(configs(base), 1, tmp_path, labels=[1], verbose=False)


def test_seeds_come_first_so_half_a_sweep_is_fair(base):
    todo = grid(configs(base), 2, Path("c"), [4, 25])
    assert [one.config.run.seed for one in todo] == [0, 0, 0, 0, 1, 1, 1, 1]
    assert len({one.folder for one in todo}) == 8
    assert todo[0].folder == Path("c/photos/supervised_strong-4-0")
    ceiling = grid(configs(base, "supervised_all"), 2, Path("c"), [4, 25])
    assert len(ceiling) == 2  # once for each seed, whatever the labels
    own = base.replace(labels_per_class=3)
    (one,) = grid({"S2 + S1": own}, [5], Path("c"))
    assert str(one) == "S2 + S1, 3 labels per class, seed 5"
    assert one.folder.name == "S2_S1-3-5"


def test_images_of_your_own_and_maps_are_scored_by_their_metric(tmp_path):
    scenes = tiny(120)
    maps = short(heads=("cover",), encoder="unet-4", method="supervised", size=8)
    both = short(heads=("scene", "cover"), encoder="unet-4", size=8)
    number = short(heads=("elevation",), method="supervised", size=8)
    given = {"maps": maps, "both": both, "number": number}
    rows = sweep(given, 1, tmp_path, dataset=scenes, labels=[2], verbose=False)
    assert rows["metric"].tolist() == ["miou", "accuracy", "r2"]
    assert rows["mean_iou"][0] == pytest.approx(rows["value"][0])


def test_a_method_of_ones_own_takes_part(base, tmp_path):
    class Mine(FixMatch):
        """No entry in any list."""

    config = base.replace(method=Mine(threshold=0.5))
    rows = sweep({"mine": config, "fixmatch": base}, 1, tmp_path, verbose=False)
    assert rows["method"].tolist() == ["Mine", "fixmatch"]
    assert "threshold=0.5" in rows["config"][0]


def test_a_bar_over_all_runs_says_which_one_it_is_at(
    base, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("workshop_lib.training.log.is_interactive", lambda: True)
    sweep(configs(base), 1, tmp_path, labels=[1])
    shown = capsys.readouterr().err
    assert "fixmatch, 1 labels per class, seed 0:" in shown
    assert re.search(r"[46]/8 ", shown)
    sweep(configs(base), 1, tmp_path, labels=[1])  # finished: the bar starts at its end
    shown = capsys.readouterr().err
    assert "8/8 " in shown and "4/8 " not in shown
