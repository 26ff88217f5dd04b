"""Killed at random moments and resumed each time: the same bits as if never killed."""

import json
import os
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.programs import run_program
from tests.training import killed
from tests.training.tiny import compare, quietly
from workshop_lib.methods import METHODS

TOLD_APART = {"last.pt", "previous.pt", "best.pt", "log.csv", "pseudo_labels.csv"}
KILLS = 20
MAPS = ("supervised", "fixmatch", "freematch", "mean_teacher")
NAMES = [*METHODS, *(f"maps:{name}" for name in MAPS)]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has neither fork nor SIGKILL")
def test_every_method_survives_twenty_kills_to_the_last_bit(tmp_path):
    """Checkpoints, best weights, log and pseudo-labels are those of a quiet run."""
    command = (sys.executable, "-m", "tests.training.killed", tmp_path, KILLS, *NAMES)
    env = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = run_program(*command, cwd=Path(__file__).parents[2], env=env)
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
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        config = killed.SHORT.replace(seed=seed, steps=4, threshold=0.35)
        quietly(tmp_path / name, config)
    assert compare(tmp_path / "a", tmp_path / "b") == []
    found = compare(tmp_path / "a", tmp_path / "c")
    assert {".".join(name.split(".")[:2]) for name in found} == TOLD_APART
    assert any(".optimizer." in name for name in found)
    (tmp_path / "b" / ".last.pt.1.tmp").touch()
    assert compare(tmp_path / "a", tmp_path / "b") == [".last.pt.1.tmp"]
