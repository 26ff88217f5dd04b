"""Photos of two classes, bright and dark, as a user's folder might hold them."""

from pathlib import Path

import numpy as np
from PIL import Image

NAMES = ("bright", "dark")
LEVELS = (180, 40)  # mean of the pixels, 0 to 255


def save(path: Path, level: int, seed: int, side: int = 16) -> None:
    """Write a photo of noise around a level."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).normal(level, 25, (side, side, 3))
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)


def save_folders(root: Path) -> None:
    """Write `photos`, twelve of each class, and `new`, five of each without one."""
    for first, (name, level) in enumerate(zip(NAMES, LEVELS, strict=True)):
        for k in range(12):
            save(root / "photos" / name / f"{k}.png", level, seed=12 * first + k)
    for k in range(5):
        save(root / "new" / f"bright {k}.png", LEVELS[0], seed=100 + k, side=20)
        save(root / "new" / "deeper" / f"dark {k}.jpg", LEVELS[1], 200 + k, side=40)
