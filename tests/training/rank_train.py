"""One of several processes that train together; run by test_distributed.py.

    python -m tests.training.rank_train FOLDER STEPS METHOD [METHOD ...]

Trains each method in double precision on a few small images. RANK, WORLD_SIZE,
MASTER_ADDR and MASTER_PORT say which process this is, as torchrun would; with
SIGNAL_AT set, the process sends itself SIGUSR1 in that step; KNOBS holds what the
config changes, as JSON.
"""

import json
import os
import signal
import sys
from pathlib import Path

import pytest
import torch

from tests.training.tiny import before_step, parts, short, tiny, with_known
from workshop_lib.augment import normalize, views
from workshop_lib.ranks import process_group
from workshop_lib.training.loop import train

SHORT = short(eval_every=20, warmup_steps=1, projection_dim=4)


def in_double_precision() -> None:
    """Let network and views have so many digits that rounding cannot hide a mistake.

    Of dropout, each rank draws its own: left out.
    """
    torch.set_default_dtype(torch.float64)
    torch.nn.Dropout.forward = lambda self, x: x  # type: ignore[method-assign]
    for module in (views, normalize):
        module.to_float = lambda images: images.double()  # type: ignore[attr-defined]


def main(folder: Path, steps: int, methods: list[str]) -> None:
    """Train one method after the other, on one split."""
    torch.set_num_threads(1)
    if "SIGNAL_AT" in os.environ:
        step, me = int(os.environ["SIGNAL_AT"]), os.getpid()
        before_step(pytest.MonkeyPatch(), step, lambda _: os.kill(me, signal.SIGUSR1))
    scenes = tiny()
    in_double_precision()
    knobs = json.loads(os.environ.get("KNOBS", "{}"))
    with process_group():
        for method in methods:
            config = SHORT.replace(method=method, steps=steps, **knobs)
            config = with_known(config, threshold=0.4, queue_batches=2)
            place, cpu = folder / method, torch.device("cpu")
            train(config, scenes, parts(scenes), folder=place, device=cpu)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
