"""Damaged and foreign checkpoints are refused with the reason; one more is kept."""

import errno
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from tests.training.tiny import parts, short, tiny
from workshop_lib.errors import WorkshopError
from workshop_lib.files import remove_unfinished
from workshop_lib.training import checkpoint as module
from workshop_lib.training.checkpoint import load_checkpoint, save_checkpoint, save_last
from workshop_lib.training.loop import train
from workshop_lib.training.trainer import Trainer

SMALL = short(steps=12, eval_every=3, warmup_steps=1, threshold=0.4)


@pytest.fixture(scope="module")
def scenes():
    return tiny()


@pytest.fixture(scope="module")
def split(scenes):
    return parts(scenes)


def same(a: object, b: object) -> bool:
    """Compare nested checkpoints bit for bit; the seconds may differ."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict) and isinstance(b, dict):
        keys = a.keys() - {"seconds"}
        return keys == b.keys() - {"seconds"} and all(same(a[k], b[k]) for k in keys)
    if isinstance(a, list):
        return isinstance(b, list) and all(
            same(x, y) for x, y in zip(a, b, strict=True)
        )
    return a == b or (a != a and b != b)  # NaN is like NaN here


STATE = {
    "model": {"w": torch.arange(3000.0), "b": torch.zeros(3)},
    "rows": [{"a": 1.0}],
}


def test_no_flipped_bit_goes_unseen(tmp_path):
    """Each of 400 single flips is refused, or hit a byte that holds nothing."""
    path = tmp_path / "last.pt"
    save_checkpoint(path, STATE)
    whole, expected = path.read_bytes(), load_checkpoint(path)
    draw, refused, unseen_by_torch = random.Random(0), 0, 0
    for _ in range(400):
        damaged = bytearray(whole)
        damaged[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            assert same(load_checkpoint(path), expected)
        except WorkshopError as error:
            assert "damaged" in str(error)
            refused += 1
            try:
                torch.load(path, weights_only=True)
                unseen_by_torch += 1
            except Exception:  # noqa: BLE001, S112 - whatever it is, torch has noticed
                continue
    assert refused > 300
    assert unseen_by_torch > 200  # or the checksums need not be compared here


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_off_is_refused(share, tmp_path):
    path = tmp_path / "last.pt"
    save_checkpoint(path, STATE)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(WorkshopError, match="damaged"):
        load_checkpoint(path)


def test_the_reason_names_the_checksum(tmp_path):
    path = tmp_path / "last.pt"
    save_checkpoint(path, STATE)
    content = bytearray(path.read_bytes())
    content[content.index(torch.arange(3000.0).numpy().tobytes()) + 5000] ^= 1
    path.write_bytes(content)
    with pytest.raises(WorkshopError, match="wrong checksum of .*data"):
        load_checkpoint(path)


@pytest.fixture(scope="module")
def finished(scenes, split, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    train(SMALL, scenes, split, folder=folder, verbose=False)
    return folder


def read_table(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "log.csv").drop(columns="seconds")


def copied(folder: Path, to: Path) -> Path:
    """Copy a run as a kill before its end would leave it."""
    shutil.copytree(folder, to)
    (to / "run.json").unlink()
    return to


def files_alike(a: Path, b: Path) -> None:
    for name in ("last.pt", "best.pt", "previous.pt"):
        assert same(load_checkpoint(a / name), load_checkpoint(b / name)), name
    pd.testing.assert_frame_equal(read_table(a), read_table(b), check_exact=True)
    assert (a / "pseudo_labels.csv").read_text() == (
        b / "pseudo_labels.csv"
    ).read_text()


def test_two_checkpoints_are_kept(finished):
    assert load_checkpoint(finished / "last.pt")["step"] == 12
    assert load_checkpoint(finished / "previous.pt")["step"] == 9


@pytest.mark.parametrize("damage", ["cut off", "one bit", "another file"])
def test_the_previous_checkpoint_leads_to_the_same_end(
    damage, finished, scenes, split, tmp_path, capsys
):
    folder = copied(finished, tmp_path / "run")
    last = folder / "last.pt"
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    changed = {"cut off": content[:900], "one bit": content, "another file": b"hello"}
    last.write_bytes(changed[damage])
    with pytest.raises(WorkshopError, match="--checkpoint previous"):
        train(SMALL, scenes, split, folder=folder, verbose=False)
    assert last.read_bytes() == changed[damage]  # refused, but not thrown away
    train(SMALL, scenes, split, folder=folder, checkpoint="previous")
    assert "resuming from step 9 of 12" in capsys.readouterr().out
    files_alike(folder, finished)


def test_the_previous_checkpoint_is_never_replaced_by_a_damaged_one(
    finished, scenes, split, tmp_path, monkeypatch
):
    """Killed again right after: the good one has become the last one by then."""
    folder = copied(finished, tmp_path / "run")
    (folder / "last.pt").write_bytes(b"damaged")

    def killed(self: Trainer) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", killed)
        with pytest.raises(KeyboardInterrupt):
            train(SMALL, scenes, split, folder=folder, checkpoint="previous")
    assert load_checkpoint(folder / "last.pt")["step"] == 9
    train(SMALL, scenes, split, folder=folder, verbose=False)
    assert load_checkpoint(folder / "last.pt")["step"] == 12


def test_a_finished_run_goes_on_from_the_previous_one_if_asked(
    finished, scenes, split, tmp_path
):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    (folder / "last.pt").write_bytes(b"damaged")
    train(SMALL, scenes, split, folder=folder, checkpoint="previous", verbose=False)
    files_alike(folder, finished)


def test_killed_between_two_names_the_previous_one_is_taken_unasked(
    finished, scenes, split, tmp_path
):
    folder = copied(finished, tmp_path / "run")
    (folder / "last.pt").unlink()
    train(SMALL, scenes, split, folder=folder, verbose=False)
    files_alike(folder, finished)


def test_contradictions_are_told_before_anything_is_removed(
    finished, scenes, split, tmp_path
):
    folder = copied(finished, tmp_path / "run")
    before = sorted(folder.iterdir())
    for wrong in ({"resume": False, "checkpoint": "previous"}, {"checkpoint": "first"}):
        with pytest.raises(WorkshopError, match="checkpoint"):
            train(SMALL, scenes, split, folder=folder, verbose=False, **wrong)
    assert sorted(folder.iterdir()) == before
    (folder / "previous.pt").unlink()
    with pytest.raises(WorkshopError, match="from its second checkpoint on"):
        train(SMALL, scenes, split, folder=folder, checkpoint="previous")


def test_starting_anew_leaves_no_previous_checkpoint(finished, scenes, split, tmp_path):
    folder = copied(finished, tmp_path / "run")
    short = SMALL.replace(steps=2, eval_every=2)
    train(short, scenes, split, folder=folder, resume=False, verbose=False)
    assert not (folder / "previous.pt").exists()


def test_what_a_kill_left_half_written_is_removed(finished, scenes, split, tmp_path):
    folder = copied(finished, tmp_path / "run")
    (folder / ".last.pt.abc.tmp").write_bytes(b"half")
    (folder / "notes.tmp").write_text("mine")
    train(SMALL, scenes, split, folder=folder, verbose=False)
    assert not (folder / ".last.pt.abc.tmp").exists()
    assert (folder / "notes.tmp").exists()
    remove_unfinished(tmp_path / "nowhere")


@pytest.mark.parametrize("at", range(3))
def test_a_disk_full_at_any_checkpoint_costs_neither_of_the_two(
    at, tmp_path, monkeypatch
):
    """The write fails after some bytes; what was there stays, both files."""
    for step in (1, 2):
        save_last(tmp_path, {"step": step})
    real, calls = torch.save, []

    def full(state, path, *args, **kwargs):
        calls.append(path)
        if len(calls) == at + 1:
            Path(path).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(state, path, *args, **kwargs)

    monkeypatch.setattr(module.torch, "save", full)
    expected = [1, 2]
    for step in (3, 4, 5):
        try:
            save_last(tmp_path, {"step": step})
            expected = [expected[1], step]
        except WorkshopError as error:
            assert step == at + 3 and "disk is full" in str(error)
        found = [load_checkpoint(tmp_path / n)["step"] for n in NAMES]
        assert found == expected
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(NAMES)


NAMES = ("previous.pt", "last.pt")

_ON_A_FULL_DISK = """
import resource, sys
from pathlib import Path
import torch
from workshop_lib.errors import WorkshopError
from workshop_lib.training.checkpoint import save_last
folder, limited = Path(sys.argv[1]), sys.argv[2] == "limit"
if limited:
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
for step in range(1, 6):
    size = 2_000_000 if step in (3, 4) else 20_000
    try:
        save_last(folder, {"step": step, "model": torch.zeros(size // 4)})
        print("saved", step)
    except WorkshopError as error:
        print("refused", step, str(error)[:60].replace("\\n", " "))
"""


def run_on(folder: Path, how: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _ON_A_FULL_DISK, str(folder), how],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def check_full(folder: Path, how: str) -> None:
    lines = run_on(folder, how)
    assert [" ".join(line.split()[:2]) for line in lines] == [
        "saved 1",
        "saved 2",
        "refused 3",
        "refused 4",
        "saved 5",
    ]
    assert "cannot write" in lines[2]
    assert [load_checkpoint(folder / name)["step"] for name in NAMES] == [2, 5]
    assert sorted(p.name for p in folder.iterdir()) == sorted(NAMES)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on a file's size")
def test_a_real_limit_of_size_costs_no_checkpoint(tmp_path):
    """No pretence: the system itself refuses to write on, in the middle of a file."""
    check_full(tmp_path, "limit")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no tmpfs on Windows")
def test_a_really_full_disk_costs_no_checkpoint(tmp_path):
    """A disk of one megabyte, where we may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount command here")
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        check_full(disk, "disk")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("damage", ["foreign", "text", "missing"])
def test_wrong_checkpoints_are_refused_with_the_reason(damage, tmp_path):
    path = tmp_path / "last.pt"
    if damage == "text":
        path.write_text("x")
    if damage == "foreign":
        torch.save({"something": 1}, path)
    words = "damaged|not a checkpoint|no checkpoint"
    with pytest.raises(WorkshopError, match=words) as found:
        load_checkpoint(path, needs=("model",))
    assert "weights_only" not in str(found.value)  # torch would advise to trust it
