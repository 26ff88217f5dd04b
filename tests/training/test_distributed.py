"""Two processes train what one trains; they stop together and none waits for ever."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import distributed, nn

from workshop_lib import ranks
from workshop_lib.errors import WorkshopError
from workshop_lib.methods import METHODS
from workshop_lib.ranks import (
    barrier,
    from_rank_zero,
    own_rows,
    process_group,
    rank_zero_first,
    stop_together,
)
from workshop_lib.training.checkpoint import load_checkpoint
from workshop_lib.training.step import (
    SyncedBatchNorm,
    average_gradients,
    synchronize_batch_norm,
)

ROOT = Path(__file__).parents[2]
SCRIPT = ("-m", "tests.training.rank_train")
without_gloo = not (distributed.is_available() and distributed.is_gloo_available())
no_signals = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
Start = Callable[..., list[subprocess.Popen[str]]]


def of_processes(test: Callable) -> Callable:
    """Mark a test that starts several processes which talk to one another."""
    needs = pytest.mark.skipif(without_gloo, reason="this torch has no gloo")
    return pytest.mark.slow(needs(test))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def start() -> Iterator[Start]:
    """Start as many processes as asked for; none outlives the test."""
    started: list[subprocess.Popen[str]] = []

    def begin(ranks, *command, only_rank=None, **more):
        own = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
        own |= {"WORLD_SIZE": str(ranks), "OMP_NUM_THREADS": "1"}
        if os.environ.get("CUDA_VISIBLE_DEVICES") is None:
            own["CUDA_VISIBLE_DEVICES"] = ""  # these tests are about CPUs
        new = [
            subprocess.Popen(
                [sys.executable, *map(str, command)],
                env={
                    **os.environ,
                    **own,
                    **(more if only_rank in (None, rank) else {}),
                    "RANK": str(rank),
                },
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in range(ranks)
        ]
        started.extend(new)
        return new

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 300
    while not ready():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def numbers(state: object, name: str = "") -> dict[str, torch.Tensor]:
    """Flatten a checkpoint to its tensors by name; random numbers left out."""
    if isinstance(state, torch.Tensor):
        return {name: state}
    if isinstance(state, list):
        state = dict(enumerate(state))
    if not isinstance(state, dict):
        return {}
    found: dict[str, torch.Tensor] = {}
    for key, value in state.items():
        found |= numbers(value, f"{name}.{key}")
    return found


def same(one: Path, many: Path, rtol: float = 1e-9) -> None:
    """Compare weights, averages, memories, optimiser and log of two runs."""
    a, b = (numbers(load_checkpoint(path / "last.pt")) for path in (one, many))
    assert a.keys() == b.keys()
    for name, value in a.items():
        torch.testing.assert_close(
            b[name], value, rtol=rtol, atol=1e-9, msg=f"{one.name}{name}"
        )
    logs = [pd.read_csv(path / "log.csv") for path in (one, many)]
    logs = [log.drop(columns=["seconds"]) for log in logs]
    # Validation is predicted in single precision, as everywhere
    pd.testing.assert_frame_equal(logs[0], logs[1], rtol=1e-5, atol=1e-6)
    means = ("loss", "supervised", "unsupervised", "mask", "pseudo")
    means += ("matched", "spread")
    exact = [c for c in logs[0] if c.startswith(means)]
    pd.testing.assert_frame_equal(logs[0][exact], logs[1][exact], rtol=1e-9, atol=1e-9)
    counts = [path / "pseudo_labels.csv" for path in (one, many)]
    assert counts[0].exists() == counts[1].exists()
    if counts[0].exists():
        tables = [pd.read_csv(path) for path in counts]
        pd.testing.assert_frame_equal(*tables, rtol=1e-9, atol=1e-9)


def finish(processes: list[subprocess.Popen[str]]) -> list[str]:
    """Wait for all, which must end well; return what they have printed."""
    outputs = [process.communicate(timeout=500) for process in processes]
    for process, (_, errors) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, errors
    return [said for said, _ in outputs]


@of_processes
def test_two_ranks_train_what_one_trains_with_every_method(tmp_path, start):
    alone = start(1, *SCRIPT, tmp_path / "one", 6, *METHODS)
    said = finish(start(2, *SCRIPT, tmp_path / "two", 6, *METHODS))
    finish(alone)
    for method in METHODS:
        same(tmp_path / "one" / method, tmp_path / "two" / method)
    assert said[0].count("/6  loss") == len(METHODS)
    assert said[1] == ""  # rank 0 alone prints


@of_processes
def test_two_ranks_learn_and_remember_what_one_does_with_the_whole_batch(
    tmp_path, start
):
    command = ("-m", "tests.methods.rank_steps", tmp_path)
    alone = start(1, *command)
    finish(start(2, *command)), finish(alone)
    one, *many = (torch.load(tmp_path / f"{name}.pt") for name in ("1-0", "2-0", "2-1"))
    assert list(one) == list(METHODS)
    for name, whole in one.items():
        for rank in many:
            assert rank[name].keys() == whole.keys()
            for key, value in whole.items():
                torch.testing.assert_close(
                    rank[name][key], value, rtol=1e-9, atol=1e-10, msg=f"{name}: {key}"
                )


@of_processes
def test_two_ranks_train_the_maps_that_one_trains(tmp_path, start):
    """Known pixels that are not equally many; CutMix stays within a rank's tiles."""
    config = {"heads": ["cover"], "encoder": "unet-2", "cutmix": 0.0}
    mask = {"mask_loss": "cross_entropy+dice", "class_weighting": 1.0}
    knobs = json.dumps({**config, **mask, "projection_dim": 0})
    names = ("supervised", "fixmatch", "freematch")
    alone = start(1, *SCRIPT, tmp_path / "one", 4, *names, KNOBS=knobs)
    finish(start(2, *SCRIPT, tmp_path / "two", 4, *names, KNOBS=knobs))
    finish(alone)
    for method in names:
        same(tmp_path / "one" / method, tmp_path / "two" / method)


@of_processes
def test_two_ranks_that_save_memory_train_the_same(tmp_path, start):
    """Layers computed a second time, whose statistics come from both ranks."""
    alone = start(1, *SCRIPT, tmp_path / "one", 6, "comatch")
    knobs = '{"checkpointing": true}'
    finish(start(2, *SCRIPT, tmp_path / "two", 6, "comatch", KNOBS=knobs))
    finish(alone)
    same(tmp_path / "one" / "comatch", tmp_path / "two" / "comatch")


@of_processes
@no_signals
def test_a_signal_to_one_rank_stops_all_and_they_go_on_as_if_nothing_was(
    tmp_path, start
):
    """SIGUSR1, as before a time limit; the whole is compared with one process."""
    command = (*SCRIPT, tmp_path / "cut", 40, "fixmatch")
    alone = start(1, *SCRIPT, tmp_path / "whole", 40, "fixmatch")
    for process in start(2, *command, only_rank=1, SIGNAL_AT="23"):
        _, errors = process.communicate(timeout=500)
        assert process.returncode != 0
        assert "stopped at step 30 of 40; the same command" in errors
    assert steps_in(tmp_path / "cut" / "fixmatch") == 30  # between two validations
    said, _ = finish(start(2, *command))
    assert "resuming from step 30" in said
    finish(alone)
    same(tmp_path / "whole" / "fixmatch", tmp_path / "cut" / "fixmatch")


def steps_in(folder: Path) -> int:
    return int(load_checkpoint(folder / "last.pt")["step"])


@of_processes
@no_signals
@pytest.mark.parametrize("victim", [0, 1])
def test_a_dead_rank_ends_the_others_with_a_message(tmp_path, start, victim):
    ranks = start(2, *SCRIPT, tmp_path, 10**6, "fixmatch")
    wait_until((tmp_path / "fixmatch" / "last.pt").exists, ranks[0])
    ranks[victim].kill()
    _, errors = ranks[1 - victim].communicate(timeout=120)
    assert ranks[1 - victim].returncode not in (0, None)
    assert "another process of this training has ended" in errors
    assert steps_in(tmp_path / "fixmatch") > 0


@of_processes
@no_signals
def test_a_rank_that_hangs_is_not_waited_for_for_ever(tmp_path, start):
    ranks = start(2, *SCRIPT, tmp_path, 10**6, "fixmatch", WORKSHOP_RANK_TIMEOUT="5")
    wait_until((tmp_path / "fixmatch" / "last.pt").exists, ranks[0])
    ranks[1].send_signal(signal.SIGSTOP)
    _, errors = ranks[0].communicate(timeout=120)
    assert "did not answer within 5 s" in errors


def test_alone_everything_is_as_it_was():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    with process_group(), rank_zero_first():
        synchronize_batch_norm(model)
        assert type(model[1]) is nn.BatchNorm2d
        average_gradients(model)
        barrier()
        assert from_rank_zero("x") == "x"
        assert stop_together(True, step=3) and not stop_together(False, step=10)
        rows = torch.arange(3)
        assert own_rows(rows) is rows


def test_without_an_address_it_says_how_to_start(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with (
        pytest.raises(WorkshopError, match=r"RANK, MASTER_ADDR.*torchrun --nproc"),
        process_group(),
    ):
        pytest.fail("went on without the others")


def test_each_rank_has_its_rows_and_all_together_have_all(monkeypatch):
    """Nothing is sent: the test says which of three ranks this is."""
    batch, parts = torch.arange(12).view(6, 2), []
    monkeypatch.setattr(ranks, "world_size", lambda: 3)
    for me in range(3):
        monkeypatch.setattr(ranks, "rank", lambda me=me: me)
        parts.append(own_rows(batch))
    assert torch.equal(torch.stack(parts, dim=1).flatten(0, 1), batch)
    monkeypatch.setattr(ranks, "world_size", lambda: 4)
    with pytest.raises(WorkshopError, match="multiple of 4"):
        own_rows(batch)


@pytest.mark.parametrize("dims", [(6, 5), (6, 5, 4, 3)])
def test_synchronised_statistics_are_those_of_the_whole_batch(dims, monkeypatch):
    """Both ranks in one process: what is gathered is handed to them by the test."""
    torch.manual_seed(0)
    plain_type = nn.BatchNorm1d if len(dims) == 2 else nn.BatchNorm2d
    plain = plain_type(5).double()
    nn.init.normal_(plain.weight)
    nn.init.normal_(plain.bias)
    monkeypatch.setattr(ranks, "world_size", lambda: 2)
    layers = []
    for _ in range(2):
        copy = plain_type(5).double()
        copy.load_state_dict(plain.state_dict())
        synchronize_batch_norm(copy)
        layers.append(copy)
    assert all(type(layer) is SyncedBatchNorm for layer in layers)

    x = 3 + torch.randn(*dims, dtype=torch.float64)
    x.requires_grad_()
    parts = [x[0::2], x[1::2]]
    over = [d for d in range(x.ndim) if d != 1]
    told = torch.cat(
        [torch.stack(torch.var_mean(p, over, correction=0)[::-1])[None] for p in parts]
    )
    monkeypatch.setattr(ranks, "gather_rows_with_gradient", lambda _: told)
    out = torch.stack([f(p) for f, p in zip(layers, parts, strict=True)], dim=1)
    expected = plain(x)
    torch.testing.assert_close(out.flatten(0, 1), expected, rtol=1e-12, atol=1e-12)
    weights = torch.randn_like(expected)
    (ours,) = torch.autograd.grad((out.flatten(0, 1) * weights).sum(), x)
    (theirs,) = torch.autograd.grad((expected * weights).sum(), x)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
    for layer in layers:
        for name, value in plain.state_dict().items():
            torch.testing.assert_close(layer.state_dict()[name], value)
        layer.eval()
        torch.testing.assert_close(layer(parts[0]), plain.eval()(parts[0]))
