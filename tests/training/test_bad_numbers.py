"""A loss that goes wrong stops the training in words; nothing bad is ever saved."""

import math
import signal
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.methods import METHODS, fixmatch
from workshop_lib.recipe import Recipe
from workshop_lib.training.bad_numbers import (
    EXPLODED,
    BadStep,
    NumberWatch,
    not_finite,
    why_bad,
)
from workshop_lib.training.checkpoint import load_checkpoint
from workshop_lib.training.loop import train
from workshop_lib.training.trainer import Trainer

CPU = torch.device("cpu")
SMALL = Recipe(
    size=8,
    steps=16,
    eval_every=4,
    batch_size=4,
    mu=2,
    warmup_steps=1,
    threshold=0.4,
    queue_batches=2,
    precision="fp32",
)
SEVERAL = ["supervised", "mean_teacher", "fixmatch", "comatch", "ccssl"]


@pytest.fixture
def scenes() -> Scenes:
    """Three classes of bright, dark and striped noise; new ones, they get broken."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(45) % 3
    images = torch.rand(45, 4, 8, 8, generator=generator) / 2
    images += 0.3 * (labels == 1).view(-1, 1, 1, 1)
    images[labels == 2, :, ::2] += 0.4
    return Scenes(
        images=images,
        labels=labels,
        class_names=("dark", "bright", "striped"),
        names=tuple(f"image{k:02d}" for k in range(45)),
        bands=("B02", "B03", "B04", "B08"),
    )


@pytest.fixture
def split(scenes: Scenes) -> Split:
    return Split.random(scenes, labels_per_class=2, seed=0)


def before_step(monkeypatch, step: int, act) -> None:
    """Let `act(trainer)` happen right before a step, counted from 1."""
    real = Trainer.step

    def stepping(self: Trainer) -> None:
        if self.steps_done == step - 1:
            act(self)
        real(self)

    monkeypatch.setattr(Trainer, "step", stepping)


def good_weights(path) -> bool:
    state = load_checkpoint(path)
    return not not_finite([*state["model"].values(), *state["ema"]["model"].values()])


@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
@pytest.mark.parametrize("method", SEVERAL)
def test_a_nan_in_the_images_is_told_and_spoils_no_checkpoint(
    method, late, scenes, split, tmp_path, monkeypatch
):
    """As `late` as on a GPU: two steps later, when a checkpoint is due."""
    before_step(monkeypatch, 10, lambda t: t.views.inputs[0].fill_(math.nan))
    if late:
        monkeypatch.setattr(NumberWatch, "suspects", lambda self, step: False)
    with pytest.raises(WorkshopError) as told:
        train(SMALL.with_(method=method), scenes, split, folder=tmp_path, verbose=False)
    words = str(told.value)
    assert "became NaN or infinite in step 10 of 16" in words
    assert words.startswith("loss_x")
    assert "learning rate 0.00" in words
    assert "45 of the images (image00, image01" in words
    assert "last.pt of step 8, from before, is kept" in words
    assert load_checkpoint(tmp_path / "last.pt")["step"] == 8
    assert load_checkpoint(tmp_path / "previous.pt")["step"] == 4
    assert all(good_weights(path) for path in tmp_path.glob("*.pt"))
    assert not (tmp_path / "run.json").exists()


def test_the_one_broken_image_is_named(scenes, split, tmp_path, monkeypatch):
    broken = int(split.labeled[2])
    act = lambda t: t.views.inputs[0][broken, 1, 3, 3].fill_(math.inf)  # noqa: E731
    before_step(monkeypatch, 2, act)
    with pytest.raises(WorkshopError, match=rf"1 of the images \(image{broken:02d}\)"):
        train(SMALL, scenes, split, folder=tmp_path, verbose=False)


@pytest.mark.parametrize("method", SEVERAL)
def test_a_learning_rate_that_is_far_too_high_is_told(method, scenes, split, tmp_path):
    recipe = SMALL.with_(method=method, optimizer="sgd", lr=1e4)
    with pytest.raises(WorkshopError, match="lower lr") as told:
        train(recipe, scenes, split, folder=tmp_path, verbose=False)
    assert "now 10000; try 1000" in str(told.value)
    assert "No checkpoint had been written" in str(told.value)


def test_a_part_that_is_nan_is_named_alone(scenes, split, tmp_path, monkeypatch):
    real, calls = fixmatch.consistency_loss, []

    def sometimes_nan(*arguments: Tensor) -> Tensor:
        calls.append(1)
        return real(*arguments) * (math.nan if len(calls) == 7 else 1)

    monkeypatch.setattr(fixmatch, "consistency_loss", sometimes_nan)
    with pytest.raises(WorkshopError, match="^loss_u became NaN .* in step 7 of"):
        train(SMALL, scenes, split, folder=tmp_path, verbose=False)


def test_weights_that_break_after_a_sound_loss_are_not_saved(
    scenes, split, tmp_path, monkeypatch
):
    real = Trainer.step

    def step(self: Trainer) -> None:
        real(self)
        if self.steps_done == 8:
            with torch.no_grad():
                next(self.model.parameters())[0, 0] = math.inf

    monkeypatch.setattr(Trainer, "step", step)
    with pytest.raises(WorkshopError, match="after step 8 the weights"):
        train(SMALL, scenes, split, folder=tmp_path, verbose=False)
    assert load_checkpoint(tmp_path / "last.pt")["step"] == 4


def test_ctrl_c_saves_no_bad_weights(scenes, split, tmp_path, monkeypatch):
    def break_and_stop(trainer: Trainer) -> None:
        trainer.views.inputs[0].fill_(math.nan)
        signal.raise_signal(signal.SIGINT)

    before_step(monkeypatch, 7, break_and_stop)
    monkeypatch.setattr(NumberWatch, "suspects", lambda self, step: False)
    with pytest.raises(WorkshopError, match="in step 7 of 16"):
        train(SMALL, scenes, split, folder=tmp_path, verbose=False)
    assert load_checkpoint(tmp_path / "last.pt")["step"] == 4


@pytest.mark.parametrize("always", [False, True])
def test_fp16_may_skip_a_step_but_not_every_step(always, scenes, split, tmp_path):
    """Gradients without a number: the scaler skips the step and halves the scale."""
    recipe = SMALL.with_(precision="fp16", steps=30, eval_every=30)
    trainer = Trainer(recipe, scenes, split, CPU)
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
        assert "no gradient was finite in fp16" in (trainer.bad_numbers() or "")
    else:
        assert trainer.bad_numbers() is None
        assert not torch.equal(weight, before)


numbers = st.one_of(
    st.floats(-900, 900),
    st.sampled_from([math.nan, math.inf, -math.inf, 2 * EXPLODED, -2 * EXPLODED]),
)
steps = st.lists(st.tuples(numbers, numbers, numbers), max_size=8)


def went_wrong(total: float, part: float) -> bool:
    return not (math.isfinite(total) and math.isfinite(part) and abs(part) <= EXPLODED)


@given(steps)
def test_the_watch_finds_what_a_loop_finds(rows):
    watch, expected = NumberWatch(CPU), None
    for step, (total, part, rate) in enumerate(rows, start=1):
        values = {"loss": total, "loss_u": part, "mask_rate": rate}
        watch.add(step, {name: torch.tensor(v) for name, v in values.items()})
        if expected is None and went_wrong(total, part):
            expected = (step, total, part)
        assert watch.suspects(step) == (expected is not None)
    found = watch.find()
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert found.step == expected[0]
        ours = torch.tensor([found.losses["loss"], found.losses["loss_u"]])
        torch.testing.assert_close(ours, torch.tensor(expected[1:]), equal_nan=True)


def test_steps_with_other_parts_are_kept_apart():
    """The first steps may learn propagated labels, and have other parts then."""
    watch = NumberWatch(CPU)
    watch.add(1, {"loss": torch.tensor(1.0), "loss_x": torch.tensor(1.0)})
    watch.add(2, {"loss": torch.tensor(1.0), "loss_c": torch.tensor(math.nan)})
    watch.add(3, {"loss": torch.tensor(math.nan), "loss_x": torch.tensor(1.0)})
    found = watch.find()
    assert found is not None
    assert (found.step, found.culprits) == (2, ["loss_c"])


def test_a_large_weight_is_no_explosion():
    """lambda_u = 1e6 on a part of 0.5 that is still rising: unusual, but learning."""
    watch = NumberWatch(CPU)
    for step in range(1, 100):
        part = torch.tensor(0.5)
        watch.add(step, {"loss": 1e4 * step * part, "loss_u": part})
    assert watch.find() is None


def test_a_method_without_parts_is_watched_by_its_total():
    watch = NumberWatch(CPU)
    watch.add(1, {"loss": torch.tensor(2 * EXPLODED)})
    assert watch.find() == BadStep(1, {"loss": 2 * EXPLODED})


@pytest.mark.parametrize(
    ("knobs", "losses", "words"),
    [
        ({"temperature": 1e-30}, {"loss_u": math.nan}, "temperature=1e-30: raise it"),
        ({"temperature": 1e-30}, {"loss_x": math.nan}, "steps are too large"),
        ({"temperature": 1e-30}, {"loss_u": 1e9}, "steps are too large"),
        ({"contrast_temperature": 1e-9}, {"loss_c": math.inf}, "contrast_temperature"),
        ({"precision": "fp16"}, {"loss_x": math.inf}, "no numbers above 65,504"),
        ({"precision": "bf16"}, {"loss_x": math.inf}, "steps are too large"),
        ({"lr": 3.0}, {"loss_x": 1e9}, r"lower lr \(now 3; try 0.3\)"),
    ],
)
def test_the_hint_fits_the_cause(knobs, losses, words):
    bad = BadStep(3, {"loss": losses.get("loss_x", math.nan), **losses})
    images = [torch.zeros(2, 3, 8, 8)]
    told = why_bad(bad, SMALL.with_(**knobs), images, ("a", "b"))
    with pytest.raises(ValueError, match=words):
        raise ValueError(told)


def test_the_learning_rate_told_is_that_of_the_bad_step(scenes, split):
    trainer = Trainer(SMALL.with_(warmup_steps=5), scenes, split, CPU)
    for step in range(1, 9):
        trainer.step()
        told = why_bad(
            BadStep(step, {"loss": math.nan}), trainer.recipe, [], scenes.names
        )
        used = trainer.optimizer.param_groups[0]["lr"]
        assert f"learning rate {used:.3g})" in told


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


def test_readings_are_noticed():
    values = torch.rand(4)
    reading = [
        lambda: values.sum().item(),
        lambda: bool(values.sum() > 0),
        lambda: values.tolist() and float(values[0]),
        lambda: values[values > 0.5],
        lambda: torch.nonzero(values),
    ]
    for read in reading:
        with Readings() as readings:
            read()
        assert readings.found, read
    with Readings() as readings:
        torch.where(values > 0.5, values, 0).sum()
    assert not readings.found


@pytest.mark.parametrize("method", sorted(METHODS))
def test_no_step_reads_a_number_back(method, scenes, split, monkeypatch):
    trainer = Trainer(SMALL.with_(method=method), scenes, split, CPU)
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


@pytest.mark.gpu
def test_the_watch_makes_no_gpu_wait():
    device = torch.device("cuda")
    watch = NumberWatch(device)
    fine, bad = torch.ones((), device=device), torch.full((), math.nan, device=device)
    watch.add(1, {"loss": fine, "loss_x": fine})
    watch.suspects(50)  # the first time memory is pinned
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in range(51, 149):
            value = bad if step == 77 else fine
            watch.add(step, {"loss": fine, "loss_x": value})
            watch.suspects(step)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.cuda.synchronize()
    watch.suspects(150)
    torch.cuda.synchronize()
    assert watch.suspects(200)
    found = watch.find()
    assert found is not None and found.step == 77
