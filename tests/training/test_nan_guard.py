"""A loss that goes wrong stops the training in words; nothing bad is ever saved."""

import math
import re
import signal
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from tests.training.tiny import (
    before_step,
    parts,
    quietly,
    short,
    tiny,
    with_known,
)
from workshop_lib.config import Config
from workshop_lib.errors import WorkshopError
from workshop_lib.methods import METHODS, FixMatch
from workshop_lib.training.checkpoint import load_checkpoint
from workshop_lib.training.log import EXPLODED, DivergenceMonitor, nonfinite
from workshop_lib.training.trainer import Trainer

CPU = torch.device("cpu")
SMALL = short(steps=16, eval_every=4, warmup_steps=1, threshold=0.4)
SEVERAL = ["supervised", "mean_teacher", "fixmatch", "comatch", "ccssl"]


def trainer_of(config: Config) -> Trainer:
    """Make a trainer on new images: they get broken."""
    scenes = tiny()
    return Trainer(config, scenes, parts(scenes), CPU)


def good_weights(path) -> bool:
    state = load_checkpoint(path)
    return not nonfinite([*state["model"].values(), *state["ema"]["model"].values()])


@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
@pytest.mark.parametrize("method", SEVERAL)
def test_images_that_become_infinite_are_told_and_spoil_no_checkpoint(
    method, late, tmp_path, monkeypatch
):
    """As `late` as on a GPU: two steps later, when a checkpoint is due."""
    before_step(monkeypatch, 10, lambda t: t.inputs.sensors["s2"].fill_(math.inf))
    if late:
        monkeypatch.setattr(DivergenceMonitor, "suspects", lambda self, step: False)
    with pytest.raises(WorkshopError) as told:
        quietly(tmp_path, SMALL.replace(method=method))
    words = str(told.value)
    assert "became NaN or infinite in step 10 of 16" in words
    assert words.startswith("supervised")
    assert "learning rate 0.00" in words
    assert "last.pt of step 8, from before, is kept" in words
    assert load_checkpoint(tmp_path / "last.pt")["step"] == 8
    assert load_checkpoint(tmp_path / "previous.pt")["step"] == 4
    assert all(good_weights(path) for path in tmp_path.glob("*.pt"))
    assert not (tmp_path / "run.json").exists()


@pytest.mark.parametrize("method", SEVERAL)
def test_a_learning_rate_that_is_far_too_high_is_told(method, tmp_path):
    recipe = SMALL.replace(method=method, optimizer="sgd", lr=1e4)
    with pytest.raises(WorkshopError, match="lower lr") as told:
        quietly(tmp_path, recipe)
    assert "now 10000; try 1000" in str(told.value)
    assert "No checkpoint had been written" in str(told.value)


def test_a_term_that_is_nan_is_named_alone(tmp_path, monkeypatch):
    real, calls = FixMatch.losses, []

    def sometimes_nan(self, model, batch):
        calls.append(1)
        for name, term in real(self, model, batch):
            bad = len(calls) == 7 and name.endswith("unsupervised")
            yield name, term * (math.nan if bad else 1)

    monkeypatch.setattr(FixMatch, "losses", sometimes_nan)
    with pytest.raises(WorkshopError, match="unsupervised became NaN .* in step 7 of"):
        quietly(tmp_path, SMALL)


def test_weights_that_break_after_a_sound_loss_are_not_saved(tmp_path, monkeypatch):
    real = Trainer.step

    def step(self: Trainer) -> None:
        real(self)
        if self.steps_done == 8:
            with torch.no_grad():
                next(self.model.parameters())[0, 0] = math.inf

    monkeypatch.setattr(Trainer, "step", step)
    with pytest.raises(WorkshopError, match="after step 8 the weights"):
        quietly(tmp_path, SMALL)
    assert load_checkpoint(tmp_path / "last.pt")["step"] == 4


def test_ctrl_c_saves_no_bad_weights(tmp_path, monkeypatch):
    def break_and_stop(trainer: Trainer) -> None:
        trainer.inputs.sensors["s2"].fill_(math.inf)
        signal.raise_signal(signal.SIGINT)

    before_step(monkeypatch, 7, break_and_stop)
    monkeypatch.setattr(DivergenceMonitor, "suspects", lambda self, step: False)
    with pytest.raises(WorkshopError, match="in step 7 of 16"):
        quietly(tmp_path, SMALL)
    assert load_checkpoint(tmp_path / "last.pt")["step"] == 4


@pytest.mark.parametrize("always", [False, True])
def test_fp16_may_skip_a_step_but_not_every_step(always):
    """Gradients without a number: the scaler skips the step and halves the scale."""
    recipe = SMALL.replace(precision="fp16", steps=30, eval_every=30)
    trainer = trainer_of(recipe)
    weight = next(trainer.model.parameters())
    handle = weight.register_hook(lambda gradient: gradient * math.inf)
    before = weight.detach().clone()
    for step in range(30):
        trainer.step()
        if step == 2:
            assert torch.equal(weight, before)
            if not always:
                handle.remove()
    if always:
        assert "no gradient was finite in fp16" in (trainer.diagnosis() or "")
    else:
        assert trainer.diagnosis() is None
        assert not torch.equal(weight, before)


numbers = st.one_of(
    st.floats(-900, 900),
    st.sampled_from([math.nan, math.inf, -math.inf, 2 * EXPLODED, -2 * EXPLODED]),
)


@given(st.lists(st.tuples(numbers, numbers), max_size=8))
def test_the_monitor_finds_what_a_loop_finds(rows):
    monitor, expected = DivergenceMonitor(CPU), None
    for step, row in enumerate(rows, start=1):
        names = ("loss", "unsupervised")
        values = dict(zip(names, map(torch.tensor, row), strict=True))
        monitor.add(step, values)
        if expected is None and any(not abs(v) <= EXPLODED for v in row):
            expected = (step, *row)
        assert monitor.suspects(step) == (expected is not None)
    found = monitor.find()
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        ours = torch.tensor([found[0], *found[1].values()])
        torch.testing.assert_close(ours, torch.tensor(expected), equal_nan=True)


def test_steps_with_other_terms_are_kept_apart():
    """The first steps may learn propagated labels, and have other terms then."""
    monitor, nan = DivergenceMonitor(CPU), torch.tensor(math.nan)
    monitor.add(1, {"loss": torch.tensor(1.0), "supervised": torch.tensor(1.0)})
    monitor.add(2, {"loss": torch.tensor(1.0), "contrast": nan})
    monitor.add(3, {"loss": nan, "supervised": torch.tensor(1.0)})
    found = monitor.find()
    assert found is not None and found[0] == 2
    assert math.isnan(found[1]["contrast"])


NAN, FAR = {"unsupervised": math.nan}, {"supervised": 1e9}


@pytest.mark.parametrize(
    ("changes", "losses", "words"),
    [
        ({"precision": "fp16"}, NAN, "no numbers above 65,504"),
        ({"precision": "bf16"}, NAN, "steps are too large"),
        ({"lr": 3.0}, FAR, r"lower lr \(now 3; try 0.3\)"),
    ],
)
def test_the_hint_fits_the_cause(changes, losses, words):
    monitor = DivergenceMonitor(CPU)
    losses = {"loss": sum(losses.values()), **losses}
    monitor.add(3, {name: torch.tensor(value) for name, value in losses.items()})
    told = monitor.diagnosis(3, SMALL.replace(**changes), [], 1.0)
    assert re.search(words, told), told


def test_the_learning_rate_told_is_that_of_the_bad_step():
    trainer = trainer_of(SMALL.replace(warmup_steps=5))
    for step in range(1, 9):
        trainer.step()
        trainer.monitor = DivergenceMonitor(CPU)
        trainer.monitor.add(step, {"loss": torch.tensor(math.nan)})
        used = trainer.optimizer.param_groups[0]["lr"]
        assert f"learning rate {used:.3g})" in (trainer.diagnosis() or "")


class Readings(TorchDispatchMode):
    """Count what makes a program wait for a GPU: numbers read back, counted masks."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        by_mask = name in ("index", "index_put", "index_put_") and any(
            t is not None and t.dtype in (torch.bool, torch.uint8) for t in args[1]
        )
        reads = name in ("_local_scalar_dense", "nonzero", "masked_select", "unique")
        # The optimiser's step counters stay on the CPU wherever the weights are.
        if (reads or by_mask) and not in_optimizer():
            self.found.append(name)
        return func(*args, **(kwargs or {}))


def in_optimizer() -> bool:
    frame = sys._getframe()
    while frame is not None:
        if "torch/optim/" in frame.f_code.co_filename.replace("\\", "/"):
            return True
        frame = frame.f_back
    return False


@pytest.mark.parametrize("method", METHODS)
def test_no_step_reads_a_number_back(method, monkeypatch):
    trainer = trainer_of(with_known(SMALL.replace(method=method)))
    trainer.step()
    # Drawn before: augmentation may look at its numbers where they are, on a CPU
    batch = trainer.draw_batch()
    monkeypatch.setattr(trainer, "draw_batch", lambda: batch)
    # On a CPU alone it looks whether the classes are in range
    as_one_hot = lambda y, K: (y[:, None] == torch.arange(K)).long()  # noqa: E731
    monkeypatch.setattr(F, "one_hot", as_one_hot)
    with Readings() as readings:
        trainer.step()
    assert readings.found == []


def test_a_gpu_is_asked_every_fifty_steps():
    monitor = DivergenceMonitor(CPU)
    monitor.add(1, {"loss": torch.tensor(math.nan)})
    monitor.device = torch.device("cuda")  # what it keeps stays where it is
    assert [step for step in range(51, 151) if monitor.suspects(step)] == [100, 150]
