"""Two processes with half a batch each learn and remember what one does with all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import distributed

from workshop_lib.methods import METHODS

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.skipif(
    not (distributed.is_available() and distributed.is_gloo_available()),
    reason="this torch has no gloo",
)
def test_two_ranks_equal_one_with_every_method(tmp_path: Path) -> None:
    jobs = [(0, 1), (0, 2), (1, 2)]
    command = [sys.executable, "-m", "tests.methods.rank_steps"]
    children = [
        subprocess.Popen(
            [*command, str(rank), str(world), str(tmp_path)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for rank, world in jobs
    ]
    for child in children:
        _, said = child.communicate(timeout=500)
        assert child.returncode == 0, said
    one, *many = (torch.load(tmp_path / f"{world}-{rank}.pt") for rank, world in jobs)
    assert list(one) == list(METHODS)
    for name, whole in one.items():
        for rank in many:
            assert rank[name].keys() == whole.keys()
            for key, value in whole.items():
                torch.testing.assert_close(
                    rank[name][key], value, rtol=1e-9, atol=1e-10, msg=f"{name}: {key}"
                )
