"""Samples and models for the tests of models."""

import torch
from torch import Tensor

from workshop_lib.models import HeadSpec, Model, build_model

SENSORS = {"s2": 3, "s1": 2}
METADATA = 2
SCENE = {"scene": HeadSpec("categorical", 5)}
COVER = {"cover": HeadSpec("dense", 3)}


def images(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def sample(n=4, sides=(16, 16), metadata=METADATA, seed=0):
    """A sample of all sensors, normalised, and metadata."""
    found = {
        name: images(n, c, *sides, seed=seed + k)
        for k, (name, c) in enumerate(SENSORS.items())
    }
    if metadata:
        found["metadata"] = images(n, metadata, seed=seed + 9)
    return found


def fused(encoder: str, heads=SCENE, sensors=SENSORS, **more) -> Model:
    """A model of both sensors and metadata with weights that are always the same."""
    torch.manual_seed(0)
    return build_model(encoder, sensors, heads, **{"metadata": METADATA, **more})


def single(encoder: str, channels: int = 3, heads=SCENE, **more) -> Model:
    """A model of RGB images alone."""
    torch.manual_seed(0)
    return build_model(encoder, {"rgb": channels}, heads, **more)


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
