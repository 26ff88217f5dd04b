"""Training learns, resumes bit for bit, refuses what is wrong, leaves no half files."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.recipe import Recipe
from workshop_lib.training import checkpoint as checkpoint_module
from workshop_lib.training import loop
from workshop_lib.training.checkpoint import load_checkpoint, save_checkpoint
from workshop_lib.training.loop import train
from workshop_lib.training.run import Run
from workshop_lib.training.trainer import Trainer

SMALL = Recipe(
    size=8, steps=12, eval_every=4, batch_size=4, mu=2, warmup_steps=2, precision="fp32"
)
CPU = torch.device("cpu")


def stripes(count: int = 48, size: int = 8) -> Scenes:
    """Two classes that differ in the direction of their stripes."""
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 2
    line = (torch.arange(size) % 2).float().expand(size, size)
    images = torch.stack([line if k == 0 else line.T for k in labels.tolist()])
    images = images[:, None].repeat(1, 4, 1, 1) * 0.3 + 0.1
    images = images * (0.5 + torch.rand(count, 1, 1, 1, generator=g))
    return Scenes(
        images=images,
        labels=labels,
        class_names=("columns", "rows"),
        names=tuple(f"{k:03d}" for k in range(count)),
        bands=("B02", "B03", "B04", "B08"),
    )


@pytest.fixture
def scenes() -> Scenes:
    return stripes()


@pytest.fixture
def split(scenes) -> Split:
    return Split.random(scenes, labels_per_class=3, seed=1)


def same_weights(a: Path, b: Path) -> bool:
    x, y = load_checkpoint(a), load_checkpoint(b)
    pairs = [(x["model"], y["model"]), (x["ema"]["model"], y["ema"]["model"])]
    return all(torch.equal(p[k], q[k]) for p, q in pairs for k in p)


@pytest.mark.parametrize("method", ["supervised", "fixmatch"])
def test_a_run_keeps_what_it_promises(method, scenes, split, tmp_path):
    rows = []
    recipe = SMALL.with_(method=method)
    run = train(
        recipe,
        scenes,
        split,
        folder=tmp_path / "run",
        verbose=False,
        on_log=rows.append,
    )
    assert [row["step"] for row in rows] == [4, 8, 12]
    assert list(run.log["step"]) == [4, 8, 12]
    assert run.facts["labels"] == 6
    assert run.facts["counts"]["labeled"] == 6
    assert run.facts["steps"] == 12
    assert run.recipe == recipe
    expected = {
        "loss",
        "loss_x",
        "val_accuracy",
        "val_accuracy_online",
        "val_loss",
        "lr",
    }
    if method == "fixmatch":
        expected |= {"loss_u", "mask_rate", "pseudo_accuracy"}
    assert expected <= set(run.log.columns)
    assert Split.load(run.folder / "split", scenes).digest(scenes) == split.digest(
        scenes
    )
    best = load_checkpoint(run.folder / "best.pt")
    first_best = run.log["val_accuracy"].max()
    assert run.log.set_index("step").loc[best["step"], "val_accuracy"] == first_best
    assert not list(run.folder.glob("*.tmp"))


@pytest.mark.parametrize("method", ["supervised", "fixmatch"])
def test_it_learns_what_a_few_labels_can_teach(method, scenes, tmp_path):
    images = scenes.images + 0.5 * (scenes.labels.view(-1, 1, 1, 1) == 1)
    bright = replace(scenes, images=images)
    split = Split.random(bright, labels_per_class=3, seed=1)
    recipe = SMALL.with_(method=method, steps=80, eval_every=40, lr=0.01)
    run = train(recipe, bright, split, folder=tmp_path / "run", verbose=False)
    assert run.log["val_accuracy"].iloc[-1] >= 0.9


def test_other_bands_or_pixels_are_another_run(scenes, split, tmp_path):
    run = train(SMALL, scenes, split, folder=tmp_path / "run", verbose=False)
    for other in (
        replace(scenes, bands=("B05", "B06", "B07", "B08")),
        replace(scenes, images=scenes.images * 0.5),
    ):
        with pytest.raises(WorkshopError, match="other images"):
            train(SMALL, other, split, folder=run.folder, verbose=False)


def test_training_leaves_the_callers_random_numbers_alone(scenes, split, tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(SMALL, scenes, split, folder=tmp_path / "run", verbose=False)
    assert torch.equal(torch.rand(3), expected)


def test_a_run_begun_on_a_gpu_goes_on_without_one(scenes, split, tmp_path, monkeypatch):
    folder, state = _interrupted(scenes, split, tmp_path, monkeypatch)
    state |= {"device": "cuda", "generator": torch.zeros(16, dtype=torch.uint8)}
    save_checkpoint(folder / "last.pt", {**state, "precision": "fp16"})
    run = train(SMALL, scenes, split, folder=folder, verbose=False)
    assert run.facts["steps"] == 12
    assert run.facts["precision"] == "fp32"


def test_a_checkpoint_that_does_not_fit_is_refused(
    scenes, split, tmp_path, monkeypatch
):
    folder, state = _interrupted(scenes, split, tmp_path, monkeypatch)
    del state["means"]
    save_checkpoint(folder / "last.pt", state)
    with pytest.raises(WorkshopError, match="does not fit this recipe"):
        train(SMALL, scenes, split, folder=folder, verbose=False)


def _interrupted(scenes, split, tmp_path, monkeypatch):
    """Train eight of twelve steps; return the folder and the checkpoint in it."""
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", _stop_after(8))
        with pytest.raises(KeyboardInterrupt):
            train(SMALL, scenes, split, folder=folder, verbose=False)
    return folder, load_checkpoint(folder / "last.pt")


def _stop_after(steps):
    real = Trainer.step

    def step(self):
        if self.steps_done == steps:
            raise KeyboardInterrupt
        real(self)

    return step


def test_the_test_part_is_never_touched(scenes, split, tmp_path):
    images = scenes.images.clone()
    images[split.test] = 0.77  # whatever: the run must come out the same
    other = Scenes(
        images=images,
        labels=scenes.labels,
        class_names=scenes.class_names,
        names=scenes.names,
        bands=scenes.bands,
    )
    train(SMALL, scenes, split, folder=tmp_path / "a", verbose=False)
    train(SMALL, other, split, folder=tmp_path / "b", verbose=False)
    assert same_weights(tmp_path / "a" / "last.pt", tmp_path / "b" / "last.pt")


def test_stopped_anywhere_and_resumed_gives_the_same_bits(
    scenes, split, tmp_path, monkeypatch
):
    train(SMALL, scenes, split, folder=tmp_path / "whole", verbose=False)

    class KilledError(Exception):
        pass

    for at in (3, 4, 9):
        folder = tmp_path / f"killed{at}"
        step = Trainer.step

        def dying(self, at=at, step=step):
            if self.steps_done == at:
                raise KilledError
            step(self)

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "step", dying)
            with pytest.raises(KilledError):
                train(SMALL, scenes, split, folder=folder, verbose=False)
        run = train(SMALL, scenes, split, folder=folder, verbose=False)
        assert same_weights(tmp_path / "whole" / "last.pt", folder / "last.pt")
        assert same_weights(tmp_path / "whole" / "best.pt", folder / "best.pt")
        ours = run.log.drop(columns="seconds")
        theirs = Run.load(tmp_path / "whole").log.drop(columns="seconds")
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)


_CHILD = """
import os, sys, torch
torch.set_num_threads(1)
sys.path[:0] = sys.argv[1].split(os.pathsep)
from test_loop import SMALL, stripes
from workshop_lib.data.split import Split
from workshop_lib.training.loop import train
scenes = stripes()
recipe = SMALL.with_(steps=4000, eval_every=5)
split = Split.random(scenes, labels_per_class=3, seed=1)
train(recipe, scenes, split, folder=sys.argv[2])
"""


def _start_child(folder: Path) -> subprocess.Popen:
    here = f"{Path(__file__).parent}{os.pathsep}{Path(__file__).parents[2]}"
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, here, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not (folder / "last.pt").exists():
        assert child.poll() is None, child.communicate()[1]
        assert time.monotonic() < deadline, "no checkpoint was written"
        time.sleep(0.05)
    return child


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_killed_processes_resume_bit_for_bit(tmp_path, request):
    """SIGKILL at unlucky moments, again and again, against a run in one go."""
    threads = torch.get_num_threads()
    request.addfinalizer(lambda: torch.set_num_threads(threads))
    torch.set_num_threads(1)  # as in the child: sums depend on the number of threads
    folder = tmp_path / "killed"
    for pause in (0.0, 0.31, 0.17):
        child = _start_child(folder)
        time.sleep(pause)
        child.send_signal(signal.SIGKILL)
        child.wait()
        state = load_checkpoint(folder / "last.pt")
        assert state["step"] % 5 == 0
    reached = int(state["step"])
    scenes = stripes()
    split = Split.random(scenes, labels_per_class=3, seed=1)
    trainer = Trainer(SMALL.with_(steps=4000, eval_every=5), scenes, split, CPU)
    while trainer.steps_done < reached:
        trainer.step()
        if trainer.steps_done % 5 == 0:
            trainer.means.flush()
    for name, value in trainer.model.state_dict().items():
        assert torch.equal(value, state["model"][name]), name


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of this kind are not for Windows")
def test_ctrl_c_keeps_the_step_it_was_at(tmp_path):
    folder = tmp_path / "stopped"
    child = _start_child(folder)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert "the same command goes on from there" in errors
    assert load_checkpoint(folder / "last.pt")["step"] > 0
    assert not list(folder.glob("*.tmp"))


def test_a_finished_run_is_loaded_not_trained_again(scenes, split, tmp_path, capsys):
    train(SMALL, scenes, split, folder=tmp_path / "run", verbose=False)
    before = (tmp_path / "run" / "last.pt").stat().st_mtime_ns
    train(SMALL, scenes, split, folder=tmp_path / "run")
    assert "loaded" in capsys.readouterr().out
    assert (tmp_path / "run" / "last.pt").stat().st_mtime_ns == before


def test_another_recipe_or_split_in_the_folder_is_refused(scenes, split, tmp_path):
    train(SMALL, scenes, split, folder=tmp_path / "run", verbose=False)
    with pytest.raises(WorkshopError, match="lr: 0.002 -> 0.1"):
        train(SMALL.with_(lr=0.1), scenes, split, folder=tmp_path / "run")
    other = Split.random(scenes, labels_per_class=3, seed=2)
    with pytest.raises(WorkshopError, match="another split of them"):
        train(SMALL, scenes, other, folder=tmp_path / "run")
    fresh = SMALL.with_(lr=0.1)
    run = train(
        fresh, scenes, split, folder=tmp_path / "run", resume=False, verbose=False
    )
    assert run.recipe == fresh


def test_a_full_disk_ends_no_training_and_spoils_no_file(
    scenes, split, tmp_path, monkeypatch, capsys
):
    folder, calls = tmp_path / "run", []
    real = torch.save

    def full(state, path, *args, **kwargs):
        calls.append(path)
        if len(calls) == 3:
            Path(path).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        return real(state, path, *args, **kwargs)

    monkeypatch.setattr(checkpoint_module.torch, "save", full)
    run = train(SMALL, scenes, split, folder=folder)
    assert "the disk is full" in capsys.readouterr().out
    assert run.facts["steps"] == 12
    assert load_checkpoint(folder / "last.pt")["step"] == 12
    assert load_checkpoint(folder / "best.pt")["step"] in (4, 12)
    assert not list(folder.glob("*.tmp"))


def test_a_disk_that_stays_full_is_told_in_words(scenes, split, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint_module.torch, "save", full)
    with pytest.raises(WorkshopError, match="disk is full: free some space"):
        train(SMALL, scenes, split, folder=tmp_path / "run", verbose=False)
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_folder_that_cannot_be_written_is_told_in_words(scenes, split, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WorkshopError, match="cannot write"):
        train(SMALL, scenes, split, folder=tmp_path / "file" / "run", verbose=False)


def test_a_loss_that_explodes_stops_with_words(scenes, split, tmp_path):
    recipe = SMALL.with_(method="supervised", optimizer="sgd", lr=1e30)
    with pytest.raises(WorkshopError, match="lower lr"):
        train(recipe, scenes, split, folder=tmp_path / "run", verbose=False)
    assert not (tmp_path / "run" / "run.json").exists()


def test_out_of_memory_is_told_in_words(scenes, split, tmp_path, monkeypatch):
    def hungry(self):
        torch.empty(1 << 60, dtype=torch.uint8)  # what a CPU says is a RuntimeError

    monkeypatch.setattr(Trainer, "step", hungry)
    with pytest.raises(WorkshopError, match="halve the batch size"):
        train(SMALL, scenes, split, folder=tmp_path / "run", verbose=False)


@pytest.mark.parametrize("damage", ["truncated", "foreign", "text", "missing"])
def test_wrong_checkpoints_are_refused_with_the_reason(damage, tmp_path):
    path = tmp_path / "last.pt"
    if damage == "truncated":
        save_checkpoint(path, {"model": torch.zeros(1000)})
        path.write_bytes(path.read_bytes()[:700])
    if damage == "text":
        path.write_text("x")
    if damage == "foreign":
        torch.save({"something": 1}, path)
    words = "damaged|not a checkpoint|no checkpoint"
    with pytest.raises(WorkshopError, match=words) as found:
        load_checkpoint(path, needs=("model",))
    assert "weights_only" not in str(found.value)  # torch would advise to trust it


def test_killed_after_the_last_checkpoint_the_log_is_still_whole(
    scenes, split, tmp_path
):
    run = train(SMALL, scenes, split, folder=tmp_path / "run", verbose=False)
    (run.folder / "run.json").unlink()
    path = run.folder / "log.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    again = train(SMALL, scenes, split, folder=run.folder, verbose=False)
    pd.testing.assert_frame_equal(again.log, run.log)


@pytest.mark.parametrize("name", ["recipe.json", "run.json", "log.csv"])
def test_damaged_files_of_a_run_are_named(name, scenes, split, tmp_path):
    run = train(SMALL, scenes, split, folder=tmp_path / "run", verbose=False)
    (run.folder / name).write_text("" if name == "log.csv" else '{"cut')
    with pytest.raises(WorkshopError, match="restore|Restore"):
        Run.load(run.folder)


def test_unfinished_folders_are_no_runs(tmp_path):
    with pytest.raises(WorkshopError, match="recipe.json"):
        Run.load(tmp_path)


def test_run_facts_are_plain_json(scenes, split, tmp_path):
    run = train(SMALL, scenes, split, folder=tmp_path / "run", verbose=False)
    assert json.loads((run.folder / "run.json").read_text()) == run.facts
    model, normalize = run.load_model()
    assert not model.training
    online, _ = run.load_model("last", "online")
    ema, _ = run.load_model("last", "ema")
    pairs = zip(online.parameters(), ema.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)
    assert normalize.mean.shape == (4,)


def test_quiet_means_quiet(scenes, split, tmp_path, capsys):
    train(SMALL, scenes, split, folder=tmp_path / "run", verbose=False)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_one_line_per_validation_where_nobody_watches(scenes, split, tmp_path, capsys):
    train(SMALL, scenes, split, folder=tmp_path / "run")
    lines = [x for x in capsys.readouterr().out.splitlines() if x.startswith("step")]
    assert len(lines) == 3
    assert "mask" in lines[0]


def test_the_control_sees_labeled_images_only(scenes, split, monkeypatch):
    trainer = Trainer(SMALL.with_(pool="labeled"), scenes, split, CPU)
    seen = torch.cat([trainer.unlabeled.at(k) for k in range(20)])
    assert set(seen.tolist()) == set(split.labeled.tolist())


def test_default_folders_tell_recipes_and_splits_apart(
    scenes, split, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    names = {
        loop._default_folder(SMALL, scenes, split),
        loop._default_folder(SMALL.with_(lr=0.5), scenes, split),
        loop._default_folder(
            SMALL, scenes, Split.random(scenes, labels_per_class=3, seed=2)
        ),
    }
    assert len(names) == 3
