"""Random images with targets of given shapes: to time steps, and to try code."""

__all__ = ["random_scenes"]

from collections.abc import Mapping
from typing import Any

import torch

from workshop_lib.data.scenes import RGB, Scenes

# Columns that any fact of the metadata vector may need, and their ranges.
_METADATA = {
    **{"lat": (-60, 70), "lon": (-180, 180), "day_of_year": (1, 365)},
    **{"season": (0, 1), "region": (0, 4), "climate_zone": (1, 30)},
    **{"temperature": (-10, 30), "rain": (0, 9), "wind": (0, 9)},
}


def random_scenes(facts: Mapping[str, Any], size: int) -> Scenes:
    """Make up images, targets and metadata of the right shapes.

    Args:
        facts: sensors, metadata and heads, as `Inputs.facts` gives them.
        size: side of the images in pixels.

    Returns:
        At least 64 images, two of each class.
    """
    generator = torch.Generator().manual_seed(0)
    heads = facts["heads"]
    classes = {k: max(1, about["num_classes"]) for k, about in heads.items()}
    n = max(64, 2 * max(classes.values()))
    sensors = dict(facts["sensors"])
    own = next((name for name in ("rgb", "s2") if name in sensors), "s2")
    channels = sensors.pop(own, 4)

    def images(c: int) -> torch.Tensor:
        return torch.rand(n, c, size, size, generator=generator)

    mine = images(channels)
    if own == "rgb":
        mine = (255 * mine).to(torch.uint8)
    scene = heads.get("scene", {"kind": "categorical", "num_classes": 2})
    K = max(2, scene["num_classes"])
    labels = torch.arange(n) % K
    if scene["kind"] == "multilabel":
        labels = torch.nn.functional.one_hot(labels, K)
    cover = classes.get("cover", 2)
    masks = torch.randint(0, cover, (n, size, size), generator=generator)
    numbers = {
        name: torch.empty(n).uniform_(low, high, generator=generator).round()
        for name, (low, high) in _METADATA.items()
    }
    numbers |= {
        name: torch.rand(n, generator=generator)
        for name, about in heads.items()
        if about["kind"] == "regression"
    }
    return Scenes(
        images=mine,
        labels=labels,
        class_names=tuple(f"class {k}" for k in range(K)),
        names=tuple(f"{k}" for k in range(n)),
        bands=RGB if own == "rgb" else tuple(f"b{k}" for k in range(channels)),
        masks=masks.to(torch.uint8),
        mask_names=tuple(f"cover {k}" for k in range(cover)),
        modalities={name: images(c) for name, c in sensors.items() if name != "cover"},
        metadata=numbers,
    )
