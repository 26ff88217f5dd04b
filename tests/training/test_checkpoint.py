"""Damaged and foreign checkpoints are refused with the reason; one more is kept."""

import os
import random
import shutil
import sys
from pathlib import Path

import pytest
import torch

from tests.programs import run_program
from tests.training.tiny import before_step, compare, differences, quietly, short
from workshop_lib.errors import WorkshopError
from workshop_lib.files import remove_unfinished
from workshop_lib.training.checkpoint import load_checkpoint, save_checkpoint
from workshop_lib.training.trainer import Trainer

SMALL = short(steps=12, eval_every=3, warmup_steps=1, threshold=0.4)


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
            assert differences(load_checkpoint(path), expected) == []
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


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    quietly(folder, SMALL)
    return folder


def copied(folder: Path, to: Path) -> Path:
    """Copy a run as a kill before its end would leave it."""
    shutil.copytree(folder, to)
    (to / "run.json").unlink()
    return to


@pytest.mark.parametrize("damage", ["cut off", "one bit", "another file"])
def test_the_previous_checkpoint_leads_to_the_same_end(
    damage, finished, tmp_path, capsys
):
    folder = copied(finished, tmp_path / "run")
    last = folder / "last.pt"
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    changed = {"cut off": content[:900], "one bit": content, "another file": b"hello"}
    last.write_bytes(changed[damage])
    with pytest.raises(WorkshopError, match="--checkpoint previous"):
        quietly(folder, SMALL)
    assert last.read_bytes() == changed[damage]  # refused, but not thrown away
    quietly(folder, SMALL, checkpoint="previous", verbose=True)
    assert "resuming from step 9 of 12" in capsys.readouterr().out
    assert compare(finished, folder) == []


def test_the_previous_checkpoint_is_never_replaced_by_a_damaged_one(
    finished, tmp_path, monkeypatch
):
    """Killed again right after: the good one has become the last one by then."""
    folder = copied(finished, tmp_path / "run")
    (folder / "last.pt").write_bytes(b"damaged")

    def kill(trainer: Trainer) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        before_step(patch, 10, kill)
        with pytest.raises(KeyboardInterrupt):
            quietly(folder, SMALL, checkpoint="previous", verbose=True)
    assert load_checkpoint(folder / "last.pt")["step"] == 9
    quietly(folder, SMALL)
    assert load_checkpoint(folder / "last.pt")["step"] == 12


def test_a_finished_run_goes_on_from_the_previous_one_if_asked(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    (folder / "last.pt").write_bytes(b"damaged")
    quietly(folder, SMALL, checkpoint="previous")
    assert compare(finished, folder) == []


def test_killed_between_two_names_the_previous_one_is_taken_unasked(finished, tmp_path):
    folder = copied(finished, tmp_path / "run")
    (folder / "last.pt").unlink()
    quietly(folder, SMALL)
    assert compare(finished, folder) == []


def test_contradictions_are_told_before_anything_is_removed(finished, tmp_path):
    folder = copied(finished, tmp_path / "run")
    before = sorted(folder.iterdir())
    for wrong in ({"resume": False, "checkpoint": "previous"}, {"checkpoint": "first"}):
        with pytest.raises(WorkshopError, match="checkpoint"):
            quietly(folder, SMALL, **wrong)
    assert sorted(folder.iterdir()) == before
    (folder / "previous.pt").unlink()
    with pytest.raises(WorkshopError, match="from its second checkpoint on"):
        quietly(folder, SMALL, checkpoint="previous", verbose=True)


def test_starting_anew_leaves_no_previous_checkpoint(finished, tmp_path):
    folder = copied(finished, tmp_path / "run")
    short = SMALL.replace(steps=2, eval_every=2)
    quietly(folder, short, resume=False)
    assert not (folder / "previous.pt").exists()


def test_what_a_kill_left_half_written_is_removed(finished, tmp_path):
    folder = copied(finished, tmp_path / "run")
    (folder / ".last.pt.abc.tmp").write_bytes(b"half")
    (folder / "notes.tmp").write_text("mine")
    quietly(folder, SMALL)
    assert not (folder / ".last.pt.abc.tmp").exists()
    assert (folder / "notes.tmp").exists()
    remove_unfinished(tmp_path / "nowhere")


NAMES = ("previous.pt", "last.pt")

_ON_A_FULL_DISK = """
import resource, sys
from pathlib import Path
import torch
from workshop_lib.errors import WorkshopError
from workshop_lib.training.checkpoint import save_last
folder = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
for step in range(1, 6):
    size = 2_000_000 if step in (3, 4) else 20_000
    try:
        save_last(folder, {"step": step, "model": torch.zeros(size // 4)})
        print("saved", step)
    except WorkshopError as error:
        print("refused", step, str(error)[:60].replace("\\n", " "))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on a file's size")
def test_a_real_limit_of_size_costs_no_checkpoint(tmp_path):
    """No pretence: the system itself refuses to write on, in the middle of a file."""
    root = Path(__file__).parents[2]
    done = run_program(sys.executable, "-c", _ON_A_FULL_DISK, tmp_path, cwd=root)
    lines = done.stdout.splitlines()
    expected = ["saved 1", "saved 2", "refused 3", "refused 4", "saved 5"]
    assert [" ".join(line.split()[:2]) for line in lines] == expected
    assert "cannot write" in lines[2]
    assert [load_checkpoint(tmp_path / name)["step"] for name in NAMES] == [2, 5]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(NAMES)


@pytest.mark.parametrize("damage", ["foreign", "text", "missing", 0.0, 0.5, 0.999])
def test_wrong_checkpoints_are_refused_with_the_reason(damage, tmp_path):
    """A number: the fraction of a file that is left."""
    path = tmp_path / "last.pt"
    if damage == "text":
        path.write_text("x")
    elif damage == "foreign":
        torch.save({"something": 1}, path)
    elif damage != "missing":
        save_checkpoint(path, STATE)
        path.write_bytes(path.read_bytes()[: int(damage * path.stat().st_size)])
    words = "damaged|not a checkpoint|no checkpoint"
    with pytest.raises(WorkshopError, match=words) as found:
        load_checkpoint(path, needs=("model",))
    assert "weights_only" not in str(found.value)  # torch would advise to trust it
