"""Killed at random moments and resumed each time: the same bits as if never killed."""

import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from workshop_lib.data.split import Split
from workshop_lib.methods import METHODS, PIXEL_METHODS
from workshop_lib.training.loop import train

TOLD_APART = {"last.pt", "previous.pt", "best.pt", "log.csv", "pseudo_labels.csv"}
SCRIPT = Path(__file__).parent / "killed.py"
KILLS = 20
NAMES = [*METHODS, *(f"segment:{name}" for name in PIXEL_METHODS)]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has neither fork nor SIGKILL")
def test_every_method_survives_twenty_kills_to_the_last_bit(tmp_path):
    """Checkpoints, best weights, log and pseudo-labels are those of a quiet run."""
    done = subprocess.run(
        [sys.executable, SCRIPT, tmp_path, str(KILLS), *NAMES],
        capture_output=True,
        text=True,
        check=False,
        cwd=SCRIPT.parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["method"] for one in told] == NAMES
    for one in told:
        assert one["differences"] == [], one["method"]
        assert sum(one["hits"].values()) == KILLS
    everywhere = sum((Counter(one["hits"]) for one in told), Counter())
    assert everywhere["a file half written"] >= len(METHODS)
    assert everywhere["between two names"] > 0
    assert everywhere["a step"] >= len(METHODS)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no fork")
def test_two_runs_that_differ_are_told_apart(tmp_path):
    """Or the test above could not fail: another seed differs in every file."""
    spec = importlib.util.spec_from_file_location("killed", SCRIPT)
    assert spec is not None and spec.loader is not None
    killed = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(killed)
    images = killed.scenes()
    split = Split.random(images, labels_per_class=2, seed=0)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        recipe = killed.RECIPE.with_(seed=seed, steps=4)
        train(recipe, images, split, folder=tmp_path / name, verbose=False)
    assert killed.compare(tmp_path / "a", tmp_path / "b") == []
    found = killed.compare(tmp_path / "a", tmp_path / "c")
    assert {name.split(".pt")[0] + ".pt" * (".pt" in name) for name in found} == (
        TOLD_APART
    )
    assert any(".optimizer." in name for name in found)
    (tmp_path / "b" / ".last.pt.1.tmp").touch()
    assert killed.compare(tmp_path / "a", tmp_path / "b") == [".last.pt.1.tmp"]
