"""Memory that runs out in the middle of a step: put back, taken again, told."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from workshop_lib.data.mini_eo import mini_eo
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.errors import WorkshopError
from workshop_lib.methods import METHODS
from workshop_lib.models.predict import predict
from workshop_lib.models.small_cnn import SmallCNN
from workshop_lib.recipe import Recipe
from workshop_lib.training.loop import train
from workshop_lib.training.trainer import Trainer

CPU = torch.device("cpu")
SMALL = Recipe(
    size=16, labels_per_class=2, batch_size=4, mu=2, steps=4, eval_every=2,
    warmup_steps=1, threshold=0.11, queue_batches=2, precision="fp32",
)  # fmt: skip
# What torch says on a CPU, word for word
TEXT = (
    "[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory:"
    " you tried to allocate 411041792 bytes. Error code 12 (Cannot allocate memory)"
)


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    whole = mini_eo(count=60)
    small = nn.functional.avg_pool2d(whole.images, 2)
    return replace(whole, images=small, masks=None, modalities={})


@pytest.fixture(scope="module")
def split(scenes: Scenes) -> Split:
    return Split.random(scenes, labels_per_class=2, seed=0)


class FullAt:
    """A memory that is full when the k-th backward pass has just ended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.fail_at = -1
        backward = Tensor.backward

        def once(tensor: Tensor, *args: object, **kwargs: object) -> None:
            backward(tensor, *args, **kwargs)  # all has happened that can
            self.calls += 1
            if self.calls == self.fail_at:
                raise RuntimeError(TEXT)

        monkeypatch.setattr(Tensor, "backward", once)


def same(a: object, b: object) -> bool:
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return all(same(x, y) for x, y in zip(a, b, strict=True))  # type: ignore[arg-type]
    return a == b


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_step_taken_again_gives_the_same_numbers(
    name: str, scenes: Scenes, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batch statistics, queues, averages, random numbers: as if nothing had been."""
    recipe = SMALL.with_(method=name)
    full = FullAt(monkeypatch)
    calm, tried = (Trainer(recipe, scenes, split, CPU) for _ in range(2))
    for _ in range(3):
        calm.step()
    full.calls, full.fail_at = 0, 2
    for _ in range(3):
        tried.step()
    assert full.calls == 4  # one more than steps
    assert [e["step"] for e in tried.thrift.events] == [2]
    ours, theirs = tried.state_dict(), calm.state_dict()
    assert (
        ours.pop("thrift")["checkpointing"]
        and not theirs.pop("thrift")["out_of_memory"]
    )
    assert same(ours, theirs)


def full_above(monkeypatch: pytest.MonkeyPatch, images: int) -> list[int]:
    """Let a trunk fail that is given more images with gradient than this."""
    seen: list[int] = []
    forward = nn.Sequential.forward

    def limited(self: nn.Sequential, x: Tensor) -> Tensor:
        if x.ndim == 4 and torch.is_grad_enabled():
            seen.append(len(x))
            if len(x) > images:
                raise RuntimeError(TEXT)
        return forward(self, x)

    monkeypatch.setattr(nn.Sequential, "forward", limited)
    return seen


def test_a_run_goes_down_the_ladder_says_so_and_remembers(
    scenes: Scenes,
    split: Split,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    full_above(monkeypatch, 4)  # of 12 with gradient
    run = train(SMALL, scenes, split, folder=tmp_path)
    told = capsys.readouterr().out
    assert "out of memory in step 1: taken again, with activation checkpointing" in told
    assert "micro-batches of 6 of its 12 images" in told
    assert "micro-batches of 3 of its 12 images" in told
    facts = json.loads((tmp_path / "run.json").read_text())
    assert facts["checkpointing"] is True and facts["micro_batch"] == 3
    assert [e["micro_batch"] for e in facts["out_of_memory"]] == [0, 6, 3]
    assert run.facts["steps"] == 4

    (tmp_path / "run.json").unlink()
    trainer = Trainer(SMALL, scenes, split, CPU)
    trainer.load_state_dict(torch.load(tmp_path / "last.pt", weights_only=True))
    assert (trainer.thrift.checkpointing, trainer.thrift.micro_batch) == (True, 3)
    assert isinstance(trainer.model, SmallCNN) and trainer.model.micro_batch == 3
    assert trainer.ema.model.micro_batch == 3
    trainer.step()
    assert trainer.thrift.news() == []  # it does not have to learn it anew


def test_where_nothing_is_left_it_ends_in_words(
    scenes: Scenes, split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_above(monkeypatch, 1)
    with pytest.raises(WorkshopError, match="out of memory .* `workshop budget`"):
        train(SMALL, scenes, split, folder=tmp_path, verbose=False)


def test_other_errors_are_not_taken_for_it(
    scenes: Scenes, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(SMALL, scenes, split, CPU)

    def broken() -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(trainer, "_gradient", broken)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        trainer.step()
    assert trainer.thrift.events == []


def test_looking_at_images_takes_fewer_at_a_time(
    scenes: Scenes, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(SMALL, scenes, split, CPU)
    whole = predict(trainer.model, trainer.normalize, scenes.images)
    forward, seen = SmallCNN.forward, []

    def limited(self: SmallCNN, x: Tensor) -> object:
        seen.append(len(x))
        if len(x) > 20:
            raise RuntimeError(TEXT)
        return forward(self, x)

    monkeypatch.setattr(SmallCNN, "forward", limited)
    parts = predict(trainer.model, trainer.normalize, scenes.images, batch_size=60)
    torch.testing.assert_close(parts, whole)
    assert seen[:3] == [60, 30, 15]


SCRIPT = """
import os, resource, sys
import torch
torch.set_num_threads(1)
# Plain convolutions: oneDNN itself may crash where it cannot get its workspace.
torch.backends.mkldnn.enabled = False
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.split import Split
from workshop_lib.recipe import Recipe
from workshop_lib.session import tune_allocator
from workshop_lib.training.trainer import Trainer

def mapped():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")

images = torch.randint(0, 256, (64, 3, 96, 96), dtype=torch.uint8)
scenes = Scenes(images=images, labels=torch.arange(64) % 4,
                class_names=tuple("abcd"), names=tuple(map(str, range(64))),
                bands=("red", "green", "blue"))
every = torch.arange(64)
split = Split(labeled=every, unlabeled=every, val=every, test=every[:0])
recipe = Recipe(model="wrn-10-1", size=96, batch_size=8, mu=3, precision="fp32",
                method="supervised", steps=4, warmup_steps=0)
trainer = Trainer(recipe.with_(batch_size=2), scenes, split, torch.device("cpu"))
trainer.step()  # libraries are loaded, threads have started
limit = mapped() + int(sys.argv[1]) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
tune_allocator()  # as `train` does
trainer = Trainer(recipe.with_(batch_size=48), scenes, split, torch.device("cpu"))
trainer.step()
print(trainer.thrift.news(), trainer.thrift.facts())
assert trainer.steps_done == 1 and trainer.thrift.events
"""


@pytest.mark.slow
@pytest.mark.parametrize("room", [110, 150, 190])  # MB; a step takes about 250
def test_in_an_address_space_that_is_too_small_a_step_is_taken_all_the_same(
    room: int,
) -> None:
    # Memory that a failed step left in small pieces once made a smaller step fail
    # where a larger one had passed: so several sizes.
    pytest.importorskip("resource", reason="address space is limited on Unix")
    command = [sys.executable, "-c", SCRIPT, str(room)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "out of memory in step 1" in done.stdout
