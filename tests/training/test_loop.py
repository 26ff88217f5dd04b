"""Training learns, resumes bit for bit, refuses what is wrong, leaves no half files."""

import errno
import json
import signal
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from tests.training.tiny import (
    before_step,
    compare,
    differences,
    parts,
    quietly,
    short,
    tiny,
)
from workshop_lib.config import Config
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.training import checkpoint as checkpoint_module
from workshop_lib.training import log
from workshop_lib.training.checkpoint import load_checkpoint, save_checkpoint
from workshop_lib.training.inputs import initial_model
from workshop_lib.training.loop import train
from workshop_lib.training.run import Run, default_folder, run_identity
from workshop_lib.training.trainer import Trainer

CPU = torch.device("cpu")
SMALL = short(steps=12, eval_every=4, warmup_steps=2, threshold=0.4)
SCENES = tiny()
SPLIT = parts(SCENES)


def run_in(folder: Path, config: Config = SMALL, **more: object) -> Run:
    return quietly(folder, config, **more)


@pytest.mark.parametrize("method", ["supervised", "fixmatch", "freematch", "comatch"])
def test_a_run_keeps_what_it_promises(method, tmp_path):
    rows: list[dict] = []
    config = SMALL.replace(method=method)
    run = run_in(tmp_path / "run", config, on_log=rows.append)
    assert [row["step"] for row in rows] == [4, 8, 12] == list(run.log["step"])
    assert run.facts["labels"] == 6 and run.facts["counts"]["labeled"] == 6
    assert run.facts["steps"] == 12 and run.config == config
    wanted = {"loss", "supervised", "val_accuracy", "val_accuracy_online", "val_loss"}
    extra = {"unsupervised", "mask_rate", "pseudo_accuracy"}
    wanted |= {"lr", "seconds"} | (extra if method != "supervised" else set())
    wanted |= {"freematch": {"fairness", "threshold"}, "comatch": {"contrast"}}.get(
        method, set()
    )
    assert wanted <= set(run.log.columns)
    terms = wanted & {"supervised", "unsupervised", "fairness", "contrast"}
    for _, row in run.log.iterrows():  # weighted: they add up
        assert row["loss"] == pytest.approx(sum(row[t] for t in terms), rel=1e-6)
        assert 0 <= row.get("mask_rate", 0) <= 1
    kept = Split.load(run.folder / "split", SCENES)
    assert kept.digest(SCENES) == SPLIT.digest(SCENES)
    best = load_checkpoint(run.folder / "best.pt")
    reached = run.log.set_index("step").loc[best["step"], "val_accuracy"]
    assert reached == run.log["val_accuracy"].max()
    assert not list(run.folder.glob(".*.tmp"))


@pytest.mark.parametrize("method", ["supervised", "fixmatch"])
def test_it_learns_what_a_few_labels_can_teach(method, tmp_path):
    config = SMALL.replace(method=method, steps=80, eval_every=40, lr=0.01)
    assert run_in(tmp_path, config).log["val_accuracy"].iloc[-1] >= 0.9


def test_other_bands_pixels_or_splits_are_another_run(tmp_path):
    run_in(tmp_path)
    for other in (
        replace(SCENES, bands=("B05", "B06", "B07", "B08")),
        replace(SCENES, images=SCENES.images * 0.5),
    ):
        with pytest.raises(WorkshopError, match="other images"):
            run_in(tmp_path, scenes=other)
    other_split = Split.random(SCENES, labels_per_class=3, seed=2)
    with pytest.raises(WorkshopError, match="another split of them"):
        run_in(tmp_path, split=other_split)
    with pytest.raises(WorkshopError, match=r"lr: 0\.002 -> 0\.1"):
        run_in(tmp_path, SMALL.replace(lr=0.1))
    fresh = SMALL.replace(lr=0.1, steps=2)
    assert run_in(tmp_path, fresh, resume=False).config == fresh


def test_the_callers_random_numbers_stay_as_they_are(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run = run_in(tmp_path / "run", SMALL.replace(steps=2))
    initial_model(SMALL, run.facts)
    assert torch.equal(torch.rand(3), expected)


def stop(trainer: Trainer) -> None:
    raise KeyboardInterrupt


def interrupted(folder: Path, monkeypatch: pytest.MonkeyPatch, at: int = 8) -> dict:
    """Train eight of twelve steps; return the checkpoint."""
    with monkeypatch.context() as patch:
        before_step(patch, at + 1, stop)
        with pytest.raises(KeyboardInterrupt):
            run_in(folder)
    path = folder / "last.pt"
    return load_checkpoint(path) if path.exists() else {}


@pytest.mark.parametrize("at", [3, 4, 9])
def test_stopped_anywhere_and_resumed_gives_the_same_bits(at, tmp_path, monkeypatch):
    run_in(tmp_path / "whole")
    folder = tmp_path / "killed"
    interrupted(folder, monkeypatch, at)
    run_in(folder)
    assert compare(tmp_path / "whole", folder) == []


def test_a_run_begun_on_a_gpu_continues_without_one(tmp_path, monkeypatch):
    state = interrupted(tmp_path, monkeypatch)
    state |= {"device": "cuda", "generator": torch.zeros(16, dtype=torch.uint8)}
    save_checkpoint(tmp_path / "last.pt", {**state, "precision": "fp16"})
    run = run_in(tmp_path)
    assert run.facts["steps"] == 12 and run.facts["precision"] == "fp32"


def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path, monkeypatch):
    state = interrupted(tmp_path, monkeypatch)
    del state["means"]
    save_checkpoint(tmp_path / "last.pt", state)
    with pytest.raises(WorkshopError, match="does not fit this config"):
        run_in(tmp_path)


def test_the_test_part_is_never_touched(tmp_path):
    images = SCENES.images.clone()
    images[SPLIT.test] = 0.77  # whatever: the run must come out the same
    run_in(tmp_path / "a")
    run_in(tmp_path / "b", scenes=replace(SCENES, images=images))
    assert compare(tmp_path / "a", tmp_path / "b") == []


def test_ctrl_c_ends_between_two_steps_and_keeps_the_one_it_was_at(
    tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        before_step(patch, 7, lambda trainer: signal.raise_signal(signal.SIGINT))
        with pytest.raises(
            KeyboardInterrupt, match="stopped at step 7 of 12; the same"
        ):
            run_in(tmp_path / "cut")
    assert load_checkpoint(tmp_path / "cut" / "last.pt")["step"] == 7
    run_in(tmp_path / "cut"), run_in(tmp_path / "whole")
    state = (load_checkpoint(tmp_path / n / "last.pt") for n in ("cut", "whole"))
    assert differences(*state) == []


def test_a_finished_run_is_loaded_not_trained_again(tmp_path, capsys):
    run_in(tmp_path)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""  # quiet means quiet
    before = (tmp_path / "last.pt").stat().st_mtime_ns
    train(SMALL, SCENES, SPLIT, folder=tmp_path)
    assert "loaded" in capsys.readouterr().out
    assert (tmp_path / "last.pt").stat().st_mtime_ns == before


@pytest.mark.parametrize("at", [2, 3, 4])
def test_a_full_disk_ends_no_training_and_spoils_no_file(
    at, tmp_path, monkeypatch, capsys
):
    """Whichever checkpoint the write fails at, after some bytes: the others stay."""
    real, calls = torch.save, []

    def full(state: object, path: Path) -> None:
        calls.append(path)
        if len(calls) == at:
            Path(path).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        real(state, path)

    monkeypatch.setattr(checkpoint_module.torch, "save", full)
    run = run_in(tmp_path, verbose=True)
    assert "the disk is full" in capsys.readouterr().out
    assert run.facts["steps"] == 12
    assert load_checkpoint(tmp_path / "last.pt")["step"] == 12
    assert load_checkpoint(tmp_path / "previous.pt")["step"] in (4, 8)
    assert not list(tmp_path.glob("*.tmp")) + list(tmp_path.glob(".*.tmp"))


def test_a_disk_that_cannot_be_written_is_told_in_words(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WorkshopError, match="cannot write"):
        run_in(tmp_path / "file" / "run")


@pytest.mark.parametrize("error", ["cpu", "cuda", "python"])
def test_out_of_memory_is_one_message_that_names_what_helps(
    error, tmp_path, monkeypatch
):
    def hungry(self: Trainer) -> None:
        if error == "cpu":
            torch.empty(1 << 60, dtype=torch.uint8)  # a CPU raises a RuntimeError
        raise torch.OutOfMemoryError("CUDA") if error == "cuda" else MemoryError

    monkeypatch.setattr(Trainer, "step", hungry)
    with pytest.raises(WorkshopError, match="memory") as told:
        run_in(tmp_path)
    for words in ("checkpointing", "micro_batch", "workshop budget"):
        assert words in str(told.value)


def test_other_errors_are_not_taken_for_it(tmp_path, monkeypatch):
    def broken(self: Trainer) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(Trainer, "step", broken)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        run_in(tmp_path)


def test_killed_after_the_last_checkpoint_the_log_is_still_whole(tmp_path):
    run = run_in(tmp_path)
    (tmp_path / "run.json").unlink()
    path = tmp_path / "log.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    pd.testing.assert_frame_equal(run_in(tmp_path).log, run.log)


def test_damaged_unfinished_and_old_folders_are_told(tmp_path):
    with pytest.raises(WorkshopError, match="no finished run|has no config.json"):
        Run.load(tmp_path)
    run = run_in(tmp_path / "run", SMALL.replace(steps=2))
    for name in ("config.json", "run.json", "log.csv"):
        path = run.folder / name
        content = path.read_text()
        path.write_text("" if name == "log.csv" else '{"cut')
        with pytest.raises(WorkshopError, match="restore|Restore"):
            Run.load(run.folder)
        path.write_text(content)
    (tmp_path / "recipe.json").write_text("{}")
    for look in (Run.load, run_in):
        with pytest.raises(WorkshopError, match="version 0.1"):
            look(tmp_path)


def test_facts_are_plain_json_and_every_network_opens_again(tmp_path):
    trainer = Trainer(SMALL, SCENES, SPLIT, CPU)
    start = {k: v.clone() for k, v in trainer.model.state_dict().items()}
    run = run_in(tmp_path)
    assert json.loads((tmp_path / "run.json").read_text()) == run.facts
    initial, normalize = run.load_model("initial")
    assert not initial.training
    for name, value in initial.state_dict().items():
        if "heads" not in name or "score" in name:  # what `fit` sets comes later
            assert torch.equal(value, start[name]), name
    online, _ = run.load_model("last", "online")
    averaged, other = run.load_model("last", "ema")
    for key, value in normalize.state_dict().items():
        assert torch.equal(value, other.state_dict()[key])
    for model in (online, averaged):
        pairs = zip(model.parameters(), initial.parameters(), strict=True)
        assert any(not torch.equal(a, b) for a, b in pairs)
    pairs = zip(online.parameters(), averaged.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)
    with pytest.raises(WorkshopError, match="'initial'"):
        run.load_model("inital")
    with pytest.raises(WorkshopError, match="'online'"):
        run.load_model("last", "onlin")


def test_one_line_per_validation_without_a_terminal(tmp_path, capsys, monkeypatch):
    train(SMALL, SCENES, SPLIT, folder=tmp_path / "a")
    lines = [x for x in capsys.readouterr().out.splitlines() if x.startswith("step")]
    assert len(lines) == 3
    assert "mask" in lines[0] and "val_accuracy" in lines[0]
    # and one every 30 s between them
    monkeypatch.setattr(log, "PLAIN_LINE_EVERY", 0.0)
    train(SMALL, SCENES, SPLIT, folder=tmp_path / "b")
    said = capsys.readouterr().out
    assert "fixmatch 1/12 steps" in said and "s left" in said


def test_a_bar_only_in_a_terminal_or_notebook(monkeypatch, capsys):
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(log.sys.stderr, "isatty", lambda: True, raising=False)
    assert log.is_interactive()
    bar = log.Progress(total=10, start=0, label="fixmatch")
    bar.tick(10)
    bar.bar.refresh()
    bar.close()
    assert "fixmatch" in capsys.readouterr().err
    monkeypatch.setenv("CI", "true")
    assert not log.is_interactive()


def test_means_are_over_the_steps_since_the_last_row():
    means = log.RunningMeans()
    for loss in (1.0, 3.0):
        means.add({"loss": torch.tensor(loss)})
    other = log.RunningMeans()
    other.load_state_dict(means.state_dict())
    assert means.flush() == other.flush() == {"loss": 2.0}
    means.add({"loss": torch.tensor(5.0)})
    assert means.flush() == {"loss": 5.0}


def test_default_folders_tell_configs_and_splits_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    other = Split.random(SCENES, labels_per_class=3, seed=2)
    tries = [(SMALL, SPLIT), (SMALL.replace(lr=0.5), SPLIT), (SMALL, other)]
    places = {
        default_folder(config, run_identity(config, SCENES, split))
        for config, split in tries
    }
    assert len(places) == 3


@pytest.mark.parametrize("target", ["scene", "cover", "elevation", "several"])
def test_unknown_targets_are_never_learnt(target):
    """Whatever stands for them: the same weights as if they were other unknowns."""
    heads = ("scene",) if target == "several" else (target,)
    encoder = "unet-4" if target == "cover" else "small_cnn"
    config = SMALL.replace(method="supervised", heads=heads, encoder=encoder)
    scenes = tiny(several=target == "several")
    trainer = Trainer(config, scenes, SPLIT, CPU)
    name, head = next(iter(trainer.heads.items()))
    targets = trainer.inputs.targets[name]
    unknown = {"scene": -1, "cover": 255, "elevation": torch.nan, "several": torch.nan}
    targets[SPLIT.labeled[:3]] = unknown[target]
    (view,), found = trainer.views.labeled(SPLIT.labeled, trainer.generator)
    out = trainer.model(view)[name]
    loss = head.supervised_loss(out, found[name])
    (slope,) = torch.autograd.grad(loss, out)
    assert loss.isfinite() and not slope[:3].any() and slope[3:].any()
    assert loss.item() == pytest.approx(
        head.supervised_loss(out[3:], found[name][3:]).item(), rel=1e-5
    )
