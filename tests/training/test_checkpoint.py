"""Damaged and foreign checkpoints are refused with the reason; one more is kept."""

import random
import shutil
from pathlib import Path

import pytest
import torch

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
