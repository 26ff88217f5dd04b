"""Seeing whether a function changed what it was given."""

__all__ = ["RandomState", "changed", "snapshot"]

import random
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


def snapshot(value: Any) -> Any:
    """Copy tensors and arrays, also inside lists, dicts and dataclasses.

    A dataclass becomes a dict of its fields. Everything else is kept as it is; random
    generators among it, which are meant to change.
    """
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, list | tuple):
        return [snapshot(v) for v in value]
    if isinstance(value, dict):
        return {k: snapshot(v) for k, v in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: snapshot(getattr(value, f.name)) for f in fields(value)}
    return value


def changed(value: Any, before: Any) -> bool:
    """Tell whether a value differs from the `snapshot` taken of it."""
    if isinstance(value, Tensor):
        now = value.detach()
        if now.shape != before.shape or now.dtype != before.dtype:
            return True
        return not torch.equal(torch.nan_to_num(now), torch.nan_to_num(before))
    if isinstance(value, np.ndarray):
        return not np.array_equal(value, before)
    if isinstance(value, list | tuple):
        pairs = zip(value, before, strict=False)
        return len(value) != len(before) or any(changed(v, b) for v, b in pairs)
    if isinstance(value, dict):
        other_keys = value.keys() != before.keys()
        return other_keys or any(changed(v, before[k]) for k, v in value.items())
    if is_dataclass(value) and not isinstance(value, type):
        return any(changed(getattr(value, k), b) for k, b in before.items())
    return False


class RandomState:
    """The state of the global random numbers of torch, numpy and Python.

    A function that draws from an explicit generator leaves all three as they were.
    """

    def __init__(self) -> None:
        self.states = self._now()

    def moved(self) -> list[str]:
        """Name the modules whose global random numbers were used or seeded since."""
        now = self._now()
        return [name for name, state in self.states.items() if state != now[name]]

    @staticmethod
    def _now() -> dict[str, Any]:
        legacy: Any = np.random.get_state(legacy=False)
        key = (legacy["state"]["key"].tobytes(), legacy["state"]["pos"])
        return {
            "torch": torch.get_rng_state().numpy().tobytes(),
            "numpy": key,
            "random": random.getstate(),
        }
