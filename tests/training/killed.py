"""Kill trainings at random moments, resume them, compare; run by test_killed.py.

    python -m tests.training.killed FOLDER KILLS METHOD [METHOD ...]

A method that is called `maps:fixmatch` makes maps.

Prints a line of JSON per method: how many kills, where they hit, how many trainings
were brought to their end, and what differed from the training that was never killed.

This process imports torch once and forks for every attempt, so that a child begins to
train after milliseconds. It takes no step itself: a fork would lose the threads that
torch starts for it. A shared byte says where a child is when it is killed. In every
other attempt files are written slowly, in pieces with a pause after each and after each
change of names, so that many kills hit a file that is half there.
"""

import io
import json
import mmap
import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch
import torch._dynamo  # which the first step of an optimiser would import in each child

from tests.training.tiny import compare, parts, short, tiny, with_known
from workshop_lib.config import Config
from workshop_lib.training.loop import train
from workshop_lib.training.trainer import Trainer

SHORT = short(steps=30, eval_every=2, mu=1, warmup_steps=2)
PLACES = ("a step", "a file half written", "between two names", "validation or start")
STEP, FILE, NAMES, ELSEWHERE = range(4)
PAUSE = 0.004  # seconds
WHERE = mmap.mmap(-1, 1)  # shared with the children


def config_of(method: str) -> Config:
    """The config of a method by its name here."""
    maps, _, name = method.rpartition(":")
    changes = {"heads": ("cover",), "encoder": "unet-2"} if maps else {}
    config = SHORT.replace(method=name, **changes)
    return with_known(config, threshold=0.35, queue_batches=2)


def watch_places(slowly: bool) -> None:
    """Let this process say where it is, and if asked write at a crawl."""
    real_save, real_replace, real_step = torch.save, os.replace, Trainer.step
    pause = PAUSE if slowly else 0.0

    def save(state: object, path: Path) -> None:
        WHERE[0] = FILE
        content = io.BytesIO()
        real_save(state, content)
        data = content.getbuffer()
        with open(path, "wb") as file:
            for begin in range(0, len(data), len(data) // 3):
                file.write(data[begin : begin + len(data) // 3])
                file.flush()
                time.sleep(pause)

    def replace(old: Path, new: Path) -> None:
        real_replace(old, new)
        if Path(new).suffix == ".pt":
            between = Path(new).name == "previous.pt"
            WHERE[0] = NAMES if between else ELSEWHERE
            time.sleep(4 * pause if between else pause)  # or too few would hit it

    def step(self: Trainer) -> None:
        WHERE[0] = STEP
        real_step(self)
        WHERE[0] = ELSEWHERE

    torch.save, os.replace, Trainer.step = save, replace, step  # type: ignore


def start(work: Callable[[], object]) -> int:
    """Do some work in a fork of this process; returns its id."""
    WHERE[0] = ELSEWHERE
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def wait(child: int) -> None:
    """Wait for the end of a child; a mistake in it is one in here too."""
    _, status = os.waitpid(child, 0)
    if status:
        raise SystemExit(f"a training ended with status {status}")


def torment(folder, method, kills, draw):
    """Kill and resume until there were enough kills and the training has ended."""
    scenes, config, cpu = tiny(), config_of(method), torch.device("cpu")
    split = parts(scenes)

    def training(place: str, slowly: bool) -> Callable[[], object]:
        def work() -> None:
            watch_places(slowly)
            run = folder / place
            train(config, scenes, split, folder=run, device=cpu, verbose=False)

        return work

    begin = time.monotonic()
    wait(start(training("whole", slowly=False)))
    longest = (time.monotonic() - begin) / 3
    hits: Counter[str] = Counter()
    ends, attempt, found = 0, 0, list[str]()
    while sum(hits.values()) < kills:
        place, attempt = f"killed{ends}", attempt + 1
        slowly = attempt % 2 == 0
        child = start(training(place, slowly))
        # Twice as long where writing is slow: a third of it would see no checkpoint
        time.sleep(draw.uniform(0, longest * (1 + slowly)))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            hits[PLACES[WHERE[0]]] += 1
        elif status:
            raise SystemExit(f"{method}: a training ended with status {status}")
        if (folder / place / "run.json").exists():
            found += compare(folder / "whole", folder / place)
            ends += 1
    wait(start(training(f"killed{ends}", slowly=False)))
    found += compare(folder / "whole", folder / f"killed{ends}")
    return {"method": method, "hits": hits, "ends": ends + 1, "differences": found}


def main(folder: Path, kills: int, methods: list[str]) -> None:
    """Torment one method after the other."""
    torch.set_num_threads(1)
    for method in methods:
        draw = random.Random(f"{method}")
        place = folder / method.replace(":", "-")
        print(json.dumps(torment(place, method, kills, draw)), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
