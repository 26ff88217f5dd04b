"""What deck 03 measures: slides/data/03_speed.json."""

__all__ = ["MEASURED", "draws"]

import time
from collections.abc import Callable
from typing import Any

import torch

from slides.draw.runs import deck_scenes
from workshop_lib.augment import policies_for
from workshop_lib.session import versions


def draws() -> torch.Generator:
    """Start anew for every figure: none depends on which was drawn before."""
    return torch.Generator().manual_seed(0)


def measure_speed(count: int = 256, rounds: int = 15) -> dict[str, Any]:
    """Count a core's own seconds, which other work on the machine hardly touches."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    scenes, split = deck_scenes()
    batch = scenes.images[split.unlabeled[:count]]
    alone, generator = batch.split(1), draws()
    policies = policies_for(is_rgb=False)
    best: dict[str, float] = {}
    for _ in range(rounds):
        for name, title in (("weak", "weak"), ("strong", "strong-1")):
            ways: dict[str, Callable[[], object]] = {
                "one by one": lambda p=policies[name]: [p(x, generator) for x in alone],
                "batch": lambda p=policies[name]: p(batch, generator),
            }
            for way, work in ways.items():
                start = time.process_time()
                work()
                seconds = time.process_time() - start
                key = f"{title}, {way}"
                best[key] = min(best.get(key, seconds), seconds)
    rates = {key: round(count / seconds) for key, seconds in best.items()}
    where = versions()
    torch.set_num_threads(threads)
    return {
        "what": f"{count} MiniEO images of 32 px, the best of {rounds} rounds in turns,"
        " per second of one core",
        "where": where,
        "images_per_second": rates,
        "times_as_fast": {
            view: round(rates[f"{view}, batch"] / rates[f"{view}, one by one"], 1)
            for view in ("weak", "strong-1")
        },
    }


MEASURED: dict[str, Callable[[], dict[str, Any]]] = {"03_speed.json": measure_speed}
