"""The speed benchmark: a reference that does the real work, and honest book-keeping."""

import copy
import itertools
import shutil
import sys
import time

import pandas as pd
import pytest
import torch
from torch import nn

from benchmarks import speed, timing
from benchmarks.dataloader_baseline import POLICIES, UsualTraining, usual_loader
from benchmarks.page import run_command
from benchmarks.timing import SubprocessTimer
from workshop_lib.losses import fixmatch_loss
from workshop_lib.models import HeadSpec, build_model
from workshop_lib.models.model import ema_update_weights_

PAGE = speed.DOCS
TINY = speed.CONFIG.replace(
    encoder="wrn-10-1", size=16, batch_size=2, mu=2, precision="fp32", warmup_steps=0
)


def tiny_model() -> nn.Module:
    heads = {"scene": HeadSpec("categorical", 10)}
    return build_model("wrn-10-1", {"rgb": 3}, heads)


@pytest.mark.parametrize("name", POLICIES)
def test_the_reference_makes_normalised_views_without_end(name):
    scenes, _ = speed.noise(16, 5)
    loader = usual_loader(scenes.images, scenes.labels, (name, name), 2)
    batches = list(itertools.islice(loader, 4))  # of an epoch of two
    for views, labels in batches:
        assert labels.shape == (2,)
        assert [view.shape for view in views] == [(2, 3, 16, 16)] * 2
        assert all(view.isfinite().all() for view in views)
    assert not torch.equal(*batches[0][0])
    assert min(float(views[0].min()) for views, _ in batches) < 0


def test_a_step_of_the_reference_is_a_step_of_fixmatch(monkeypatch):
    torch.manual_seed(0)
    scenes, _ = speed.noise(16, 8)
    model = tiny_model()
    usual = UsualTraining(model, scenes.images, scenes.labels, 2, 2)
    (x,), y = next(usual.labeled)
    (weak, strong), truth = next(usual.unlabeled)
    usual.labeled = iter([([x], y)])
    usual.unlabeled = iter([([weak, strong], truth)])
    with torch.no_grad():  # one forward over all views, as in the paper
        twin = copy.deepcopy(model)
        logits = twin({"rgb": torch.cat([x, weak, strong])})["scene"]
    expected = fixmatch_loss(logits[:2], y, logits[2:6], logits[6:], threshold=0.95)
    average, start = copy.deepcopy(usual.average), copy.deepcopy(model)
    usual.step()
    assert usual.meters["loss"] == pytest.approx(float(expected.total), rel=1e-5)
    assert any(
        not torch.equal(old, new)
        for old, new in zip(start.parameters(), model.parameters(), strict=True)
    )
    ema_update_weights_(average, model, 0.999)
    torch.testing.assert_close(usual.average.state_dict(), average.state_dict())


def test_competitors_take_turns_and_the_first_turn_does_not_count(monkeypatch):
    turns: list[str] = []
    now = [0.0]
    monkeypatch.setitem(timing.CLOCKS, "wall", lambda: now[0])

    def work(name: str, seconds: list[float]):
        left = iter(seconds)

        def run() -> None:
            turns.append(name)
            now[0] += next(left)

        return speed.timed(run)

    found = timing.compare(
        {"a": work("a", [100, 3, 1, 8]), "b": work("b", [100, 5, 6, 7])}, seconds=0
    )
    assert turns == ["a", "b"] * 4
    assert found.to_dict("list") == {"a": [3, 1, 8], "b": [5, 6, 7]}


def _napping(seconds: float):
    return lambda: time.sleep(seconds)


@pytest.mark.slow
def test_work_in_a_process_of_its_own_is_timed_there():
    with SubprocessTimer() as wall, SubprocessTimer("processor") as processor:
        assert wall.start(_napping, 0.5)() >= 0.5
        assert processor.start(_napping, 0.5)() < 0.5  # asleep
        long, short = (wall.start(_napping, seconds) for seconds in (0.5, 0.0))
        assert short() < long()


def test_shares_of_a_step_add_up_and_the_clocks_are_taken_away():
    trainer = speed.trainer_of(TINY)
    parts = timing.shares_of_step(trainer, steps=2)
    assert set(parts) == set(timing.PARTS)
    assert sum(parts.values()) == pytest.approx(1)
    assert all(0 < part < 1 for part in parts.values())
    assert trainer.steps_done == 3
    assert "draw_batch" not in vars(trainer)
    assert torch.Tensor.backward.__name__ == "backward"


def test_the_table_has_medians_then_minima():
    usual, ours = pd.Series([0.957, 0.893, 0.999]), pd.Series([0.0379, 0.4, 0.0331])
    line = "| step | 32 | bf16 | 957 | 37.9 | 25.3 | 893 | 33.1 | **27.0** |"
    assert line in speed.table([speed.Row("step", 32, "bf16", usual, ours)])


@pytest.mark.slow
def test_a_busy_neighbour_is_measured_with_each_way_to_wait():
    lines = speed.table_of_waiting(TINY, seconds=0).splitlines()[2:]
    assert [line.split(" | ")[0] for line in lines] == [f"| {w}" for w in speed.WAITING]
    assert not any(" 0 " in line for line in lines)


@pytest.mark.slow
def test_the_command_writes_results_and_page(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(speed, "CONFIG", TINY)
    monkeypatch.setattr(speed, "DOCS", tmp_path / "speed.md")
    shutil.copy(PAGE, tmp_path)
    threads = torch.get_num_threads()
    flags = ["--seconds", "0", "--sizes", "16", "--view-sizes", "16", "--write-docs"]
    flags += ["--cpu-time"]
    monkeypatch.setattr(sys, "argv", ["speed", *flags])
    try:
        run_command(speed.main, "")
    finally:
        torch.set_num_threads(threads)
    printed = capsys.readouterr().out
    text = (tmp_path / "speed.md").read_text(encoding="utf-8")
    steps = ("fixmatch_step", "fixmatch_step_fp32", "fixmatch_step_same_memory")
    for name in (*steps, *(f"augment_{one}" for one in (*POLICIES, "strong_n1"))):
        assert f"| {name} | 16 |" in text and f"| {name} | 16 |" in printed
    assert "one thread" in text and "clock: processor" in printed
