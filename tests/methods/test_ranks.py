"""Two processes with half a batch each remember and learn what one does with all."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import distributed

SCRIPT = Path(__file__).with_name("rank_steps.py")


@pytest.mark.slow
@pytest.mark.skipif(
    not distributed.is_available(), reason="this torch has no torch.distributed"
)
def test_two_ranks_equal_one_to_1e9(tmp_path: Path) -> None:
    jobs = [(0, 1), (0, 2), (1, 2)]
    children = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(rank), str(world), str(tmp_path)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank, world in jobs
    ]
    for child in children:
        _, errors = child.communicate(timeout=900)
        assert child.returncode == 0, errors
    one, first, second = (
        torch.load(tmp_path / f"{world}-{rank}.pt") for rank, world in jobs
    )
    assert len(one) == 6
    for name, whole in one.items():
        per_step = len(whole) // 3
        for k, (all_, a, b) in enumerate(
            zip(whole, first[name], second[name], strict=True)
        ):
            kind = k % per_step
            if kind == 0:  # the loss: each rank's is the mean of its part
                ours = (a + b) / 2
            elif kind in (1, 2):  # gradients of rows: as after averaging over ranks
                ours = torch.stack([a, b], dim=1).flatten(0, 1) / 2
            else:  # what is remembered: the same on both
                assert torch.equal(a, b), name
                ours = a
            torch.testing.assert_close(
                ours, all_, rtol=1e-9, atol=1e-12, msg=f"{name}, entry {k}"
            )
