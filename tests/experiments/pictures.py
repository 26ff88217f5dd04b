"""Two classes of small pictures, and a config that learns them in four steps."""

from pathlib import Path

import numpy as np
from PIL import Image

from workshop_lib.config import Config
from workshop_lib.presets import preset


def write_pictures(folder: Path, count: int = 12) -> Path:
    """Write bright and dark pictures, a folder per class."""
    rng = np.random.default_rng(0)
    for name, level in (("bright", 180), ("dark", 40)):
        (folder / name).mkdir(parents=True)
        for k in range(count):
            pixels = rng.normal(level, 20, (16, 16, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"a {k}.png")
    return folder


def four_steps(folder: Path) -> Config:
    """Return a config on these pictures."""
    return preset(
        "class",
        name=str(folder),
        size=16,
        steps=4,
        eval_every=2,
        batch_size=4,
        mu=2,
        warmup_steps=0,
        precision="fp32",
    )
